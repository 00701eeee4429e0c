//! Enrollment in the login dialogue: who may get a device there, what it takes, and who is never asked.
#![forbid(unsafe_code)]
#![cfg(test)]

mod account_lines;
mod app;
mod console;
mod in_fleet;
mod invitation;
mod invitation_changes;
mod meanwhile;
mod new_device;
mod new_device_limits;
mod notify;
mod one_field;
mod phases;
mod sshd;
mod stacks;
