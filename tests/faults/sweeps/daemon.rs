//! The daemon, killed before each system call that it makes for a request: of a code, and of each step of a change.

use std::fs::File;
use std::io::{BufRead as _, BufReader, Write as _};
use std::time::Duration;

use harness::enrolled::{
    Token, add_account, add_recovery_codes, enroll_token, machine, record_path, state_of,
};
use harness::twofactord::{DaemonConversation, SOCKET};
use harness::{Machine, Program, Running, hotp};
use serde_json::{Value, json};
use twofactor_core::STATE_DIR;
use twofactor_store::change_tickets::TicketStore;
use twofactor_store::sys::clock;

use super::kept::KeptFiles;
use super::table::stride;

const POLICY: &str = "enabled = true\ntries = 1\nenroll_needs_invite = true\n\
                      [throttle]\nattempts = 1000\nmax_failures = 0\ndelay = 0\n";

const OLD: &[&str] = &["token", "second"];

/// The requests that the daemon is killed in: whose, the calls before on the same connection, the call itself, and the devices
/// afterwards if it was answered as done.
const REQUESTS: [(&str, &[&str], &str, &[&str]); 14] = [
    ("alice", &[], "Status", OLD),
    ("alice", &[], "Gate", OLD),
    ("alice", &[], "wrong", OLD),
    ("alice", &[], "right", OLD),
    ("alice", &[], "Begin", OLD),
    (
        "alice",
        &["Begin"],
        "Confirm",
        &["token", "second", "third"],
    ),
    ("alice", &[], "Renew", OLD),
    ("alice", &["Renew"], "Confirm", OLD),
    ("alice", &[], "Unset", &["token"]),
    ("alice", &[], "NewRecoveryCodes", OLD),
    ("alice", &[], "NewRecoveryCodes after a login", OLD),
    ("alice", &[], "Unset after a login", &[]),
    ("bob", &[], "Begin", &[]),
    ("bob", &["Begin"], "Confirm", &["third"]),
];

/// The users of the sweep.
struct SweptUsers {
    /// Codes of alice's token in order.
    codes: [String; 3],
    wrong: String,
    invitation: String,
    /// Of alice.
    recovery: Vec<String>,
    uids: [u32; 2],
}

/// End of the names of calls that take a login in the session besides.
const LOGIN: &str = " after a login";

impl SweptUsers {
    fn uid(&self, user: &str) -> u32 {
        self.uids[usize::from(user == "bob")]
    }

    /// The proof that a user gives.
    fn proof(&self, user: &str) -> &str {
        if user == "bob" {
            &self.invitation
        } else {
            &self.codes[1]
        }
    }

    fn call(&self, user: &str, name: &str, pending: Option<&str>) -> (String, Value) {
        let mut call = json!({"user": user});
        let method = match name {
            "Status" | "Gate" => name,
            "wrong" => {
                call["code"] = json!(self.wrong);
                "Verify"
            }
            "right" => {
                call["code"] = json!(self.codes[1]);
                "Verify"
            }
            "Confirm" => {
                call["code"] = json!(hotp(pending.unwrap(), 0, 6));
                name
            }
            _ => {
                call["code"] = json!(self.proof(user));
                if let Some(name) = name.strip_suffix(LOGIN) {
                    return (format!("io.twofactor.{name}"), call);
                }
                match name {
                    "Begin" => (call["device"], call["kind"]) = (json!("third"), json!("hotp")),
                    "Renew" | "Unset" => call["device"] = json!("second"),
                    _ => {}
                }
                name
            }
        };
        (format!("io.twofactor.{method}"), call)
    }
}

/// Result of a conversation in which the daemon was killed.
struct KilledConversation {
    /// The reply to the last call, if it came.
    reply: Option<Value>,
    /// The key of the device that was pending.
    pending: Option<String>,
}

/// A client in an audit session in which its user has just logged in.
struct SessionClient {
    calls: File,
    replies: BufReader<File>,
    _program: Running,
}

impl SessionClient {
    const CALLS: &str = "/run/calls";
    const REPLIES: &str = "/run/replies";

    /// The program of a client.
    fn program(machine: &Machine, uid: u32) -> Program {
        let (calls, replies) = (Self::CALLS, Self::REPLIES);
        // pam_loginuid(8) writes there at a login.
        let begin = format!(
            "rm -f {calls} {replies} && mkfifo {calls} {replies} && \
             echo {uid} > /proc/self/loginuid && cat /proc/self/sessionid >&2 && echo >&2 && \
             exec setpriv --reuid={uid} --regid={uid} --clear-groups \
             /usr/local/bin/daemonask {SOCKET} talk < {calls} > {replies}"
        );
        // Started beside the thread that has the machine, it has to enter the processes of the machine by itself.
        machine
            .program("nsenter")
            .args(&["--target=1", "--pid", "sh", "-c", &begin])
    }

