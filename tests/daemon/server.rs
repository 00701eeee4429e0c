//! Servers that listen in place of the daemon, or behave like none.

use harness::pam::code;
use harness::twofactord::SOCKET;
use harness::{Machine, Running};

use super::QUICK;
use harness::enrolled::{Token, enroll_token, logged, machine};

fn ready() -> (Machine, Token) {
    let machine = machine(QUICK);
    let token = enroll_token(&machine, "alice");
    let open = ["-d", "-m", "0777", "/run/twofactor"];
    machine.run("install", &open).ok();
    (machine, token)
}

/// A server on the daemon's socket.
fn serve(machine: &Machine, user: Option<&str>, arguments: &[&str]) -> Running {
    std::fs::remove_file(SOCKET).ok();
    let program = machine.program("/usr/local/bin/daemonask");
    let program = program.arg(SOCKET).args(arguments);
    let server = match user {
        Some(user) => program.user(user),
        None => program,
    }
    .start();
    while !std::fs::exists(SOCKET).unwrap() {
        std::thread::sleep(std::time::Duration::from_millis(2));
    }
    std::fs::set_permissions(SOCKET, std::os::unix::fs::PermissionsExt::from_mode(0o666)).unwrap();
    server
}

/// The error in the log of a program of alice's.
fn refused(machine: &Machine, alice: &Token) -> String {
    let outcome = alice
        .login()
        .answer(alice.code_at(0))
        .as_user("alice")
        .run();
    assert_eq!(outcome.auth, code::AUTHINFO_UNAVAIL);
    let lines = logged(machine);
    let line = lines.last().unwrap().clone();
    line.split('"').nth(1).unwrap().to_owned()
}

#[test]
fn a_server_that_is_not_roots_is_not_believed() {
    let (machine, alice) = ready();
    let bob = machine.add_user("bob");
    let unenrolled = "{\"parameters\":{\"state\":\"unenrolled\"}}";
    let _server = serve(&machine, Some("bob"), &["serve", unenrolled]);
    let error = format!("{SOCKET}: is served by uid {bob}, not by root");
    assert_eq!(refused(&machine, &alice), error);
}

#[test]
fn an_answer_that_makes_no_sense_lets_no_one_in() {
    let (machine, alice) = ready();
    for reply in [
        "",
        "{}",
        "null",
        "{\"parameters\":{}}",
        "{\"parameters\":{\"state\":\"open\"}}",
        "{\"parameters\":{\"state\":\"accepted\"}}",
        "{\"parameters\":{\"result\":\"accepted\"}}",
        "{\"parameters\":{\"state\":\"unenrolled\"}",
        "{\"parameters\":{\"state\":\"unenrolled\"},\"error\":\"io.twofactor.Unavailable\"}",
        &"x".repeat(5000),
    ] {
        let _server = serve(&machine, None, &["serve", reply]);
        let error = refused(&machine, &alice);
        let shown = reply.get(..60).unwrap_or(reply);
        let reply_error = ["makes no sense", "cannot use its files"];
        assert!(
            reply_error.iter().any(|end| error.contains(end)),
            "{shown}: {error}"
        );
    }
    // The control: what makes sense is believed.
    let _server = serve(
        &machine,
        None,
        &["serve", "{\"parameters\":{\"state\":\"unenrolled\"}}"],
    );
    let outcome = alice.login().as_user("alice").run();
    assert_eq!(outcome.auth, harness::enrolled::IGNORED);
}

#[test]
fn an_accepted_code_is_one_that_was_sent() {
    let (machine, alice) = ready();
    let accepted = "{\"parameters\":{\"state\":\"ask\",\"result\":\"accepted\",\"by\":\"bypass\",\
                    \"password_length\":PLACE,\"failures_before\":0}}";
    for (length, result) in [("0", code::SUCCESS), ("7", code::AUTHINFO_UNAVAIL)] {
        let reply = accepted.replace("PLACE", length);
        let _server = serve(&machine, None, &["serve", &reply]);
        let outcome = alice.login().answer("123456").as_user("alice").run();
        assert_eq!(outcome.auth, result, "{length}");
    }
}

#[test]
fn a_connection_that_breaks_lets_no_one_in() {
    let (machine, alice) = ready();
    for said in ["-", "{\"parameters\":{\"state\":"] {
        let _server = serve(&machine, None, &["close", said]);
        let error = refused(&machine, &alice);
        let broken = ["closed before the answer", "Connection reset by peer"];
        assert!(broken.iter().any(|end| error.contains(end)), "{error}");
    }
}

/// SIGPIPE would end a locker of X, and unlock its screen.
#[test]
fn a_connection_that_breaks_raises_no_signal() {
    let (machine, alice) = ready();
    let _server = serve(&machine, None, &["close", "-"]);
    let trace = [
        "strace",
        "-f",
        "-e",
        "trace=sendto,sendmsg,write,writev",
        "-o",
        "/home/alice/trace",
    ];
    let traced = alice.login().answer("1").through(&trace).as_user("alice");
    assert_eq!(traced.run().auth, code::AUTHINFO_UNAVAIL);
    let calls = machine.read("/home/alice/trace");
    assert!(!calls.contains("SIGPIPE"), "{calls}");
    let sent = calls.lines().filter(|call| call.contains("io.twofactor"));
    let sent: Vec<&str> = sent.collect();
    assert!(!sent.is_empty(), "{calls}");
    let is_silent = |call: &&str| call.contains("MSG_NOSIGNAL");
    assert!(sent.iter().all(is_silent), "{sent:?}");
}

#[test]
fn a_busy_daemon_is_asked_until_time_is_over() {
    let (machine, alice) = ready();
    let busy = "{\"error\":\"io.twofactor.Busy\",\"parameters\":{}}";
    let _server = serve(&machine, None, &["serve", busy]);
    let error = format!("{SOCKET}: too many connections");
    assert_eq!(refused(&machine, &alice), error);
    let trace = [
        "strace",
        "-f",
        "-e",
        "trace=connect",
        "-o",
        "/home/alice/trace",
    ];
    let traced = alice.login().answer("1").through(&trace).as_user("alice");
    assert_eq!(traced.run().auth, code::AUTHINFO_UNAVAIL);
    let calls = machine.read("/home/alice/trace");
    // Seven times, fewer where the machine is slow.
    let count = calls.matches(SOCKET).count();
    assert!((4..=7).contains(&count), "{calls}");
}

#[test]
fn a_silent_daemon_is_not_waited_for_for_ever() {
    let (machine, alice) = ready();
    {
        let _server = serve(&machine, None, &["never"]);
        let error = refused(&machine, &alice);
        assert!(error.ends_with("no answer in time"), "{error}");
    }
    // More connections than the kernel lets wait.
    let few = "echo 4 >/proc/sys/net/core/somaxconn";
    machine.run("sh", &["-c", few]).ok();
    let _server = serve(&machine, None, &["never"]);
    let holders = machine.program("/usr/local/bin/daemonask");
    let _holders = holders.args(&[SOCKET, "9"]).start();
    machine.run("sleep", &["0.5"]).ok();
    let error = refused(&machine, &alice);
    assert!(
        error.contains("connect: Resource temporarily unavailable"),
        "{error}"
    );
}
