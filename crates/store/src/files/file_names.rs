//! From login names to file names and back: no name leaves the directory, no two names share a file.

/// Longest file name that is made, so that the temporary name beside it still fits (NAME_MAX is 255).
const MAX_LEN: usize = 240;
const RECORD_SUFFIX: &str = ".toml";

/// The file name of a user's record; `None` for a name under which no user can be enrolled.
pub fn record_file(user: &str) -> Option<String> {
    state_file(user).map(|name| name + RECORD_SUFFIX)
}

/// The file name of a user's state; `None` for a name under which no user can be enrolled.
pub fn state_file(user: &str) -> Option<String> {
    let mut name = String::with_capacity(user.len());
    for (position, byte) in user.bytes().enumerate() {
        let plain = byte.is_ascii_alphanumeric() || b"_-".contains(&byte);
        if plain || (byte == b'.' && position > 0) {
            name.push(char::from(byte));
        } else {
            name.push_str(&format!("%{byte:02X}"));
        }
    }
    (1..=MAX_LEN).contains(&name.len()).then_some(name)
}

/// The user whose record has that file name; `None` for other files, such as temporary ones.
pub fn user_of(record_file: &str) -> Option<String> {
    user_of_state(record_file.strip_suffix(RECORD_SUFFIX)?)
}

/// The user whose state has that file name; `None` for other files.
pub fn user_of_state(encoded: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(encoded.len());
    let mut rest = encoded.bytes();
    while let Some(byte) = rest.next() {
        if byte != b'%' {
            bytes.push(byte);
            continue;
        }
        let digit = |byte: u8| char::from(byte).to_digit(16);
        let value = digit(rest.next()?)? * 16 + digit(rest.next()?)?;
        bytes.push(u8::try_from(value).ok()?);
    }
    let user = String::from_utf8(bytes).ok()?;
    // Only the spelling that is written is read: two spellings would be two records of one user.
    (state_file(&user)? == encoded).then_some(user)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_encoded_reversibly() {
        for (user, file) in [
            ("alice", "alice"),
            ("a.b-c_D9", "a.b-c_D9"),
            ("CORP\\alice", "CORP%5Calice"),
            (".", "%2E"),
            ("..", "%2E."),
            (".hidden", "%2Ehidden"),
            ("a/../b", "a%2F..%2Fb"),
            ("a%41", "a%2541"),
            ("a\nb", "a%0Ab"),
            ("é", "%C3%A9"),
            ("user@example.org", "user%40example.org"),
        ] {
            assert_eq!(state_file(user).unwrap(), file);
            assert_eq!(user_of(&record_file(user).unwrap()).unwrap(), user);
        }
    }

    #[test]
    fn impossible_names_have_no_file() {
        assert_eq!(state_file(""), None);
        assert_eq!(state_file(&"a".repeat(241)), None);
        assert_eq!(state_file(&"/".repeat(81)), None);
        assert!(state_file(&"/".repeat(80)).is_some());
    }

    #[test]
    fn foreign_files_belong_to_no_user() {
        for file in [
            "alice",
            ".alice.toml.new",
            "%61.toml",
            "a%.toml",
            "a%2.toml",
            "%2f.toml",
            ".toml",
            "%FF.toml",
        ] {
            assert_eq!(user_of(file), None, "{file}");
        }
    }
}
