//! Logins with password and code in the real programs: sshd, login, su, sudo and others, with the stacks of `pam.d`.
#![forbid(unsafe_code)]
#![cfg(test)]

mod authselect;
mod cockpit;
mod console;
mod programs;
mod require;
mod sandboxes;
mod session_grace;
mod small_terminals;
mod sshd;
mod su_sudo;
mod told;
