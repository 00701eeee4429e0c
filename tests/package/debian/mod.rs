//! The Debian package in a clean root that debootstrap made: installed with apt, selected in pam-auth-update,
//! used in that root's own sshd, login, su and sudo, upgraded under logins, removed, installed again and purged.

mod automation;
pub mod clean;
mod polkit;
mod removal;
mod set_up;
mod upgrade;
mod use_of_it;
mod watch;
