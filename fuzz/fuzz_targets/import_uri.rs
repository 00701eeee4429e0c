//! Files of `otpauth://` and `otpauth-migration://` URIs: only what can be stored is read, and nothing that is refused is quoted.
#![no_main]

use fuzz::import::{MOMENT, reads};
use libfuzzer_sys::fuzz_target;
use twofactor_command::fuzzing::uri_list;

fuzz_target!(|bytes: &[u8]| {
    reads(bytes, |bytes| uri_list::parse(bytes, "file", MOMENT));
});
