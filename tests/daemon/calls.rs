//! Calls: who is answered, what about, and what is counted.

use harness::Machine;
use harness::pam::code;
use harness::twofactord::SOCKET;
use serde_json::{Value, json};

use super::QUICK;
use harness::enrolled::{
    SECRET, Token, add_account, add_recovery_codes, enroll_token, machine, policy_path, state_of,
};

const VERIFY: &str = "io.twofactor.Verify";
const STATUS: &str = "io.twofactor.Status";
const GATE: &str = "io.twofactor.Gate";

fn verify(machine: &Machine, user: &str, code: &str) -> Value {
    let parameters = json!({"user": user, "code": code});
    machine.call_daemon(user, VERIFY, &parameters).unwrap()
}

fn gate(machine: &Machine, user: &str) -> Value {
    let parameters = json!({"user": user});
    machine.call_daemon(user, GATE, &parameters).unwrap()
}

#[test]
fn the_interface_describes_itself() {
    let machine = machine(QUICK);
    let daemon = machine.daemon();
    let info = "org.varlink.service.GetInfo";
    let info = machine.call_daemon("www-data", info, &json!({})).unwrap();
    assert_eq!(
        info["interfaces"],
        json!(["org.varlink.service", "io.twofactor"])
    );
    assert_eq!(info["version"], env!("CARGO_PKG_VERSION"));
    let describe = "org.varlink.service.GetInterfaceDescription";
    for interface in ["org.varlink.service", "io.twofactor"] {
        let named = json!({"interface": interface});
        let reply = machine.call_daemon("www-data", describe, &named).unwrap();
        let text = reply["description"].as_str().unwrap();
        assert!(text.contains(&format!("interface {interface}\n")), "{text}");
    }
    let unknown = machine.call_daemon("www-data", describe, &json!({"interface": "a.b"}));
    assert_eq!(unknown, Err("org.varlink.service.InterfaceNotFound".into()));
    let unknown = machine.call_daemon("www-data", "io.twofactor.Enroll", &json!({}));
    assert_eq!(unknown, Err("org.varlink.service.MethodNotFound".into()));
    let more = machine.call_daemon("www-data", GATE, &json!({"user": "a", "uid": 0}));
    assert_eq!(more, Err("org.varlink.service.InvalidParameter".into()));
    assert_eq!(daemon.log(), "");
}

#[test]
fn status_shows_devices_without_their_keys() {
    let machine = machine(QUICK);
    let alice = enroll_token(&machine, "alice");
    add_recovery_codes("alice");
    add_account(&machine, "bob");
    let _daemon = machine.daemon();
    verify(&machine, "alice", &alice.wrong());
    let own = json!({"user": "alice"});
    let status = machine.call_daemon("alice", STATUS, &own).unwrap();
    let device = json!({
        "name": "token", "kind": "hotp", "algorithm": "SHA1", "digits": 6, "enrolled": 1
    });
    let expected = json!({
        "user": "alice", "devices": [device], "recovery_codes_left": 10, "failures": 1, "locked": false,
        "may": {"manage": true, "first_device": "login", "unset_last": true},
        "changes": []
    });
    assert_eq!(status, expected);
    assert!(!status.to_string().contains(SECRET));
    let status = machine
        .call_daemon("bob", STATUS, &json!({"user": "bob"}))
        .unwrap();
    assert_eq!(
        (&status["devices"], &status["locked"]),
        (&json!([]), &json!(false))
    );
}

