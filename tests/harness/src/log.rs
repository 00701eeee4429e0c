//! The system log of a machine: a thread that reads /dev/log and keeps every line.

use std::net::Shutdown;
use std::os::unix::net::UnixDatagram;
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Condvar, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

/// One line that a program sent to syslog.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SyslogLine {
    /// Facility by name: `authpriv`, `auth`, `user`, `daemon`; a number for the rest.
    pub facility: String,
    /// Severity by name: `emerg`, `alert`, `crit`, `err`, `warning`, `notice`, `info`, `debug`.
    pub severity: &'static str,
    /// The tag without the process number: `sshd`, `sudo`.
    pub program: String,
    /// The message, with bytes that are not UTF-8 replaced.
    pub message: String,
    /// The datagram as it was sent.
    pub raw: Vec<u8>,
}

const SOCKET: &str = "/dev/log";
const MARK: &[u8] = b"harness-mark";

pub(crate) struct Log {
    shared: Arc<(Mutex<Lines>, Condvar)>,
    give: Option<Sender<UnixDatagram>>,
    socket: Option<UnixDatagram>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Default)]
struct Lines {
    lines: Vec<SyslogLine>,
    marks: u64,
}

impl Log {
    /// Starts the reading thread, outside the machine: a thread that shared the machine's mounts would keep them.
    pub fn start() -> Self {
        let shared = Arc::new((Mutex::new(Lines::default()), Condvar::new()));
        let (give, take) = channel::<UnixDatagram>();
        let reader = Arc::clone(&shared);
        let thread = std::thread::spawn(move || {
            if let Ok(socket) = take.recv() {
                read_all(&socket, &reader);
            }
        });
        Self {
            shared,
            give: Some(give),
            socket: None,
            thread: Some(thread),
        }
    }

    /// Opens /dev/log, inside the machine.
    pub fn listen(&mut self) {
        let socket = UnixDatagram::bind(SOCKET).expect("binding /dev/log");
        let reader = socket.try_clone().expect("a second handle of /dev/log");
        self.give
            .take()
            .expect("listen is called once")
            .send(reader)
            .expect("the reading thread is there");
        self.socket = Some(socket);
    }

    /// Everything that was sent before this call.
    pub fn lines(&self) -> Vec<SyslogLine> {
        let (lines, marked) = &*self.shared;
        let mark = lines.lock().unwrap().marks + 1;
        // Datagrams arrive in order: what was sent before the mark has been read when the mark has.
        UnixDatagram::unbound()
            .and_then(|socket| socket.send_to(MARK, SOCKET))
            .expect("writing to /dev/log");
        let waited =
            marked.wait_timeout_while(lines.lock().unwrap(), Duration::from_secs(20), |seen| {
                seen.marks < mark
            });
        let (seen, timeout) = waited.unwrap();
        assert!(!timeout.timed_out(), "the log reader does not answer");
        seen.lines.clone()
    }

    /// Forgets everything that was sent before this call.
    pub fn forget(&self) {
        let seen = self.lines().len();
        self.shared.0.lock().unwrap().lines.drain(..seen);
    }
}

impl Drop for Log {
    fn drop(&mut self) {
        drop(self.give.take());
        if let Some(socket) = &self.socket {
            socket.shutdown(Shutdown::Both).ok();
        }
        if let Some(thread) = self.thread.take() {
            thread.join().ok();
        }
    }
}

fn read_all(socket: &UnixDatagram, shared: &(Mutex<Lines>, Condvar)) {
    let mut buffer = vec![0; 1 << 18];
    while let Ok(length) = socket.recv(&mut buffer) {
        if length == 0 {
            return;
        }
        let mut seen = shared.0.lock().unwrap();
        if &buffer[..length] == MARK {
            seen.marks += 1;
            shared.1.notify_all();
        } else {
            seen.lines.push(parse(&buffer[..length]));
        }
    }
}

/// Takes `<PRIORITY>Mmm dd hh:mm:ss TAG[PID]: MESSAGE` apart (RFC 3164, without the host, as syslog(3) writes it).
fn parse(raw: &[u8]) -> SyslogLine {
    let text = String::from_utf8_lossy(raw)
        .trim_end_matches(['\n', '\0'])
        .to_owned();
    let (priority, rest) = text
        .strip_prefix('<')
        .and_then(|rest| rest.split_once('>'))
        .and_then(|(number, rest)| Some((number.parse::<usize>().ok()?, rest)))
        .unwrap_or((13, &text));
    let after_time = if rest.get(3..4) == Some(" ") {
        rest.get(16..).unwrap_or(rest)
    } else {
        rest
    };
    let (tag, message) = after_time.split_once(": ").unwrap_or(("", after_time));
    let program = tag.split('[').next().unwrap_or(tag);
    SyslogLine {
        facility: facility(priority >> 3),
        severity: [
            "emerg", "alert", "crit", "err", "warning", "notice", "info", "debug",
        ][priority & 7],
        program: program.to_owned(),
        message: message.to_owned(),
        raw: raw.to_vec(),
    }
}

fn facility(number: usize) -> String {
    let names = [
        "kern", "user", "mail", "daemon", "auth", "syslog", "lpr", "news", "uucp", "cron",
        "authpriv",
    ];
    names
        .get(number)
        .map_or_else(|| number.to_string(), |name| (*name).to_owned())
}
