//! Module arguments, one a line: what is accepted is exactly what the documents say, in any order.
#![no_main]

use std::ffi::{CStr, CString};

use libfuzzer_sys::fuzz_target;

// The module has no library to take it from.
#[allow(dead_code, unreachable_pub)]
#[path = "../../src/module_arguments.rs"]
mod module_arguments;

use module_arguments::{FirstPass, ModuleArguments};

fuzz_target!(|bytes: &[u8]| {
    let words: Vec<CString> = bytes
        .split(|byte| *byte == b'\n')
        .filter_map(|word| CString::new(word).ok())
        .collect();
    let mut words: Vec<&CStr> = words.iter().map(CString::as_c_str).collect();
    let parsed = ModuleArguments::parse(&words);
    assert_eq!(parsed.is_ok(), are_legal(&words), "{words:?}");
    words.reverse();
    let reversed = ModuleArguments::parse(&words);
    match (parsed, reversed) {
        (Ok(one), Ok(other)) => {
            assert_eq!(one, other, "the order matters");
            assert!(one.policy.is_absolute() && one.state.is_absolute());
            let given = |word: &CStr| words.contains(&word);
            assert_eq!(one.first_pass == FirstPass::Only, given(c"use_first_pass"));
            assert_eq!(one.first_pass == FirstPass::Try, given(c"try_first_pass"));
        }
        (one, other) => {
            assert!(one.is_err() && other.is_err(), "the order matters");
            let error = one.map(drop).unwrap_err().to_string();
            assert!(
                error.starts_with("module argument ") && error.len() < 600,
                "{error}"
            );
        }
    }
});

/// The rules, once more.
fn are_legal(words: &[&CStr]) -> bool {
    let known = |word: &&CStr| {
        let bytes = word.to_bytes();
        let path = [&b"policy=/"[..], b"state=/"]
            .iter()
            .any(|start| bytes.starts_with(start));
        let flags = [
            &b"debug"[..],
            b"try_first_pass",
            b"use_first_pass",
            b"forward_pass",
        ];
        std::str::from_utf8(bytes).is_ok() && (path || flags.contains(&bytes))
    };
    let key = |word: &&CStr| {
        // The two say the same thing differently.
        let bytes = word.to_bytes();
        let bytes = if bytes == b"try_first_pass" {
            b"use_first_pass"
        } else {
            bytes
        };
        bytes
            .split(|byte| *byte == b'=')
            .next()
            .unwrap_or_default()
            .to_vec()
    };
    let mut keys: Vec<Vec<u8>> = words.iter().map(key).collect();
    keys.sort();
    let count = keys.len();
    keys.dedup();
    words.iter().all(known) && keys.len() == count
}
