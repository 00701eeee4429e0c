//! `twofactor doctor` and `enable` on machines that are healthy or broken, beside what libpam makes of them.
#![forbid(unsafe_code)]
#![cfg(test)]

mod files;
mod fleet;
mod libpam;
mod many_users;
mod programs;
mod records;
mod report;
mod session_line;
mod sshd;
mod stacks;
