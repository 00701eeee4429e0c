//! Callers that do what no program of the product does, and files and accounts that change under the daemon.

use std::fs;
use std::io::{IoSlice, Read as _, Write as _};
use std::mem::MaybeUninit;
use std::os::fd::AsFd as _;
use std::os::unix::net::UnixStream;
use std::time::Duration;

use harness::Machine;
use harness::enrolled::{Token, enroll_token, login, machine, record_path, state_of};
use harness::otp::Totp;
use harness::pam::code;
use harness::twofactord::{Daemon, DaemonConversation, SOCKET};
use rustix::net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags, sendmsg};
use serde_json::{Value, json};
use twofactor_core::STATE_DIR;
use twofactor_store::sys::clock;

use super::QUICK;

const GATE: &str = "io.twofactor.Gate";
const VERIFY: &str = "io.twofactor.Verify";
const BEGIN: &str = "io.twofactor.Begin";
const CONFIRM: &str = "io.twofactor.Confirm";

const INFO: &[u8] = b"{\"method\":\"org.varlink.service.GetInfo\"}\0";

fn ready() -> (Machine, Token, Daemon) {
    let machine = machine(QUICK);
    let alice = enroll_token(&machine, "alice");
    let daemon = machine.daemon();
    (machine, alice, daemon)
}

fn verify(machine: &Machine, code: &str) -> Value {
    let parameters = json!({"user": "alice", "code": code});
    let reply = machine.call_daemon("alice", VERIFY, &parameters);
    reply.unwrap_or_else(|error| panic!("{error}"))["result"].clone()
}

/// Begins a device of alice's, and returns it with the connection in which it waits.
fn begun(machine: &Machine, alice: &Token) -> (DaemonConversation, Totp) {
    let mut talk = machine.talk_to_daemon("alice");
    let begin = json!({"user": "alice", "device": "phone", "code": alice.code()});
    let reply = talk.call(BEGIN, &begin).unwrap();
    assert_eq!(reply["change"]["result"], "pending", "{reply}");
    let secret = reply["change"]["secret"].as_str().unwrap();
    (talk, Totp::new(secret))
}

fn confirm(talk: &mut DaemonConversation, user: &str, phone: &Totp) -> Result<Value, String> {
    let reply = talk.call(CONFIRM, &json!({"user": user, "code": phone.code()}));
    reply.map(|reply| reply["change"]["result"].clone())
}

fn record() -> String {
    fs::read_to_string(record_path("alice")).unwrap()
}

/// The number of descriptors that the daemon has open.
fn open_files(machine: &Machine) -> usize {
    let listing = "ls /proc/$(pgrep --exact twofactord)/fd | wc --lines";
    let listed = machine.run("sh", &["-c", listing]).ok().stdout;
    listed.trim().parse().unwrap()
}

