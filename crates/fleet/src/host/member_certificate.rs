//! The certificate that a member of the store shows now, by a connection of its own: those in files of members are out of sight.

use std::io;
use std::net::{TcpStream, ToSocketAddrs as _};
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore};

use crate::etcd::certificate_facts::{self, CertificateFacts};
use crate::host_files::host_settings::HostSettings;

/// The port of an address that names none.
const HTTPS: u16 = 443;

/// The facts of the certificate that the member at `address` shows, where the handshake succeeds within `limit`.
///
/// # Errors
/// The reason why there is none: settings, the network, or a certificate that is not believed, such as one that ran out.
pub fn of_member(
    settings: &HostSettings,
    address: &str,
    limit: Duration,
) -> io::Result<CertificateFacts> {
    let (host, port) = place(address).ok_or_else(|| invalid("no address"))?;
    let name = ServerName::try_from(host.to_owned()).map_err(|_| invalid("no name of a member"))?;
    let mut connection =
        ClientConnection::new(Arc::new(config(settings)?), name).map_err(io::Error::other)?;
    let mut stream = connected((host, port), limit)?;
    stream.set_read_timeout(Some(limit))?;
    stream.set_write_timeout(Some(limit))?;
    while connection.is_handshaking() {
        connection.complete_io(&mut stream)?;
    }
    let shown = connection.peer_certificates().and_then(<[_]>::first);
    let facts = shown.and_then(|shown| certificate_facts::of_der(shown));
    facts.ok_or_else(|| invalid("a certificate that cannot be read"))
}

fn connected(place: (&str, u16), limit: Duration) -> io::Result<TcpStream> {
    let mut last = invalid("no address");
    for address in place.to_socket_addrs()? {
        match TcpStream::connect_timeout(&address, limit) {
            Ok(stream) => return Ok(stream),
            Err(error) => last = error,
        }
    }
    Err(last)
}

fn config(settings: &HostSettings) -> io::Result<ClientConfig> {
    let files = settings.with_files(Duration::ZERO);
    let files = files.map_err(io::Error::other)?;
    let mut authorities = RootCertStore::empty();
    for authority in certificates(&files.authorities)? {
        authorities.add(authority).map_err(io::Error::other)?;
    }
    let key = PrivateKeyDer::from_pem_slice(&files.private_key);
    let key = key.map_err(|_| invalid("no private key"))?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(io::Error::other)?
        .with_root_certificates(authorities)
        .with_client_auth_cert(certificates(&files.certificate)?, key)
        .map_err(io::Error::other)
}

fn certificates(pem: &[u8]) -> io::Result<Vec<CertificateDer<'static>>> {
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
    found.map_err(|_| invalid("no certificate"))
}

/// Host and port of an address such as `https://a.example.org:2379`.
fn place(address: &str) -> Option<(&str, u16)> {
    let rest = address.strip_prefix("https://")?;
    let authority = rest.split(['/', '?']).next()?;
    let (host, port) = match authority.strip_prefix('[') {
        Some(rest) => rest.split_once(']')?,
        None => authority.split_at(authority.find(':').unwrap_or(authority.len())),
    };
    let port = match port.strip_prefix(':') {
        Some(port) => port.parse().ok()?,
        None if port.is_empty() => HTTPS,
        None => return None,
    };
    (!host.is_empty()).then_some((host, port))
}

fn invalid(what: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, what)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_have_a_host_and_a_port() {
        for (address, found) in [
            ("https://a.example.org:2379", Some(("a.example.org", 2379))),
            ("https://192.0.2.1", Some(("192.0.2.1", 443))),
            ("https://[2001:db8::1]:2379", Some(("2001:db8::1", 2379))),
            ("https://[2001:db8::1]", Some(("2001:db8::1", 443))),
            ("https://a:2379/path", Some(("a", 2379))),
            ("https://:2379", None),
            ("https://a:x", None),
            ("https://[a", None),
            ("https://[::1]2379", None),
            ("http://a:1", None),
        ] {
            assert_eq!(place(address), found, "{address}");
        }
    }
}
