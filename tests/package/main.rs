//! The delivery: `make install`, what belongs to a release, and the Debian package in a clean root, which
//! `make test-system` runs, or in one that systemd has booted, for `make test-boot`.
#![forbid(unsafe_code)]
#![cfg(test)]

#[cfg(feature = "boot-tests")]
mod booted;
#[cfg(feature = "system-tests")]
mod debian;
mod install;
mod release;
mod units;
