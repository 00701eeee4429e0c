//! Attempts of several hosts against a real cluster of etcd.
#![cfg(test)]
#![allow(
    clippy::disallowed_methods,
    reason = "limits of time are measured, and variables say which part of a sweep to run"
)]

mod brought_codes;
mod changed_part;
mod changes;
mod claims;
mod codes;
mod command;
mod damaged;
mod damaged_copies;
mod document;
mod enrolled;
mod failures;
mod faulty_fleet;
mod faulty_hosts;
mod faulty_member;
mod faulty_replies;
mod fleet;
mod heartbeat;
mod killed_marks;
mod leaving;
mod members;
mod records;
mod removed;
mod renewed_files;
mod restored;
mod restored_again;
mod restored_late;
mod restored_twice;
mod restoring;
mod rotated;
mod test_hosts;
mod versions;
