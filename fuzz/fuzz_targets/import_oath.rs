//! `users.oath` of the OATH toolkit: only what can be stored is read, and nothing that is refused is quoted.
#![no_main]

use fuzz::import::{MOMENT, reads};
use libfuzzer_sys::fuzz_target;
use twofactor_command::fuzzing::oath_users;

fuzz_target!(|bytes: &[u8]| {
    reads(bytes, |bytes| oath_users::parse(bytes, "file", MOMENT));
});
