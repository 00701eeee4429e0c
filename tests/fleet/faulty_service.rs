//! A service of the fleet that answers, and gives no verdict.

use std::io::{Read as _, Write as _};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use harness::Machine;
use harness::enrolled::{self, SERVICE, Token, add_stack, auth, enroll_token, login};
use harness::otp::unix_time;
use harness::pam::code;
use harness::twofactord::FLEET_SOCKET;
use twofactor_core::STATE_DIR;
use twofactor_store::fleet_contact::FleetContact;

use super::policy;

/// Reply of a faulty service.
#[derive(Clone)]
enum ServiceReply {
    /// This, and no more.
    Whole(Vec<u8>),
    /// This, and a byte from time to time as long as it is waited for.
    Slow(Vec<u8>),
}

/// One of root's, which answers each call with the same. It ends with this.
struct FaultyService {
    is_over: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl FaultyService {
    fn start(reply: &'static str) -> Self {
        Self::sending(ServiceReply::Whole(reply.into()))
    }

    fn sending(reply: ServiceReply) -> Self {
        let path = Path::new(FLEET_SOCKET);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        let _ = std::fs::remove_file(path);
        let listener = UnixListener::bind(path).unwrap();
        let is_over = Arc::new(AtomicBool::new(false));
        let ended = Arc::clone(&is_over);
        let thread = thread::spawn(move || {
            for client in listener.incoming() {
                if ended.load(Ordering::SeqCst) {
                    return;
                }
                let mut client = client.unwrap();
                let mut call = [1];
                while call != [0] && client.read(&mut call).is_ok_and(|read| read == 1) {}
                match &reply {
                    ServiceReply::Whole(bytes) => drop(client.write_all(bytes)),
                    ServiceReply::Slow(bytes) => {
                        let mut sent = client.write_all(bytes);
                        while sent.is_ok() {
                            thread::sleep(Duration::from_millis(100));
                            sent = client.write_all(b" ");
                        }
                    }
                }
            }
        });
        Self {
            is_over,
            thread: Some(thread),
        }
    }
}

impl Drop for FaultyService {
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::SeqCst);
        let _ = UnixStream::connect(FLEET_SOCKET);
        let ended = self.thread.take().map(JoinHandle::join);
        assert!(ended.is_none_or(|it| it.is_ok()) || thread::panicking());
    }
}

/// Its faults shut no console, and open nothing else.
#[test]
fn no_fault_of_the_service_shuts_the_console() {
    let machine = enrolled::machine(&policy(""));
    add_stack(&machine, "login", "");
    let token = enroll_token(&machine, "alice");
    let types = |service: &str, typed: &str| auth(login("alice").service(service).answer(typed));
    for (number, reply) in [
        "{\"error\":\"io.twofactor.Busy\"}\0",
        "{\"error\":\"io.twofactor.Unavailable\"}\0",
        "{\"parameters\":{}}\0",
        "?\0",
        // A code that begins after its end.
        "{\"parameters\":{\"result\":\"accepted\",\"by\":\"device\",\"device\":\"token\",\
         \"password_length\":600,\"failures_before\":0}}\0",
    ]
    .into_iter()
    .enumerate()
    {
        let _service = FaultyService::start(reply);
        assert_eq!(types("login", &token.wrong()), code::MAXTRIES, "{reply}");
        let right = token.code_at(number);
        let refused = types(SERVICE, right);
        assert_eq!(refused, code::AUTHINFO_UNAVAIL, "{reply}");
        assert_eq!(types("login", right), code::SUCCESS, "{reply}");
        assert_eq!(types("login", right), code::MAXTRIES, "{reply}");
    }
}

/// A host of a fleet that met its store just now: an outage leaves the codes of alice's token to its files.
fn host_in_touch() -> (Machine, Token) {
    let keys = "deadline_ms = 500\noutage_recovery = true";
    let machine = enrolled::machine(&policy(keys));
    let token = enroll_token(&machine, "alice");
    let now = unix_time();
    let contact = FleetContact {
        met: now,
        mirrored: now,
        hosts: 1,
    };
    contact.write(Path::new(STATE_DIR)).unwrap();
    (machine, token)
}

