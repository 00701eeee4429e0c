//! State files of google-authenticator: only what can be stored is read, and nothing that is refused is quoted.
#![no_main]

use fuzz::import::{MOMENT, reads};
use libfuzzer_sys::fuzz_target;
use twofactor_command::fuzzing::google_authenticator;

fuzz_target!(|bytes: &[u8]| {
    reads(bytes, |bytes| {
        google_authenticator::parse(bytes, "file", "alice", MOMENT)
    });
});
