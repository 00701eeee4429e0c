//! The file with the key of a fleet, which the first host makes and the others get from it.

use std::fmt;
use std::path::Path;

use data_encoding::HEXLOWER;
use rustix::fs::CWD;
use twofactor_store::sys::file::{self, FileAccess};
use zeroize::Zeroizing;

use super::host_error::{HostError, HostFault};
use super::host_settings::{form, read};
use crate::sealed_values::fleet_key::FleetKey;

const TITLE: &str = "twofactor-fleet-key 1";

/// The key of a fleet, and the fleet's id.
pub struct KeyFile {
    /// The fleet.
    pub fleet: [u8; 16],
    /// Its key.
    pub key: FleetKey,
    /// The key before that, while values of the store are still sealed with it.
    pub old: Option<FleetKey>,
}

impl KeyFile {
    /// A new fleet.
    ///
    /// # Errors
    /// [`HostError`] for the file at `path` where the kernel gives no randomness.
    pub fn generate(path: &Path) -> Result<Self, HostError> {
        let failed = |_| HostError::new(path, HostFault::Random);
        let mut fleet = [0; 16];
        getrandom::fill(&mut fleet).map_err(failed)?;
        Ok(Self {
            fleet,
            key: FleetKey::random().map_err(failed)?,
            old: None,
        })
    }

    /// Reads it from a file that only root can read.
    ///
    /// # Errors
    /// [`HostError`].
    pub fn load(path: &Path) -> Result<Self, HostError> {
        let bytes = Zeroizing::new(read(path, FileAccess::Private)?);
        Self::parse(&bytes).ok_or_else(|| form(path, 0, "is not the key of a fleet"))
    }

    /// Writes it, for root alone, atomically and durably.
    ///
    /// # Errors
    /// [`HostError`].
    pub fn write(&self, path: &Path) -> Result<(), HostError> {
        let (Some(directory), Some(name)) = (path.parent(), path.file_name()) else {
            return Err(form(path, 0, "is to be a file in a directory"));
        };
        let name = name.to_str();
        let name = name.ok_or_else(|| form(path, 0, "is to have a name in UTF-8"))?;
        let write = || {
            let directory = file::open_directory(CWD, directory, FileAccess::Readable)?;
            file::write_file(
                &directory,
                name,
                self.text().as_bytes(),
                FileAccess::Private,
            )
        };
        write().map_err(HostError::file(path))
    }

    fn text(&self) -> Zeroizing<String> {
        let fleet = HEXLOWER.encode(&self.fleet);
        let hex = |key: &FleetKey| Zeroizing::new(HEXLOWER.encode(key.bytes()));
        let mut text = Zeroizing::new(String::with_capacity(256));
        for part in [TITLE, "\nfleet ", &fleet, "\nkey ", &hex(&self.key), "\n"] {
            text.push_str(part);
        }
        if let Some(old) = &self.old {
            for part in ["old ", &hex(old), "\n"] {
                text.push_str(part);
            }
        }
        text
    }

    fn parse(bytes: &[u8]) -> Option<Self> {
        let text = std::str::from_utf8(bytes).ok()?;
        let mut lines = text.strip_suffix('\n')?.split('\n');
        if lines.next() != Some(TITLE) {
            return None;
        }
        let fleet = HEXLOWER.decode(lines.next()?.strip_prefix("fleet ")?.as_bytes());
        let key = |hex: &str| {
            let bytes = Zeroizing::new(HEXLOWER.decode(hex.as_bytes()).ok()?);
            let mut key = Zeroizing::new([0; 32]);
            (bytes.len() == key.len()).then(|| key.copy_from_slice(&bytes))?;
            Some(FleetKey::from_bytes(key))
        };
        let current = key(lines.next()?.strip_prefix("key ")?)?;
        let old = match lines.next() {
            None => None,
            Some(line) => Some(key(line.strip_prefix("old ")?)?),
        };
        lines.next().is_none().then_some(())?;
        Some(Self {
            fleet: fleet.ok()?.try_into().ok()?,
            key: current,
            old,
        })
    }
}

impl fmt::Debug for KeyFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("KeyFile")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_read_as_it_was_written() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("fleet.key");
        let mut made = KeyFile::generate(&path).unwrap();
        for old in [None, Some(FleetKey::random().unwrap())] {
            made.old = old;
            made.write(&path).unwrap();
            let read = KeyFile::load(&path).unwrap();
            assert_eq!(read.fleet, made.fleet);
            assert_eq!(read.key.bytes(), made.key.bytes());
            let bytes = |file: &KeyFile| file.old.as_ref().map(|key| *key.bytes());
            assert_eq!(bytes(&read), bytes(&made));
        }
        let text = made.text();
        for cut in [1, 10, 60, text.len() - 66, text.len() - 1] {
            assert!(KeyFile::parse(&text.as_bytes()[..cut]).is_none(), "{cut}");
        }
        assert!(KeyFile::parse(format!("{}x\n", *text).as_bytes()).is_none());
        let other = text.replace("key 1", "key 2");
        assert!(KeyFile::parse(other.as_bytes()).is_none());
    }
}
