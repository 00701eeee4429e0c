//! The host's settings: where the store is, and how this host proves itself there. `/etc/security/twofactor-fleet.toml`.
//!
//! They hold a password: no error quotes a line of them.

use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::fs::CWD;
use toml::Spanned;
use toml::de::{DeTable, DeValue};
use twofactor_store::sys::file::{self, FileAccess, FileError, FileOpening};
use zeroize::Zeroizing;

use super::host_error::{HostError, HostFault};
use crate::etcd::certificate_facts::{self, CertificateFacts};
use crate::etcd::etcd_gateway::{EtcdGateway, GatewaySettings};

/// Most members that are named.
const MAX_ENDPOINTS: usize = 15;
const KEYS: [&str; 7] = [
    "endpoints",
    "authorities",
    "certificate",
    "private_key",
    "user",
    "password",
    "key_file",
];

/// The settings that belong to a policy: beside it, `twofactor-fleet.toml` for `twofactor.toml`.
#[must_use]
pub fn beside(policy: &Path) -> PathBuf {
    let mut name = policy.file_stem().unwrap_or_default().to_owned();
    name.push("-fleet.toml");
    policy.with_file_name(name)
}

/// The settings of a host.
#[derive(Clone)]
pub struct HostSettings {
    /// The file that says so.
    pub path: PathBuf,
    /// Addresses of the members, such as `https://a.example.org:2379`.
    pub endpoints: Vec<String>,
    /// File with the certificates in PEM by which the members are known.
    pub authorities: PathBuf,
    /// File with the certificate of this host in PEM.
    pub certificate: PathBuf,
    /// File with its key, which only root can read.
    pub private_key: PathBuf,
    /// User of etcd.
    pub user: String,
    /// File with the key of the fleet, which only root can read.
    pub key_file: PathBuf,
    password: Zeroizing<String>,
}

impl HostSettings {
    /// Reads them.
    ///
    /// # Errors
    /// [`HostError`] where the file is missing, not root's, accessible to others, or says anything else.
    pub fn load(path: &Path) -> Result<Self, HostError> {
        let bytes = Zeroizing::new(read(path, FileAccess::Private)?);
        let text = std::str::from_utf8(&bytes);
        let text = text.map_err(|_| form(path, 0, "is not UTF-8"))?;
        Self::parse(path, text)
    }

    fn parse(path: &Path, text: &str) -> Result<Self, HostError> {
        let line_of = |at: usize| text.bytes().take(at).filter(|byte| *byte == b'\n').count() + 1;
        let table = DeTable::parse(text).map_err(|error| {
            let line = error.span().map_or(0, |span| line_of(span.start));
            form(path, line, "is not valid TOML")
        })?;
        let table = table.into_inner();
        for name in table.keys() {
            if !KEYS.contains(&name.get_ref().as_ref()) {
                let line = line_of(name.span().start);
                return Err(form(path, line, "this key is none of the settings"));
            }
        }
        let value = |key: &'static str| {
            table
                .get(key)
                .ok_or_else(|| form(path, 0, missing_key(key)))
        };
        let string = |value: &Spanned<DeValue<'_>>| match value.get_ref() {
            DeValue::String(text) if !text.is_empty() => Ok(text.to_string()),
            _ => Err(form(path, line_of(value.span().start), "is to be a text")),
        };
        let file = |key| {
            let value = value(key)?;
            let name = PathBuf::from(string(value)?);
            let line = line_of(value.span().start);
            let absolute = name.is_absolute().then_some(name);
            absolute.ok_or_else(|| form(path, line, "is to be an absolute path"))
        };
        let endpoints = value("endpoints")?;
        let line = line_of(endpoints.span().start);
        let DeValue::Array(list) = endpoints.get_ref() else {
            return Err(form(path, line, "is to be a list of addresses"));
        };
        let endpoints = list.iter().map(string).collect::<Result<Vec<_>, _>>()?;
        let is_address = |it: &String| it.starts_with("https://") && !it.ends_with('/');
        if !(1..=MAX_ENDPOINTS).contains(&endpoints.len()) || !endpoints.iter().all(is_address) {
            let what = "is to list 1 to 15 addresses such as https://a.example.org:2379";
            return Err(form(path, line, what));
        }
        Ok(Self {
            path: path.to_owned(),
            endpoints,
            authorities: file("authorities")?,
            certificate: file("certificate")?,
            private_key: file("private_key")?,
            user: string(value("user")?)?,
            key_file: file("key_file")?,
            password: Zeroizing::new(string(value("password")?)?),
        })
    }

    /// A client of the store. It connects at the first request, of which each takes at most `request_time` with one member.
    ///
    /// # Errors
    /// [`HostError`] where a certificate or key cannot be used, or is not root's, or others can read the key.
    pub fn gateway(&self, request_time: Duration) -> Result<EtcdGateway, HostError> {
        EtcdGateway::new(self.with_files(request_time)?)
            .map_err(|error| HostError::new(&self.path, HostFault::Settings(error)))
    }

    /// The settings with the files that they name, which are read now.
    pub(crate) fn with_files(&self, request_time: Duration) -> Result<GatewaySettings, HostError> {
        Ok(GatewaySettings {
            endpoints: self.endpoints.clone(),
            authorities: read(&self.authorities, FileAccess::Readable)?,
            certificate: read(&self.certificate, FileAccess::Readable)?,
            private_key: Zeroizing::new(read(&self.private_key, FileAccess::Private)?),
            user: self.user.clone(),
            password: self.password.clone(),
            request_time,
        })
    }
}

