//! The command as programs call it: the promises of docs/automation.md.

mod dialogue;
mod documented;
mod kinds;
mod objects;
mod preview;
mod removal;