/// Waits until the daemon has no more descriptors than so many.
fn settles(machine: &Machine, files: usize) {
    let deadline = clock::monotonic() + Duration::from_secs(20);
    while open_files(machine) > files {
        assert!(
            clock::monotonic() < deadline,
            "{} open",
            open_files(machine)
        );
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Waits until the first code of alice's token is used up.
fn is_used_up(daemon: &Daemon) {
    let deadline = clock::monotonic() + Duration::from_secs(20);
    while state_of("alice").devices[0].next == 0 {
        assert!(clock::monotonic() < deadline, "{}", daemon.log());
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// Bytes that are no call end their own connection, without a word that says more than varlink's errors do.
#[test]
fn bytes_that_are_no_call_end_their_connection_alone() {
    let (machine, _alice, daemon) = ready();
    let nested = [vec![b'['; 4000], vec![0]].concat();
    let objects = [b"{\"a\":".repeat(600), vec![0]].concat();
    let gate = |user: &[u8]| {
        let (begin, end) = (
            b"{\"method\":\"io.twofactor.Gate\",\"parameters\":{\"user\":\"",
            b"\"}}\0",
        );
        [begin.as_slice(), user, end].concat()
    };
    let not_yours = "{\"error\":\"io.twofactor.NotYours\",\"parameters\":{}}\0";
    for (sent, reply) in [
        (b"\0".to_vec(), ""),
        (b"\xff\xfe\0".to_vec(), ""),
        (gate(b"al\xc3ice"), ""),
        (gate(b"alice\0"), ""),
        (nested, ""),
        (objects, ""),
        (vec![0; 4096], ""),
        (vec![b' '; 4097], ""),
        (gate(b"alice\\u0000"), not_yours),
        (gate(b"alice\\n"), not_yours),
        (gate(b"../alice"), not_yours),
        (gate(&[b'a'; 3900]), not_yours),
    ] {
        let mut stream = UnixStream::connect(SOCKET).unwrap();
        // It may be closed before all of it is taken.
        let _ = stream.write_all(&sent);
        let _ = stream.shutdown(std::net::Shutdown::Write);
        let mut answer = String::new();
        let _ = stream.read_to_string(&mut answer);
        let shown = String::from_utf8_lossy(&sent[..sent.len().min(60)]).into_owned();
        assert_eq!(answer, reply, "{shown:?}");
    }
    let gate = machine.call_daemon("alice", GATE, &json!({"user": "alice"}));
    assert_eq!(gate, Ok(json!({"state": "ask"})));
    assert!(!daemon.log().contains("result=panic"), "{}", daemon.log());
}

/// Descriptors that come with a message are not received, whether it is answered or never read.
#[test]
fn descriptors_passed_along_are_not_kept() {
    let (machine, _alice, _daemon) = ready();
    machine
        .call_daemon("alice", GATE, &json!({"user": "alice"}))
        .unwrap();
    let before = open_files(&machine);
    let file = fs::File::open("/dev/null").unwrap();
    let passed = [file.as_fd(); 100];
    let send = |stream: &UnixStream, bytes: &[u8]| {
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(100))];
        let mut control = SendAncillaryBuffer::new(&mut space);
        assert!(control.push(SendAncillaryMessage::ScmRights(&passed)));
        let bytes = [IoSlice::new(bytes)];
        sendmsg(stream, &bytes, &mut control, SendFlags::empty()).unwrap();
    };
    let mut answered = UnixStream::connect(SOCKET).unwrap();
    for _ in 0..5 {
        send(&answered, INFO);
        let mut byte = [1];
        while byte != [0] {
            answered.read_exact(&mut byte).unwrap();
        }
    }
    let half = UnixStream::connect(SOCKET).unwrap();
    send(&half, b"{");
    // This connection and the half one, and none of 600 others.
    settles(&machine, before + 2);
    drop((answered, half));
    settles(&machine, before);
}

/// A client that goes away before the answer has had its code judged, and leaves nothing open.
#[test]
fn a_client_that_goes_in_the_middle_leaves_nothing() {
    let (machine, alice, daemon) = ready();
    assert_eq!(verify(&machine, &alice.wrong()), "wrong");
    let before = open_files(&machine);
    let right = alice.code();
    let mut talk = machine.talk_to_daemon("alice");
    talk.send(VERIFY, &json!({"user": "alice", "code": right}));
    drop(talk);
    is_used_up(&daemon);
    assert_eq!(verify(&machine, &right), "used");
    let (talk, _) = begun(&machine, &alice);
    drop(talk);
    settles(&machine, before);
    assert_eq!(state_of("alice").devices.len(), 1);
    assert!(!daemon.log().contains("result=panic"), "{}", daemon.log());
}

/// Clients that ask without end and read no answer fill their own sockets alone, and are closed.
#[test]
fn a_client_that_reads_nothing_holds_up_no_one() {
    let (machine, _alice, _daemon) = ready();
    let before = open_files(&machine);
    let mut streams = Vec::new();
    for _ in 0..16 {
        let mut stream = UnixStream::connect(SOCKET).unwrap();
        stream.set_nonblocking(true).unwrap();
        while stream.write(INFO).is_ok() {}
        streams.push(stream);
    }
    for _ in 0..20 {
        let gate = machine.call_daemon("alice", GATE, &json!({"user": "alice"}));
        assert_eq!(gate, Ok(json!({"state": "ask"})));
    }
    settles(&machine, before);
}

/// A pending device ends with its account and record, also where another user gets the uid.
#[test]
fn a_pending_device_stays_with_its_account() {
    let (machine, alice, _daemon) = ready();
    let (mut talk, phone) = begun(&machine, &alice);
    let uid = machine.run("id", &["-u", "alice"]).ok().stdout;
    let uid: u32 = uid.trim().parse().unwrap();
    machine.remove_user("alice");
    let not_yours = Err("io.twofactor.NotYours".to_owned());
    assert_eq!(confirm(&mut talk, "alice", &phone), not_yours);
    machine.command(&["--yes", "unset", "alice"]).ok();
    machine.add_user_with_id("eve", uid);
    let of_eve = confirm(&mut talk, "eve", &phone);
    assert_eq!(of_eve, Ok(json!("nothing_pending")));
    machine.add_user_with_id("alice", uid + 500);
    assert_eq!(confirm(&mut talk, "alice", &phone), not_yours);
    for user in ["alice", "eve"] {
        assert!(!record_path(user).exists(), "{user}");
    }
}

/// The record is that of the uid.
#[test]
fn a_renamed_user_confirms_under_the_new_name() {
    let (machine, alice, _daemon) = ready();
    let (mut talk, phone) = begun(&machine, &alice);
    let uid = machine.run("id", &["-u", "alice"]).ok().stdout;
    machine.remove_user("alice");
    machine.add_user_with_id("alicia", uid.trim().parse().unwrap());
    let not_yours = Err("io.twofactor.NotYours".to_owned());
    assert_eq!(confirm(&mut talk, "alice", &phone), not_yours);
    assert_eq!(confirm(&mut talk, "alicia", &phone), Ok(json!("stored")));
    assert_eq!(state_of("alice").devices.len(), 2);
}

/// The policy at the time of the change counts, not the one at the time of the proof.
#[test]
fn a_policy_that_changes_meanwhile_stops_the_change() {
    let (machine, alice, _daemon) = ready();
    let before = record();
    let (mut talk, phone) = begun(&machine, &alice);
    machine.policy(&format!("{QUICK}[self_service]\nmanage = false\n"));
    let not_allowed = Err("io.twofactor.NotAllowed".to_owned());
    assert_eq!(confirm(&mut talk, "alice", &phone), not_allowed);
    machine.policy("no_such_key = 1\n");
    let unavailable = Err("io.twofactor.Unavailable".to_owned());
    assert_eq!(confirm(&mut talk, "alice", &phone), unavailable);
    assert_eq!(record(), before);
    // A code of the new device was not used up by these.
    machine.policy(QUICK);
    assert_eq!(confirm(&mut talk, "alice", &phone), Ok(json!("stored")));
}

/// A state directory that is gone, or empty, is an outage, and never a user without a device.
#[test]
fn a_missing_state_directory_shows_nothing_of_users() {
    let (machine, alice, _daemon) = ready();
    let (mut talk, phone) = begun(&machine, &alice);
    let code = alice.code();
    let shell = |text: String| machine.run("sh", &["-c", &text]).ok();
    let unavailable = "io.twofactor.Unavailable";
    for (take, give) in [
        (
            format!("mv {STATE_DIR} /var/lib/away"),
            format!("mv /var/lib/away {STATE_DIR}"),
        ),
        (
            format!("mount -t tmpfs -o mode=0700 none {STATE_DIR}"),
            format!("umount {STATE_DIR}"),
        ),
        (
            format!("mv {STATE_DIR}/users /var/lib/away"),
            format!("mv /var/lib/away {STATE_DIR}/users"),
        ),
        (
            format!("mv {STATE_DIR}/state /var/lib/away"),
            format!("mv /var/lib/away {STATE_DIR}/state"),
        ),
        (
            format!("mv {STATE_DIR}/state/alice /var/lib/away"),
            format!("mv /var/lib/away {STATE_DIR}/state/alice"),
        ),
        (
            format!("mv {STATE_DIR}/users/alice.toml /var/lib/away"),
            format!("mv /var/lib/away {STATE_DIR}/users/alice.toml"),
        ),
    ] {
        shell(take.clone());
        for method in [GATE, VERIFY] {
            let mut parameters = json!({"user": "alice"});
            if method == VERIFY {
                parameters["code"] = json!(code);
            }
            let reply = machine.call_daemon("alice", method, &parameters);
            assert_eq!(reply, Err(unavailable.to_owned()), "{method}: {take}");
        }
        let screen = login("alice").answer(&code).as_user("alice").run();
        assert_eq!(screen.auth, code::AUTHINFO_UNAVAIL, "{take}");
        assert_eq!(
            confirm(&mut talk, "alice", &phone),
            Err(unavailable.to_owned()),
            "{take}"
        );
        shell(give);
    }
    assert_eq!(verify(&machine, &code), "accepted");
}

#[test]
fn where_nothing_can_be_written_no_code_counts() {
    let (machine, alice, _daemon) = ready();
    let before = record();
    let (mut talk, phone) = begun(&machine, &alice);
    let shell = |text: String| machine.run("sh", &["-c", &text]).ok();
    shell(format!(
        "mount --bind {STATE_DIR} {STATE_DIR}; mount -o remount,bind,ro {STATE_DIR}"
    ));
    let code = alice.code();
    let parameters = json!({"user": "alice", "code": code});
    let unavailable = Err("io.twofactor.Unavailable".to_owned());
    assert_eq!(
        machine.call_daemon("alice", VERIFY, &parameters),
        unavailable
    );
    assert_eq!(confirm(&mut talk, "alice", &phone), unavailable);
    shell(format!("umount {STATE_DIR}"));
    assert_eq!(record(), before);
    // The code was not looked at.
    assert_eq!(verify(&machine, &code), "accepted");
}

/// The lock screen waits for a daemon that stands still, stays locked, and opens with the next code once it goes on.
#[test]
fn a_daemon_that_stands_still_keeps_the_screen_locked() {
    let (machine, alice, daemon) = ready();
    let right = alice.code();
    let (asked, go) = ("/home/alice/asked", "/home/alice/go");
    let types = format!("touch {asked}; until [ -e {go} ]; do sleep 0.02; done; echo {right}");
    let screen = alice.login().answer_shell(&types).as_user("alice");
    let began = clock::monotonic();
    let ended = std::thread::scope(|scope| {
        let screen = scope.spawn(|| screen.run());
        while !fs::exists(asked).unwrap() {
            std::thread::sleep(Duration::from_millis(5));
        }
        daemon.signal("STOP");
        machine.run("touch", &[go]).ok();
        screen.join().unwrap()
    });
    assert_eq!(ended.auth, code::AUTHINFO_UNAVAIL);
    let waited = clock::monotonic() - began;
    assert!((5..30).contains(&waited.as_secs()), "{waited:?}");
    // What was sent is judged when it goes on: the code is used up, and the next one opens.
    daemon.signal("CONT");
    is_used_up(&daemon);
    let next = login("alice").answer(alice.code()).as_user("alice");
    assert_eq!(next.run().auth, code::SUCCESS);
}