    /// Connects, and leaves the ticket that a login leaves. A daemon has to listen.
    fn begin(program: Program, uid: u32) -> Self {
        let program = program.start();
        let deadline = clock::monotonic() + Duration::from_secs(20);
        while !program.stderr().ends_with('\n') {
            assert!(clock::monotonic() < deadline, "{}", program.stderr());
            std::thread::sleep(Duration::from_millis(2));
        }
        let told = program.stderr();
        let session = told.trim().parse().unwrap_or_else(|_| panic!("{told}"));
        TicketStore::default().issue(uid, session).unwrap();
        Self {
            // Each waits for the other end.
            calls: File::options().write(true).open(Self::CALLS).unwrap(),
            replies: BufReader::new(File::open(Self::REPLIES).unwrap()),
            _program: program,
        }
    }

    /// The next line; none where the daemon has ended.
    fn line(&mut self) -> Option<String> {
        let mut line = String::new();
        self.replies.read_line(&mut line).unwrap();
        let line = line.trim().to_owned();
        (!line.is_empty()).then_some(line)
    }

    fn reply(&mut self, method: &str, parameters: &Value) -> Option<Value> {
        let call = json!({"method": method, "parameters": parameters});
        writeln!(self.calls, "{call}").unwrap();
        let reply: Value = serde_json::from_str(&self.line()?).unwrap();
        assert_eq!(reply["error"], Value::Null, "{reply}");
        Some(reply["parameters"].clone())
    }
}

/// A call after a login, of a client that has just connected.
fn talk_after_login(
    (client, users): (Program, &SweptUsers),
    (user, last): (&str, &str),
    arm: impl FnOnce(),
) -> KilledConversation {
    // It waits until the daemon listens, and stays.
    let _first = DaemonConversation::of_uid(users.uid(user));
    let mut client = SessionClient::begin(client, users.uid(user));
    let own = json!({"user": user});
    client.reply("io.twofactor.Gate", &own).unwrap();
    arm();
    let (method, call) = users.call(user, last, None);
    KilledConversation {
        reply: client.reply(&method, &call),
        pending: None,
    }
}

fn talk(
    (client, users): (Program, &SweptUsers),
    (user, before, last): (&str, &[&str], &str),
    arm: impl FnOnce(),
) -> KilledConversation {
    if last.ends_with(LOGIN) {
        return talk_after_login((client, users), (user, last), arm);
    }
    let mut conversation = DaemonConversation::of_uid(users.uid(user));
    let mut pending = None;
    for name in before {
        let (method, call) = users.call(user, name, None);
        let reply = conversation.call(&method, &call).unwrap();
        pending = Some(key(&reply).unwrap_or_else(|| panic!("{name}: {reply}")));
    }
    // The thread of the connection waits for a call.
    let own = json!({"user": user});
    conversation.call("io.twofactor.Gate", &own).unwrap();
    arm();
    let (method, call) = users.call(user, last, pending.as_deref());
    let reply = conversation
        .call_if_there(&method, &call)
        .map(Result::unwrap);
    let pending = pending.or_else(|| reply.as_ref().and_then(key));
    KilledConversation { reply, pending }
}

fn key(reply: &Value) -> Option<String> {
    Some(reply["change"]["secret"].as_str()?.to_owned())
}

fn devices(machine: &Machine, user: &str) -> Vec<String> {
    let own = json!({"user": user});
    let status = machine.call_daemon(user, "io.twofactor.Status", &own);
    let devices = status.unwrap()["devices"].as_array().unwrap().clone();
    let names = devices.iter().map(|it| it["name"].as_str().unwrap());
    names.map(str::to_owned).collect()
}

fn verify(machine: &Machine, user: &str, code: &str) -> Value {
    let call = json!({"user": user, "code": code});
    let reply = machine.call_daemon(user, "io.twofactor.Verify", &call);
    reply.unwrap()["result"].clone()
}

