//! Logins over ssh: real sshd and OpenSSH client.

mod clean;
mod devices;
mod dialogue;
mod keys;
mod limits;
mod one_field;
mod policy;
mod secrets;
mod strangers;
mod ways_back;
