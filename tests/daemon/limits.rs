//! No client keeps others from being served.

use std::io::{Read as _, Write as _};
use std::os::unix::net::UnixStream;

use harness::twofactord::SOCKET;
use harness::{Machine, Running};
use serde_json::json;

use super::QUICK;
use harness::enrolled::{add_account, enroll_token, machine};

/// Connections that say nothing, all of them open.
fn hold(machine: &Machine, words: &[&str], count: usize) -> Running {
    let mut words = words.to_vec();
    let count = count.to_string();
    words.extend(["/usr/local/bin/daemonask", SOCKET, &count]);
    let holder = machine.program(words[0]).args(&words[1..]).start();
    while holder.stderr().trim() != count {
        std::thread::sleep(std::time::Duration::from_millis(2));
    }
    holder
}

fn gate(machine: &Machine, user: &str) -> Result<serde_json::Value, String> {
    machine.call_daemon(user, "io.twofactor.Gate", &json!({"user": user}))
}

#[test]
fn a_user_with_sixteen_connections_is_told_to_wait() {
    let machine = machine(QUICK);
    enroll_token(&machine, "alice");
    add_account(&machine, "bob");
    let daemon = machine.daemon();
    assert!(gate(&machine, "bob").is_ok() && gate(&machine, "alice").is_ok());
    let bob = ["setpriv", "--reuid=bob", "--regid=bob", "--clear-groups"];
    let held = hold(&machine, &bob, 16);
    assert_eq!(gate(&machine, "bob"), Err("io.twofactor.Busy".into()));
    assert_eq!(gate(&machine, "alice").unwrap()["state"], "ask");
    assert!(daemon.log().contains("result=busy"), "{}", daemon.log());
    drop(held);
    for _ in 0..500 {
        if gate(&machine, "bob").is_ok() {
            return;
        }
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
    panic!("bob is never served again");
}

/// Silent connections of many uids, eight each. More than there are places.
fn hold_as_many(machine: &Machine, uids: std::ops::Range<u32>) -> Vec<Running> {
    let mut held = Vec::new();
    for uid in uids {
        let uid = [format!("--reuid={uid}"), format!("--regid={uid}")];
        let words = ["setpriv", &uid[0], &uid[1], "--clear-groups"];
        let program = machine.program(words[0]).args(&words[1..]);
        let program = program.args(&["/usr/local/bin/daemonask", SOCKET, "8"]);
        held.push(program.start());
    }
    for holder in &held {
        while holder.stderr().trim() != "8" {
            std::thread::sleep(std::time::Duration::from_millis(2));
        }
    }
    held
}

#[test]
fn uids_without_an_account_keep_no_user_waiting() {
    let machine = machine(QUICK);
    enroll_token(&machine, "alice");
    let daemon = machine.daemon();
    let _held = hold_as_many(&machine, 200_000..200_080);
    assert_eq!(gate(&machine, "alice").unwrap()["state"], "ask");
    let nameless = ["--reuid=200100", "--regid=200100", "--clear-groups"];
    let ask = machine.program("setpriv").args(&nameless);
    let ask = ask.args(&["/usr/local/bin/daemonask", SOCKET]);
    let call = json!({"method": "io.twofactor.Gate", "parameters": {"user": "alice"}});
    let reply = ask.input(format!("{call}\0")).run().ok().stdout;
    assert!(reply.contains("io.twofactor.NotYours"), "{reply}");
    let log = daemon.log();
    assert!(log.contains("uid=200100 result=no-account"), "{log}");
}

/// As many uids as one user may have from a service that gives them out, and that knows them all.
#[test]
fn uids_with_accounts_keep_no_user_waiting() {
    let machine = machine(QUICK);
    enroll_token(&machine, "alice");
    let service = machine.name_service();
    let accounts: String = (200_000..200_080)
        .map(|uid| format!("passwd #{uid} found sub{uid} {uid} {uid}\n"))
        .collect();
    service.answers(&accounts);
    let daemon = machine.daemon();
    // Each is made known first.
    let call = "{\"method\":\"org.varlink.service.GetInfo\"}\0";
    for uid in 200_000..200_080 {
        let uid = [format!("--reuid={uid}"), format!("--regid={uid}")];
        let words = [&uid[0], &uid[1], "--clear-groups"];
        let ask = machine.program("setpriv").args(&words);
        let ask = ask.args(&["/usr/local/bin/daemonask", SOCKET]);
        let reply = ask.input(call).run().ok().stdout;
        assert!(reply.contains("twofactord"), "{reply}");
    }
    let _held = hold_as_many(&machine, 200_000..200_080);
    for _ in 0..20 {
        assert_eq!(gate(&machine, "alice").unwrap()["state"], "ask");
    }
    assert!(!daemon.log().contains("result=busy"), "{}", daemon.log());
}

#[test]
fn half_a_message_and_one_without_end_hold_up_no_one() {
    let machine = machine(QUICK);
    enroll_token(&machine, "alice");
    let _daemon = machine.daemon();
    let mut half = UnixStream::connect(SOCKET).unwrap();
    half.write_all(b"{\"method\":\"io.twofactor").unwrap();
    let mut endless = UnixStream::connect(SOCKET).unwrap();
    // It is closed long before all of this is taken.
    let flood = vec![b'x'; 1 << 20];
    while endless.write_all(&flood).is_ok() {}
    assert_eq!(gate(&machine, "alice").unwrap()["state"], "ask");
    // The one that is too slow is closed without an answer.
    let mut rest = Vec::new();
    half.read_to_end(&mut rest).unwrap();
    assert_eq!(rest, b"");
}

#[test]
fn several_calls_follow_each_other() {
    let machine = machine(QUICK);
    enroll_token(&machine, "alice");
    let _daemon = machine.daemon();
    let call = "{\"method\":\"org.varlink.service.GetInfo\"}\0";
    let mut stream = UnixStream::connect(SOCKET).unwrap();
    stream.write_all(call.repeat(3).as_bytes()).unwrap();
    stream.shutdown(std::net::Shutdown::Write).unwrap();
    let mut replies = String::new();
    stream.read_to_string(&mut replies).unwrap();
    assert_eq!(replies.matches("twofactord").count(), 3, "{replies}");
    assert!(replies.ends_with('\0'));
}

#[test]
fn it_listens_on_what_systemd_hands_it() {
    let machine = machine(QUICK);
    enroll_token(&machine, "alice");
    machine.run("install", &["-d", "/run/twofactor"]).ok();
    let activate = machine.program("systemd-socket-activate");
    let activate = activate.args(&["--inetd", "-l", SOCKET, "/usr/local/sbin/twofactord"]);
    let _running = activate.start();
    while !std::fs::exists(SOCKET).unwrap() {
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    std::fs::set_permissions(SOCKET, std::os::unix::fs::PermissionsExt::from_mode(0o666)).unwrap();
    assert_eq!(gate(&machine, "alice").unwrap()["state"], "ask");
    let none = machine.run("/usr/local/sbin/twofactord", &[]).exits(4);
    assert!(
        none.stderr
            .contains("standard input is not a listening socket"),
        "{none:?}"
    );
}
