//! Names of keys in the store.

use std::fmt;

/// The directory of all keys. The number is that of the layout.
const PREFIX: &str = "/twofactor/v1/";

/// A key of the store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoreKey(String);

impl StoreKey {
    /// The fleet: its id, its epoch, and the lowest format that it reads.
    #[must_use]
    pub fn meta() -> Self {
        Self(format!("{PREFIX}meta"))
    }

    /// The state of a user.
    #[must_use]
    pub fn state(user: &str) -> Self {
        Self(format!("{PREFIX}state/{}", escaped(user)))
    }

    /// The beat of a host.
    #[must_use]
    pub fn host(id: &str) -> Self {
        Self(format!("{PREFIX}host/{}", escaped(id)))
    }

    /// Its bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8] {
        self.0.as_bytes()
    }
}

impl fmt::Display for StoreKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// No two names have one key, and no name leaves its directory.
fn escaped(name: &str) -> String {
    let mut key = String::with_capacity(name.len());
    for byte in name.bytes() {
        if byte.is_ascii_alphanumeric() || b"_-.".contains(&byte) {
            key.push(char::from(byte));
        } else {
            key.push_str(&format!("%{byte:02X}"));
        }
    }
    key
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_name_has_a_key_of_its_own() {
        for (user, key) in [
            ("alice", "/twofactor/v1/state/alice"),
            ("a/b", "/twofactor/v1/state/a%2Fb"),
            ("a%2Fb", "/twofactor/v1/state/a%252Fb"),
            ("é", "/twofactor/v1/state/%C3%A9"),
            ("", "/twofactor/v1/state/"),
        ] {
            assert_eq!(StoreKey::state(user).to_string(), key);
        }
        assert_eq!(StoreKey::host("a").to_string(), "/twofactor/v1/host/a");
    }
}
