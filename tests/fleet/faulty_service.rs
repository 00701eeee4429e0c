//! A service of the fleet that answers, and gives no verdict.

use std::io::{Read as _, Write as _};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};

use harness::enrolled::{self, SERVICE, add_stack, auth, enroll_token, login};
use harness::pam::code;
use harness::twofactord::FLEET_SOCKET;

use super::policy;

/// One of root's, which answers each call with the same. It ends with this.
struct FaultyService {
    is_over: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl FaultyService {
    fn start(reply: &'static str) -> Self {
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
                let _ = client.write_all(reply.as_bytes());
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

/// What is wrong with it shuts no console, and opens nothing else.
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