fn types(typed: &str) -> i32 {
    let begun = Instant::now();
    let result = auth(login("alice").service(SERVICE).answer(typed));
    assert!(begun.elapsed() < Duration::from_secs(10));
    result
}

/// Not a verdict, and no outage either: this host's files have no say.
#[test]
fn no_reply_of_another_version_is_a_verdict() {
    let (_machine, token) = host_in_touch();
    let accepted = "\"result\":\"accepted\",\"by\":\"device\",\"device\":\"token\",\
                    \"password_length\":0,\"failures_before\":0";
    let parameters = |fields: String| format!("{{\"parameters\":{{{fields}}}}}\0").into_bytes();
    let changed = |from: &str, to: &str| {
        let fields = accepted.replace(from, to);
        assert_ne!(fields, accepted);
        parameters(fields)
    };
    let mut replies = vec![
        changed("accepted", "approved"),
        changed("accepted", "ACCEPTED"),
        changed("\"accepted\"", "[\"accepted\"]"),
        changed("\"accepted\"", "true"),
        changed("\"by\":\"device\"", "\"by\":\"passkey\""),
        changed("\"by\":\"device\"", "\"by\":\"recovery_code\""),
        changed("\"device\":\"token\"", "\"device\":7"),
        changed("_length\":0", "_length\":\"0\""),
        changed("_length\":0", "_length\":-1"),
        changed("_length\":0", "_length\":1e400"),
        changed("_length\":0", "_length\":99999999999999999999"),
        changed("_length\":0", "_length\":6"),
        changed("failures_before", "failures"),
        parameters(format!("\"result\":\"wrong\",{accepted}")),
        parameters(format!("{accepted},\"result\":\"wrong\"")),
        parameters("\"result\":\"Outage\"".to_owned()),
        parameters("\"result\":\"used\"".to_owned()),
        parameters("\"result\":\"clock\",\"device\":\"token\"".to_owned()),
        [b" ".repeat(1 << 20), parameters(accepted.to_owned())].concat(),
        b"\xff\xfe\0".to_vec(),
        b"\0".to_vec(),
        [b"[".repeat(2000), b"\0".to_vec()].concat(),
    ];
    for error in [
        "org.varlink.service.MethodNotFound",
        "io.twofactor.fleet.Later",
    ] {
        let fields = format!("\"error\":\"{error}\",\"parameters\":{{{accepted}}}");
        replies.push(format!("{{{fields}}}\0").into_bytes());
    }
    for (number, reply) in replies.into_iter().enumerate() {
        let shown = String::from_utf8_lossy(&reply[..reply.len().min(300)]).into_owned();
        let _service = FaultyService::sending(ServiceReply::Whole(reply));
        for typed in [token.wrong().as_str(), token.code_at(number)] {
            assert_eq!(types(typed), code::AUTHINFO_UNAVAIL, "{shown}");
        }
    }
    // With fields that this version does not know it is the verdict that it says.
    let _service = FaultyService::sending(ServiceReply::Whole(parameters(format!(
        "{accepted},\"later\":\"x\",\"more\":7"
    ))));
    assert_eq!(types(&token.wrong()), code::SUCCESS);
}

/// Half of an answer is no answer, and is not waited for beyond the deadline: the files of the host judge.
#[test]
fn half_a_reply_is_silence() {
    let (_machine, token) = host_in_touch();
    let half = "{\"parameters\":{\"result\":\"accepted\",\"by\":\"device\",\"device\":\"token\",\
                \"password_length\":0,\"failures_before\":0}}";
    let half = half.as_bytes().to_vec();
    let replies = [
        ServiceReply::Whole(Vec::new()),
        ServiceReply::Whole(half[..40].to_vec()),
        ServiceReply::Whole(half.clone()),
        ServiceReply::Slow(Vec::new()),
        ServiceReply::Slow(half[..40].to_vec()),
    ];
    for (number, reply) in replies.into_iter().enumerate() {
        let _service = FaultyService::sending(reply);
        assert_eq!(types(&token.wrong()), code::MAXTRIES, "{number}");
        let right = token.code_at(number);
        assert_eq!(types(right), code::SUCCESS, "{number}");
        assert_eq!(types(right), code::MAXTRIES, "{number}");
    }
}