#[test]
fn all_but_the_own_name_get_the_same_bytes() {
    let machine = machine(QUICK);
    let alice = enroll_token(&machine, "alice");
    for user in ["bob", "www"] {
        add_account(&machine, user);
    }
    enroll_token(&machine, "root-like");
    let daemon = machine.daemon();
    let not_yours = "{\"error\":\"io.twofactor.NotYours\",\"parameters\":{}}";
    let ask = |as_user: Option<&str>, through: &[&str], method: &str, name: &str| {
        let mut parameters = json!({"user": name});
        if method == VERIFY {
            parameters["code"] = json!(alice.code_at(0));
        }
        let call = json!({"method": method, "parameters": parameters});
        let mut words = through.to_vec();
        words.extend(["/usr/local/bin/daemonask", harness::twofactord::SOCKET]);
        let program = machine.program(words[0]).args(&words[1..]);
        let program = program.input(format!("{call}\0"));
        match as_user {
            Some(user) => program.user(user).run().ok().stdout,
            None => program.run().ok().stdout,
        }
    };
    for method in [STATUS, GATE, VERIFY] {
        for name in ["alice", "bob", "no-such-user", "", "root", "Alice"] {
            assert_eq!(
                ask(Some("www"), &[], method, name),
                not_yours,
                "{method} {name}"
            );
        }
        // Root has no further right, in no namespace.
        for name in ["alice", "bob", "no-such-user"] {
            assert_eq!(ask(None, &[], method, name), not_yours, "{method} {name}");
        }
        let inside = ["unshare", "-r"];
        assert_eq!(ask(Some("alice"), &inside, method, "root"), not_yours);
        assert_eq!(ask(Some("bob"), &inside, method, "alice"), not_yours);
        // A uid without an account.
        let nameless = [
            "setpriv",
            "--reuid=99999",
            "--regid=99999",
            "--clear-groups",
        ];
        assert_eq!(ask(None, &nameless, method, "alice"), not_yours);
    }
    assert_eq!(state_of("alice").devices[0].next, 0);
    assert!(
        !daemon.log().contains("result=accepted"),
        "{}",
        daemon.log()
    );
    assert!(daemon.log().contains("user=alice uid="), "{}", daemon.log());
}

#[test]
fn codes_are_judged_and_counted_as_at_a_login() {
    let machine = machine(QUICK);
    let alice = enroll_token(&machine, "alice");
    let codes = add_recovery_codes("alice");
    let daemon = machine.daemon();
    assert_eq!(gate(&machine, "alice"), json!({"state": "ask"}));
    let wrong = alice.wrong();
    assert_eq!(verify(&machine, "alice", &wrong)["result"], "wrong");
    assert_eq!(verify(&machine, "alice", &wrong)["result"], "repeated");
    let first = alice.code();
    let accepted = json!({
        "result": "accepted", "by": "device", "device": "token", "password_length": 0, "failures_before": 1
    });
    assert_eq!(verify(&machine, "alice", &first), accepted);
    let used = json!({"result": "used", "device": "token"});
    assert_eq!(verify(&machine, "alice", &first), used);
    let recovered = json!({
        "result": "accepted", "by": "recovery_code", "recovery_codes_left": 9, "password_length": 0,
        "failures_before": 0
    });
    assert_eq!(verify(&machine, "alice", &codes[0]), recovered);
    assert_eq!(verify(&machine, "alice", &codes[0])["result"], "spent");
    for _ in 0..5 {
        verify(&machine, "alice", &alice.wrong());
    }
    assert_eq!(gate(&machine, "alice")["state"], "locked");
    assert_eq!(verify(&machine, "alice", &alice.code())["result"], "locked");
    let log = daemon.log();
    for result in [
        "wrong",
        "repeated-code",
        "accepted device=token offset=0",
        "used",
        "spent",
        "throttled",
    ] {
        assert!(
            log.contains(&format!(" result={result}")),
            "{result}: {log}"
        );
    }
    let secret = [&codes[0], &first, &wrong, SECRET];
    assert!(!secret.iter().any(|text| log.contains(&text[..])), "{log}");
    // An administrator opens it.
    machine.command(&["unlock", "alice"]).ok();
    assert_eq!(gate(&machine, "alice"), json!({"state": "ask"}));
}

#[test]
fn of_guesses_at_once_five_are_compared() {
    let machine = machine("enabled = true\ntries = 1\ngrace = 600\n[throttle]\ndelay = 0\n");
    let alice = enroll_token(&machine, "alice");
    let daemon = machine.daemon();
    let login = || alice.login().rhost("192.0.2.7").answer(alice.code());
    let calls: Vec<String> = (0..64)
        .map(|_| {
            json!({"method": VERIFY, "parameters": {"user": "alice", "code": alice.wrong()}})
                .to_string()
        })
        .collect();
    let start = |call: &String| machine.daemonask(format!("{call}\0")).user("alice").start();
    let mut running: Vec<_> = calls.iter().map(start).collect();
    // Root's login of the same user goes on meanwhile.
    assert_eq!(login().run().auth, code::SUCCESS);
    for guess in &mut running {
        while guess.try_wait().is_none() {
            std::thread::sleep(std::time::Duration::from_millis(2));
        }
    }
    let log = daemon.log();
    let compared = log.matches("result=wrong").count();
    // The login ended one lock-out at most.
    assert!((5..=10).contains(&compared), "{compared} compared: {log}");
    let total = state_of("alice").daemon.total(now());
    assert_eq!(total as usize, compared);
    assert!(!log.contains("accepted"), "{log}");
    drop(running);
    let again = alice.login().rhost("192.0.2.7").run();
    assert_eq!(again.auth, harness::enrolled::IGNORED, "grace is as it was");
}

