//! Login names as file names: a name never leaves the directory, and no two names share a file.
#![no_main]

use libfuzzer_sys::fuzz_target;
use twofactor_store::fuzzing::{record_file, state_file, user_of};

fuzz_target!(|bytes: &[u8]| {
    // Names arrive as UTF-8: `pw_name` that is not is refused before.
    let text = String::from_utf8_lossy(bytes);
    as_user(&text);
    as_file(&text);
});

fn as_user(user: &str) {
    let files = (state_file(user), record_file(user));
    let (Some(state), Some(record)) = &files else {
        assert_eq!(files, (None, None), "one without the other");
        let encoded: usize = user.bytes().map(encoded_len).sum();
        assert!(user.is_empty() || encoded > 235, "refused: {user:?}");
        return;
    };
    for file in [state, record] {
        let harmless = |byte: u8| byte.is_ascii_alphanumeric() || b"._-%".contains(&byte);
        assert!(file.bytes().all(harmless), "{file:?}");
        assert!(!file.starts_with('.') && file.len() <= 250, "{file:?}");
    }
    assert_eq!(*record, format!("{state}.toml"));
    // An encoding that can be undone is shared by no two names.
    assert_eq!(user_of(record).as_deref(), Some(user));
}

fn as_file(file: &str) {
    if let Some(user) = user_of(file) {
        assert_eq!(record_file(&user).as_deref(), Some(file));
    }
}

fn encoded_len(byte: u8) -> usize {
    if byte.is_ascii_alphanumeric() || b"_-.".contains(&byte) {
        1
    } else {
        3
    }
}
