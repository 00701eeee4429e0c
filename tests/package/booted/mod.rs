//! The Debian package in a Debian that systemd has booted: its units, logins on the console and over ssh, and what users and
//! administrators do there.

mod fleet;
mod logins;
mod notify;
mod ready;
mod unattended;
mod units;
