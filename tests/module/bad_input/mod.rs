//! Files, names and answers that are broken or hostile: denied or ignored as the policy says, logged plainly, and not
//! a byte on the disk changed.

mod answers;
mod content;
mod directories;
mod files;
mod limits;
mod names;
