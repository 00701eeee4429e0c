//! The command as programs call it: the promises of docs/automation.md.

mod kinds;
mod preview;
