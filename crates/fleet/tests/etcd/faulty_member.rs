//! A server between hosts and one real member, over TLS on both sides, which passes requests on and changes the replies.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use serde_json::Value;
use ureq::tls::{Certificate, ClientCert, PrivateKey, RootCerts, TlsConfig};

use harness::etcd::cluster::EtcdCluster;

/// A request, and the member's reply to it.
pub struct MemberExchange {
    /// Such as `/v3/kv/txn`.
    pub path: String,
    /// The request.
    pub request: Value,
    pub status: u16,
    pub reply: String,
}

impl MemberExchange {
    /// True for a transaction that only reads.
    pub fn is_read(&self) -> bool {
        self.path == "/v3/kv/txn" && !self.is_write()
    }

    /// True for a transaction that writes.
    pub fn is_write(&self) -> bool {
        self.request["success"][0]["request_put"].is_object()
    }

    /// The reply as it came.
    pub fn whole(&self) -> SentReply {
        SentReply::of(self.status, self.reply.as_bytes())
    }
}

/// Reply that a host gets.
pub struct SentReply {
    bytes: Vec<u8>,
    /// Sent again and again after that, with a pause, until the host has gone.
    again: Option<(Vec<u8>, Duration)>,
    is_last: bool,
}

impl SentReply {
    /// A reply of HTTP.
    pub fn of(status: u16, body: &[u8]) -> Self {
        let head = format!(
            "HTTP/1.1 {status} Said\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
            body.len()
        );
        Self {
            bytes: [head.as_bytes(), body].concat(),
            again: None,
            is_last: false,
        }
    }

    /// These bytes, after which the connection ends.
    pub fn raw(bytes: impl Into<Vec<u8>>) -> Self {
        Self {
            bytes: bytes.into(),
            again: None,
            is_last: true,
        }
    }

    /// The first bytes of this reply alone.
    pub fn cut(self, length: usize) -> Self {
        Self::raw(&self.bytes[..length.min(self.bytes.len())])
    }

    /// This reply two times.
    pub fn twice(mut self) -> Self {
        self.bytes = self.bytes.repeat(2);
        self
    }

    /// This reply, and the same bytes without an end.
    pub fn and_on(mut self, bytes: &[u8], pause: Duration) -> Self {
        self.again = Some((bytes.to_vec(), pause));
        self
    }
}

type ReplyChange = Box<dyn FnMut(&MemberExchange) -> SentReply + Send>;

/// The server. It serves until the end of the test.
pub struct FaultyMember {
    address: String,
    change: Arc<Mutex<ReplyChange>>,
    loses_writes: Arc<AtomicBool>,
    is_over: Arc<AtomicBool>,
}

impl FaultyMember {
    /// One before the first member, which changes nothing yet.
    pub fn before(cluster: &EtcdCluster) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = format!("https://{}", listener.local_addr().unwrap());
        let change: ReplyChange = Box::new(MemberExchange::whole);
        let member = Self {
            address,
            change: Arc::new(Mutex::new(change)),
            loses_writes: Arc::default(),
            is_over: Arc::default(),
        };
        let (change, is_over) = (Arc::clone(&member.change), Arc::clone(&member.is_over));
        let loses_writes = Arc::clone(&member.loses_writes);
        let (config, agent) = (server(cluster), client(cluster));
        let behind = cluster.endpoints().remove(0);
        thread::spawn(move || {
            for stream in listener.incoming() {
                if is_over.load(Ordering::SeqCst) {
                    return;
                }
                let (config, agent, behind) = (config.clone(), agent.clone(), behind.clone());
                let (change, loses_writes) = (Arc::clone(&change), Arc::clone(&loses_writes));
                thread::spawn(move || {
                    let connection = ServerConnection::new(config).unwrap();
                    let mut stream = StreamOwned::new(connection, stream.unwrap());
                    // The host may go at any moment.
                    while serve(&mut stream, (&agent, &behind), &loses_writes, &change).is_some() {}
                });
            }
        });
        member
    }

    /// Its address, in the place of the member's.
    pub fn endpoint(&self) -> String {
        self.address.clone()
    }

    /// From now on replies are changed like this.
    pub fn change(&self, change: impl FnMut(&MemberExchange) -> SentReply + Send + 'static) {
        *self.change.lock().unwrap() = Box::new(change);
    }

    /// From now on no write gets to the member, and that is not told; or all do again.
    pub fn lose_writes(&self, is_lost: bool) {
        self.loses_writes.store(is_lost, Ordering::SeqCst);
    }

    /// From now on they are passed on.
    pub fn change_nothing(&self) {
        self.change(MemberExchange::whole);
    }
}

