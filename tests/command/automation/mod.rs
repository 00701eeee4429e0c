//! The command as programs call it: the promises of docs/automation.md.

mod dialogue;
mod kinds;
mod preview;