fn now() -> u64 {
    twofactor_store::sys::clock::now().unwrap()
}

#[test]
fn what_is_unusable_is_unavailable_and_logged() {
    let machine = machine(QUICK);
    let alice = enroll_token(&machine, "alice");
    let daemon = machine.daemon();
    machine.write_file(policy_path(), "no_such_key = 1\n", 0o644);
    for method in [STATUS, GATE, VERIFY] {
        let mut parameters = json!({"user": "alice"});
        if method == VERIFY {
            parameters["code"] = json!(alice.code_at(0));
        }
        let reply = machine.call_daemon("alice", method, &parameters);
        assert_eq!(reply, Err("io.twofactor.Unavailable".into()), "{method}");
    }
    // One line in a second, for whatever calls.
    let error = "result=error error=\"/etc/security/twofactor.toml";
    let lines = daemon.log().matches(error).count();
    assert!((1..=3).contains(&lines), "{}", daemon.log());
    machine.policy(QUICK);
    assert_eq!(
        verify(&machine, "alice", &alice.code())["result"],
        "accepted"
    );
}

#[test]
fn a_user_cannot_fill_the_log() {
    let machine = machine(QUICK);
    add_account(&machine, "alice");
    add_account(&machine, "bob");
    let daemon = machine.daemon();
    let calls = json!({"method": GATE, "parameters": {"user": "bob"}}).to_string() + "\0";
    let before = twofactor_store::sys::clock::monotonic();
    let asked = machine.program("/usr/local/bin/daemonask").arg(SOCKET);
    let mut asking = asked.input(calls.repeat(500)).user("alice").start();
    while asking.try_wait().is_none() {
        std::thread::sleep(std::time::Duration::from_millis(2));
    }
    drop(asking);
    // The first line of a later second tells of the others.
    std::thread::sleep(std::time::Duration::from_millis(1100));
    let foreign = machine.call_daemon("alice", GATE, &json!({"user": "bob"}));
    assert_eq!(foreign, Err("io.twofactor.NotYours".into()));
    let seconds = (twofactor_store::sys::clock::monotonic() - before).as_secs() as usize + 2;
    let log = daemon.log();
    let lines = log.matches("result=not-yours").count();
    assert!(lines <= 2 * seconds, "{lines} lines: {log}");
    assert!(log.contains("left_out="), "{log}");
}

#[test]
fn a_name_service_that_fails_says_nothing_of_users() {
    let machine = machine(QUICK);
    let alice = enroll_token(&machine, "alice");
    let service = machine.name_service();
    let uid = machine.run("id", &["-u", "alice"]).ok().stdout;
    let uid = uid.trim();
    let daemon = machine.daemon();
    service.answers(&format!("passwd #{uid} fails 5\npasswd alice fails 5\n"));
    let who = format!("--reuid={uid}");
    let call = json!({"method": GATE, "parameters": {"user": "alice"}});
    let words = [&who, "--clear-groups", "/usr/local/bin/daemonask", SOCKET];
    let ask = || {
        let program = machine.program("setpriv").args(&words);
        program.input(format!("{call}\0")).run().ok().stdout
    };
    let unavailable = "{\"error\":\"io.twofactor.Unavailable\",\"parameters\":{}}";
    assert_eq!(ask(), unavailable);
    assert!(daemon.log().contains("result=error"), "{}", daemon.log());
    service.answers("");
    assert_eq!(ask(), "{\"parameters\":{\"state\":\"ask\"}}");
    drop(alice);
}

#[test]
fn a_killed_daemon_has_lost_nothing() {
    let machine = machine(QUICK);
    let alice: Token = enroll_token(&machine, "alice");
    for _ in 0..4 {
        let daemon = machine.daemon();
        assert_eq!(verify(&machine, "alice", &alice.wrong())["result"], "wrong");
        daemon.kill();
    }
    assert_eq!(state_of("alice").daemon.in_a_row, 4);
    let _daemon = machine.daemon();
    assert_eq!(
        verify(&machine, "alice", &alice.code())["result"],
        "accepted"
    );
}
