//! The settings of the gateway: members, certificates, and the user of etcd.

use std::fmt;
use std::time::Duration;

use ureq::tls::{Certificate, ClientCert, PemItem, PrivateKey, RootCerts, TlsConfig, parse_pem};
use zeroize::Zeroizing;

/// The files and names that the gateway needs, read already.
pub struct GatewaySettings {
    /// Addresses of the members, such as `https://a.example.org:2379`; at least one.
    pub endpoints: Vec<String>,
    /// Certificates in PEM by which the members are known.
    pub authorities: Vec<u8>,
    /// Certificate of this host in PEM, and its key.
    pub certificate: Vec<u8>,
    /// See [`Self::certificate`].
    pub private_key: Zeroizing<Vec<u8>>,
    /// User of etcd, and the password.
    pub user: String,
    /// See [`Self::user`].
    pub password: Zeroizing<String>,
    /// Longest time of one request to one member.
    pub request_time: Duration,
}

/// The error that settings are unusable.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SettingsError {
    /// No address of a member.
    NoEndpoint,
    /// An address that does not begin with `https://`.
    NotEncrypted,
    /// The certificates of the members cannot be read.
    Authorities,
    /// The certificate of this host, or its key, cannot be read.
    Certificate,
}

pub(crate) fn tls(settings: &GatewaySettings) -> Result<TlsConfig, SettingsError> {
    let authorities = certificates(&settings.authorities);
    let authorities = authorities.ok_or(SettingsError::Authorities)?;
    let own = certificates(&settings.certificate).ok_or(SettingsError::Certificate)?;
    let key = PrivateKey::from_pem(&settings.private_key);
    let key = key.map_err(|_| SettingsError::Certificate)?;
    let provider = rustls::crypto::ring::default_provider();
    Ok(TlsConfig::builder()
        .root_certs(RootCerts::new_with_certs(&authorities))
        .client_cert(Some(ClientCert::new_with_certs(&own, key)))
        .unversioned_rustls_crypto_provider(std::sync::Arc::new(provider))
        .build())
}

/// At least one certificate, and nothing that cannot be read.
fn certificates(pem: &[u8]) -> Option<Vec<Certificate<'static>>> {
    let mut found = Vec::new();
    for item in parse_pem(pem) {
        if let PemItem::Certificate(certificate) = item.ok()? {
            found.push(certificate);
        }
    }
    (!found.is_empty()).then_some(found)
}

impl fmt::Display for SettingsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NoEndpoint => "no address of a member of etcd is given",
            Self::NotEncrypted => "an address of a member of etcd does not begin with https://",
            Self::Authorities => "the certificates of the members of etcd cannot be read",
            Self::Certificate => "the certificate of this host, or its key, cannot be read",
        })
    }
}

impl std::error::Error for SettingsError {}