impl Drop for FaultyMember {
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::SeqCst);
        let _ = TcpStream::connect(self.address.trim_start_matches("https://"));
    }
}

fn server(cluster: &EtcdCluster) -> Arc<ServerConfig> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let own = CertificateDer::from_pem_file(cluster.path("server.crt")).unwrap();
    let key = PrivateKeyDer::from_pem_file(cluster.path("server.key")).unwrap();
    let config = ServerConfig::builder_with_provider(provider);
    let config = config.with_safe_default_protocol_versions().unwrap();
    let config = config.with_no_client_auth();
    Arc::new(config.with_single_cert(vec![own], key).unwrap())
}

fn client(cluster: &EtcdCluster) -> ureq::Agent {
    let read = |name: &str| std::fs::read(cluster.path(name)).unwrap();
    let certificate = |name: &str| Certificate::from_pem(&read(name)).unwrap();
    let key = PrivateKey::from_pem(&read("client.key")).unwrap();
    let own = ClientCert::new_with_certs(&[certificate("client.crt")], key);
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let tls = TlsConfig::builder()
        .root_certs(RootCerts::new_with_certs(&[certificate("ca.crt")]))
        .client_cert(Some(own))
        .unversioned_rustls_crypto_provider(provider)
        .build();
    let config = ureq::Agent::config_builder()
        .http_status_as_error(false)
        .proxy(None)
        .timeout_global(Some(Duration::from_secs(20)))
        .tls_config(tls);
    config.build().into()
}

/// Serves one request; `None` where the connection ends.
fn serve(
    stream: &mut StreamOwned<ServerConnection, TcpStream>,
    (agent, behind): (&ureq::Agent, &str),
    loses_writes: &AtomicBool,
    change: &Mutex<ReplyChange>,
) -> Option<()> {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") {
        stream.read_exact(&mut byte).ok()?;
        head.extend(byte);
    }
    let head = String::from_utf8(head).unwrap();
    let path = head.split(' ').nth(1).unwrap().to_owned();
    let field = |name: &str| {
        let mut lines = head.lines().filter_map(|line| line.split_once(": "));
        lines.find_map(|(key, value)| key.eq_ignore_ascii_case(name).then(|| value.to_owned()))
    };
    let mut body = vec![0; field("content-length").unwrap().parse().unwrap()];
    stream.read_exact(&mut body).ok()?;
    let mut exchange = MemberExchange {
        path,
        request: serde_json::from_slice(&body).unwrap(),
        status: 200,
        reply: "{}".to_owned(),
    };
    if !(exchange.is_write() && loses_writes.load(Ordering::SeqCst)) {
        let mut asked = agent.post(format!("{behind}{}", exchange.path));
        if let Some(token) = field("authorization") {
            asked = asked.header("authorization", token);
        }
        let mut reply = asked.send(&body).ok()?;
        exchange.status = reply.status().as_u16();
        exchange.reply = reply.body_mut().read_to_string().ok()?;
    }
    let sent = (change.lock().unwrap())(&exchange);
    stream.write_all(&sent.bytes).ok()?;
    stream.flush().ok()?;
    if let Some((bytes, pause)) = sent.again {
        loop {
            thread::sleep(pause);
            stream.write_all(&bytes).ok()?;
            stream.flush().ok()?;
        }
    }
    if sent.is_last {
        stream.conn.send_close_notify();
        let _ = stream.flush();
        return None;
    }
    Some(())
}
