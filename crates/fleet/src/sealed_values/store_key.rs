//! Names of keys in the store.

use std::fmt;

/// The directory of all keys. The number is that of the layout.
const PREFIX: &str = "/twofactor/v1/";

/// Kinds of keys that carry a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyKind {
    /// States of users.
    State,
    /// Records of users.
    Record,
    /// Hosts.
    Host,
    /// Hosts that took part in a restoration.
    Restored,
}

impl KeyKind {
    /// The beginning of all keys of this kind.
    #[must_use]
    pub fn prefix(self) -> String {
        let directory = match self {
            Self::State => "state",
            Self::Record => "record",
            Self::Host => "host",
            Self::Restored => "restored",
        };
        format!("{PREFIX}{directory}/")
    }

    /// The key of a name.
    #[must_use]
    pub fn key(self, name: &str) -> StoreKey {
        StoreKey(format!("{}{}", self.prefix(), escaped(name)))
    }
}

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

    /// The record of a user, or the note that it was removed.
    #[must_use]
    pub fn record(user: &str) -> Self {
        Self(format!("{PREFIX}record/{}", escaped(user)))
    }

    /// The note that a host brought what it knows to a restored backup.
    #[must_use]
    pub fn restored(host: &str) -> Self {
        Self(format!("{PREFIX}restored/{}", escaped(host)))
    }

    /// The name in a key of that kind; `None` where it is no key that this program writes.
    #[must_use]
    pub fn name_in(key: &[u8], kind: KeyKind) -> Option<String> {
        let rest = key.strip_prefix(kind.prefix().as_bytes())?;
        let mut name = Vec::new();
        let mut bytes = rest.iter();
        while let Some(&byte) = bytes.next() {
            if byte == b'%' {
                let digits = [*bytes.next()?, *bytes.next()?];
                let digits = std::str::from_utf8(&digits).ok()?;
                name.push(u8::from_str_radix(digits, 16).ok()?);
            } else {
                name.push(byte);
            }
        }
        let name = String::from_utf8(name).ok()?;
        // Each name has one key.
        (escaped(&name).as_bytes() == rest).then_some(name)
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
        assert_eq!(StoreKey::record("a").to_string(), "/twofactor/v1/record/a");
    }

    #[test]
    fn a_key_tells_its_name() {
        for name in ["alice", "a/b", "a%2Fb", "é", ""] {
            let key = StoreKey::record(name);
            assert_eq!(key, KeyKind::Record.key(name));
            let told = StoreKey::name_in(key.as_bytes(), KeyKind::Record);
            assert_eq!(told.as_deref(), Some(name));
            assert_eq!(StoreKey::name_in(key.as_bytes(), KeyKind::State), None);
        }
        for other in ["a%2", "a%2f", "a%41", "a b", "%ZZ", "%FF"] {
            let key = format!("/twofactor/v1/record/{other}");
            assert_eq!(
                StoreKey::name_in(key.as_bytes(), KeyKind::Record),
                None,
                "{other}"
            );
        }
    }
}