/// Sees what a kill has left.
fn judge(
    machine: &Machine,
    users: &SweptUsers,
    (user, last, done): (&str, &str, &[&str]),
    killed: &KilledConversation,
    at: &str,
) {
    let old: &[&str] = if user == "bob" { &[] } else { OLD };
    let is_done = killed.reply.is_some();
    let failures = if last == "wrong" {
        state_of("alice").daemon.in_a_row
    } else {
        0
    };
    let _daemon = machine.daemon();
    let left = devices(machine, user);
    assert!(
        left == done || (left == old && !is_done),
        "lost: {at}: {left:?}"
    );
    if last.ends_with(LOGIN) {
        return judge_after_login(machine, users, killed, at);
    }
    let record = std::fs::read_to_string(record_path(user)).unwrap();
    if let Some(pending) = &killed.pending {
        let is_on_disk = || machine.run("grep", &["-rqF", pending, STATE_DIR]).code == Some(0);
        assert!(last == "Confirm" || !is_on_disk(), "stored: {at}");
        let is_in_force = record.contains(pending);
        assert!(last != "Confirm" || !is_done || is_in_force, "lost: {at}");
        if !is_in_force {
            // Of a confirmed device, a file that was being written. The next daemon removes it at its start.
            let deadline = clock::monotonic() + Duration::from_secs(60);
            while is_on_disk() {
                assert!(clock::monotonic() < deadline, "stray: {at}");
                std::thread::sleep(Duration::from_millis(5));
            }
        }
    }
    let result = killed.reply.as_ref().map(|reply| &reply["result"]);
    match last {
        // One that was compared was counted.
        "wrong" if is_done => assert_eq!((result.unwrap(), failures), (&json!("wrong"), 1), "{at}"),
        "right" => {
            assert!(result.is_none_or(|it| it == "accepted"), "{at}");
            // A code that was charged and not compared may be used up, too.
            let again = [(); 2].map(|()| verify(machine, user, &users.codes[1]) == "accepted");
            let times = again.into_iter().filter(|accepted| *accepted).count();
            assert!(times + usize::from(is_done) <= 1, "let in: {at}");
        }
        _ => {}
    }
    if user == "alice" {
        let next = verify(machine, user, &users.codes[2]);
        assert_eq!(next, "accepted", "stuck: {at}");
    } else if left.is_empty() {
        let (method, call) = users.call(user, "Begin", None);
        let again = machine.call_daemon(user, &method, &call).unwrap();
        assert_eq!(again["change"]["result"], "pending", "stuck: {at}");
    } else {
        let next = hotp(killed.pending.as_ref().unwrap(), 1, 6);
        assert_eq!(verify(machine, user, &next), "accepted", "stuck: {at}");
    }
}

/// Sees what a kill has left of a change that ends all devices or recovery codes of alice's.
fn judge_after_login(machine: &Machine, users: &SweptUsers, killed: &KilledConversation, at: &str) {
    let verify = |code: &str| verify(machine, "alice", code);
    let reply = killed.reply.as_ref().map(|reply| &reply["change"]);
    if let Some(reply) = reply {
        let is_made = ["replaced", "removed"].map(|word| reply["result"] == word);
        assert!(is_made.contains(&true), "{at}");
    }
    if devices(machine, "alice").is_empty() {
        assert_eq!(verify(&users.codes[2]), "unenrolled", "let in: {at}");
        assert_eq!(verify(&users.recovery[0]), "unenrolled", "let in: {at}");
        return;
    }
    // The old codes or the new ones count, never both and never neither.
    let old = verify(&users.recovery[0]);
    match reply.and_then(|reply| reply["recovery_codes"][0].as_str()) {
        Some(new) => {
            assert_eq!(old, "wrong", "let in: {at}");
            assert_eq!(verify(new), "accepted", "lost: {at}");
        }
        None => assert!(old == "accepted" || old == "wrong", "{at}: {old}"),
    }
    let left = json!({"user": "alice"});
    let status = machine.call_daemon("alice", "io.twofactor.Status", &left);
    let left = status.unwrap()["recovery_codes_left"].clone();
    let used = old == "accepted" || reply.is_some();
    assert_eq!(left, 10 - u32::from(used), "lost: {at}");
    assert_eq!(verify(&users.codes[2]), "accepted", "stuck: {at}");
}

#[test]
fn a_killed_daemon_lets_in_loses_and_keeps_nothing() {
    let machine = machine(POLICY);
    let token: Token = enroll_token(&machine, "alice");
    let uids = [state_of("alice").uid, add_account(&machine, "bob").uid];
    let invite = machine.command(&["--json", "invite", "bob"]).ok().stdout;
    let invite: Value = serde_json::from_str(&invite).unwrap();
    let invitation = invite["code"].as_str().unwrap().to_owned();
    let second = [
        "enroll",
        "alice",
        "--device",
        "second",
        "--hotp",
        "--no-confirm",
        "--json",
        "--yes",
    ];
    machine.command(&second).ok();
    let recovery = add_recovery_codes("alice");
    let users = SweptUsers {
        recovery,
        codes: [0, 1, 2].map(|at| token.code_at(at).to_owned()),
        wrong: token.wrong(),
        invitation,
        uids,
    };
    let kept = KeptFiles::look();
    for (user, before, last, done) in REQUESTS {
        let mut struck = 0;
        for number in (0..).step_by(stride(29)) {
            kept.restore();
            let _ = std::fs::remove_file(SOCKET);
            let daemon = machine.daemon_program().limit(Duration::from_secs(60));
            let client = SessionClient::program(&machine, users.uid(user));
            let (killed, calls) = daemon.killed_at(number, |switch| {
                let conversation = (user, before, last);
                talk((client, &users), conversation, || switch.arm())
            });
            // Fewer calls than that, up to the reply: the daemon ended with the client.
            if killed.reply.is_some() && calls <= number {
                break;
            }
            let at = format!("{last} of {user} at call {number}: {:?}", killed.reply);
            judge(&machine, &users, (user, last, done), &killed, &at);
            struck += 1;
        }
        println!(
            "{user}: {}{last}: killed at {struck} calls",
            before.concat()
        );
        assert!(struck > 0, "{last}");
    }
}