/// Shows no password.
impl fmt::Debug for HostSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HostSettings")
            .field("path", &self.path)
            .field("endpoints", &self.endpoints)
            .field("user", &self.user)
            .finish_non_exhaustive()
    }
}

/// The facts of the certificates in a file that the settings name.
///
/// # Errors
/// [`HostError`].
pub fn facts_of(path: &Path) -> Result<Vec<CertificateFacts>, HostError> {
    let pem = read(path, FileAccess::Readable)?;
    certificate_facts::of_pem(&pem).map_err(|_| form(path, 0, "is not a certificate in PEM"))
}

/// The whole file, which is checked after it was opened.
pub(crate) fn read(path: &Path, access: FileAccess) -> Result<Vec<u8>, HostError> {
    let read = || -> Result<Vec<u8>, FileError> {
        let (fd, stat) = file::open_file(CWD, path, FileOpening::Read, access)?;
        file::read_all(fd, &stat)
    };
    read().map_err(HostError::file(path))
}

pub(crate) fn form(path: &Path, line: usize, what: &'static str) -> HostError {
    HostError::new(path, HostFault::Form { line, what })
}

const fn missing_key(key: &str) -> &'static str {
    match key.as_bytes() {
        b"endpoints" => "endpoints is missing",
        b"authorities" => "authorities is missing",
        b"certificate" => "certificate is missing",
        b"private_key" => "private_key is missing",
        b"user" => "user is missing",
        b"password" => "password is missing",
        _ => "key_file is missing",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt as _;

    const SETTINGS: &str = "\
endpoints = [\"https://a.example.org:2379\", \"https://b.example.org:2379\"]
authorities = \"/etc/ca.crt\"
certificate = \"/etc/client.crt\"
private_key = \"/etc/client.key\"
user = \"host-a\"
password = \"opensesame\"
key_file = \"/etc/fleet.key\"
";

    fn parse(text: &str) -> Result<HostSettings, HostError> {
        HostSettings::parse(Path::new("/fleet.toml"), text)
    }

    #[test]
    fn settings_stand_beside_the_policy() {
        assert_eq!(
            beside(Path::new(twofactor_core::POLICY_FILE)),
            Path::new("/etc/security/twofactor-fleet.toml")
        );
    }

    #[test]
    fn settings_are_read_and_not_shown() {
        let settings = parse(SETTINGS).unwrap();
        assert_eq!(settings.endpoints.len(), 2);
        assert_eq!(settings.key_file, Path::new("/etc/fleet.key"));
        assert_eq!(settings.password.as_str(), "opensesame");
        assert!(!format!("{settings:?}").contains("opensesame"));
    }

    #[test]
    fn no_error_of_settings_quotes_them() {
        for (from, to, error) in [
            (
                "user =",
                "users =",
                "line 5: this key is none of the settings",
            ),
            ("user = \"host-a\"\n", "", "user is missing"),
            ("\"opensesame\"", "opensesame", "line 6: is not valid TOML"),
            (
                "\"opensesame\"",
                "[\"opensesame\"]",
                "line 6: is to be a text",
            ),
            ("\"opensesame\"", "\"\"", "line 6: is to be a text"),
            (
                "\"/etc/fleet.key\"",
                "\"opensesame\"",
                "line 7: is to be an absolute path",
            ),
            (
                "https://b",
                "http://b",
                "line 1: is to list 1 to 15 addresses such as https://a.example.org:2379",
            ),
            (
                "password = \"opensesame\"",
                "password = \"opensesame\"\npassword = \"opensesame\"",
                "line 7: is not valid TOML",
            ),
        ] {
            let changed = SETTINGS.replace(from, to);
            assert_ne!(changed, SETTINGS);
            let text = parse(&changed).unwrap_err().to_string();
            assert_eq!(text, format!("/fleet.toml: {error}"));
        }
    }

    #[test]
    fn settings_that_others_can_read_are_refused() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("fleet.toml");
        std::fs::write(&path, SETTINGS).unwrap();
        for (mode, is_usable) in [(0o600, true), (0o400, true), (0o640, false), (0o604, false)] {
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
            assert_eq!(HostSettings::load(&path).is_ok(), is_usable, "{mode:o}");
        }
        let link = directory.path().join("link.toml");
        std::os::unix::fs::symlink(&path, &link).unwrap();
        assert!(HostSettings::load(&link).is_err());
        let missing = HostSettings::load(&directory.path().join("none.toml"));
        assert!(missing.unwrap_err().is_missing());
    }
}
