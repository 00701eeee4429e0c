//! Lost phones: `renew`, `unset`, `bypass`, `recovery-codes`, `unlock`. Each helps one user, and no other user's files
//! or logins are touched.

use std::time::Duration;

use harness::desk::{
    desk_on, give, give_phone, json, json_error, keys, lets_in, parse, strings, terminal,
};
use harness::enrolled::{login, record_path, run, state_of, state_path};
use harness::pam::code;
use harness::patient::{UNSYNCHRONIZED, with_clock};
use harness::{Machine, PASSWORD, Totp, hotp};
use twofactor_core::state::{SLOT_LEN, encode, encode_file};

fn files(user: &str) -> [Vec<u8>; 2] {
    [record_path(user), state_path(user)].map(|path| std::fs::read(path).unwrap())
}

/// `verify` with these lines typed; the report and the exit code.
fn verify(machine: &Machine, user: &str, typed: &str) -> (serde_json::Value, i32) {
    let run = machine
        .twofactor(&["verify", user, "--json"])
        .input(typed)
        .run();
    (parse(&run.stdout), run.code.unwrap())
}

#[test]
fn r39_a_bypass_code_works_once_for_one_user_over_ssh() {
    let machine = desk_on();
    machine.install_stack("sshd");
    machine.policy("enabled = true\n[services]\nsshd = true\n[throttle]\ndelay = 0\n");
    give(&machine, "alice", &[]);
    give(&machine, "bob", &[]);
    let bob = files("bob");
    let report = json(machine.command(&["bypass", "alice", "--json"]));
    let expected = [
        "code",
        "expires",
        "locked_out",
        "new_device",
        "this_host",
        "user",
    ];
    assert_eq!(keys(&report), expected);
    let bypass = report["code"].as_str().unwrap();
    assert!(files("bob") == bob && !lets_in("bob", bypass));
    let sshd = machine.sshd("");
    assert!(
        sshd.login("alice")
            .answers(&[PASSWORD, bypass])
            .run()
            .is_in()
    );
    assert!(
        !sshd
            .login("alice")
            .answers(&[PASSWORD, bypass])
            .run()
            .is_in()
    );
    let status = json(machine.command(&["status", "alice", "--json"]));
    assert_eq!(status["users"][0]["bypass_until"], serde_json::Value::Null);
}

#[test]
fn r39_a_bypass_code_expires_or_is_withdrawn() {
    let machine = desk_on();
    give(&machine, "alice", &[]);
    let bypass = |duration: &str| {
        let run = machine.command(&["bypass", "alice", "--for", duration, "--json"]);
        json(run)["code"].as_str().map(str::to_owned)
    };
    let (first, second) = (bypass("2d").unwrap(), bypass("30m").unwrap());
    assert!(!lets_in("alice", &first) && lets_in("alice", &second));
    let third = bypass("1h").unwrap();
    assert_eq!(bypass("0"), None);
    assert!(!lets_in("alice", &third));
    let expired = bypass("1s").unwrap();
    std::thread::sleep(Duration::from_millis(2100));
    assert_eq!(
        verify(&machine, "alice", &expired).0["reason"],
        "bypass-expired"
    );
    assert!(!lets_in("alice", &expired));
    for wrong in ["31d", "1w", "soon", "-1h"] {
        machine
            .command(&["bypass", "alice", "--for", wrong])
            .exits(2);
    }
    // One that could not be told about is not made.
    let before = files("alice");
    machine.policy("enabled = true\nwindow = 99\n");
    machine.command(&["bypass", "alice"]).exits(3);
    assert!(files("alice") == before);
    machine.policy("enabled = true\n");
    // The user who gets it may be elsewhere.
    let bypass = machine
        .twofactor(&["bypass", "alice"])
        .env("TZ", "XYZ-5:30");
    let text = bypass.run().ok().stdout;
    assert!(
        text.contains("It works once, instead of a code, for 1 day (until "),
        "{text}"
    );
    assert!(text.contains(" UTC+05:30).\n"), "{text}");
}

#[test]
fn r39_a_lock_out_is_of_one_user_and_unlock_ends_it() {
    let machine = desk_on();
    let (alice, bob) = (give_phone(&machine, "alice"), give_phone(&machine, "bob"));
    let guesses = || (0..5).fold(login("alice"), |guess, _| guess.answer(alice.wrong_code()));
    run(guesses());
    run(guesses());
    let refused = run(login("alice").answer(alice.code()));
    assert_eq!((refused.auth, refused.prompts.len()), (code::MAXTRIES, 0));
    let user = &json(machine.command(&["status", "alice", "--json"]))["users"][0];
    assert_eq!(
        (&user["failures"], &user["locked"]),
        (&5.into(), &true.into())
    );
    let locked = machine.command(&["verify", "alice"]).exits(1);
    let told = (
        "twofactor: alice is locked out for ",
        "\nTo end it: twofactor unlock alice\n",
    );
    assert!(
        locked.stderr.starts_with(told.0) && locked.stderr.ends_with(told.1),
        "{}",
        locked.stderr
    );
    assert_eq!(
        json(machine.command(&["bypass", "alice", "--json"]))["locked_out"],
        true
    );
    assert!(lets_in("bob", &bob.code()), "no other user is locked out");
    let before = files("bob");
    let unlock = machine.command(&["unlock", "alice"]).ok();
    assert_eq!(
        unlock.stdout,
        "alice may try again; 5 wrong codes no longer counted.\n"
    );
    assert!(files("bob") == before);
    assert!(lets_in("alice", &alice.code()));
    let report = json(machine.command(&["unlock", "alice", "--json"]));
    assert_eq!(
        report,
        parse(
            "{\"user\": \"alice\", \"failures\": 0, \"daemon_failures\": 0, \"rebuilt\": null, \"waiting_for_clock\": []}"
        )
    );
    assert_eq!(
        machine.command(&["unlock", "alice"]).ok().stdout,
        "alice was not locked out: there were no wrong codes.\n"
    );
}

/// A clock that was ahead when a code was accepted and one that is behind now look the same.
#[test]
fn unlock_brings_codes_back_by_a_right_clock_alone() {
    const DAY: i64 = 86_400;
    let machine = desk_on();
    let alice = give_phone(&machine, "alice");
    machine.shift_clock(DAY);
    assert!(lets_in("alice", &alice.code_after(DAY / 30)));
    machine.shift_clock(0);
    let next = || state_of("alice").devices[0].next;
    let ahead = next();
    let unlock = |kernel: &str, options: &[&str]| {
        let call = [&["unlock", "alice"], options].concat();
        with_clock(&machine, kernel, &call)
    };
    // `--yes` says nothing about the clock.
    for options in [&["--json"][..], &["--json", "--yes"]] {
        let report = json(unlock(UNSYNCHRONIZED, options).run());
        assert_eq!(strings(&report["waiting_for_clock"]), ["phone"]);
        assert_eq!(next(), ahead);
    }
    let text = unlock(UNSYNCHRONIZED, &[]).run().ok().stdout;
    assert!(text.contains("Codes of phone stay refused"), "{text}");
    assert!(text.ends_with(": twofactor unlock --clock-is-right alice\n"));
    let mut asked = unlock(UNSYNCHRONIZED, &[]).pty();
    asked.answer("Is the clock right now? [y/N] ", "n");
    assert!(asked.end().shown.contains("stay refused"));
    assert_eq!(next(), ahead);
    let lowers = |report: &serde_json::Value| {
        let is_lower = next() < ahead;
        let mut state = state_of("alice");
        state.devices[0].next = ahead;
        std::fs::write(state_path("alice"), encode_file(&state)).unwrap();
        assert_eq!(strings(&report["waiting_for_clock"]), [""; 0]);
        is_lower
    };
    let said = ["--json", "--yes", "--clock-is-right"];
    assert!(lowers(&json(unlock(UNSYNCHRONIZED, &said).run())));
    assert!(lowers(&json(unlock("retval=0", &["--json"]).run())));
    let mut asked = unlock(UNSYNCHRONIZED, &[]).pty();
    asked.answer("Is the clock right now? [y/N] ", "y");
    asked.end();
    assert!(next() < ahead);
}

#[test]
fn unlock_makes_no_state_by_a_clock_of_doubt() {
    let machine = desk_on();
    give_phone(&machine, "alice");
    give(&machine, "bob", &["--hotp"]);
    for user in ["alice", "bob"] {
        std::fs::remove_file(state_path(user)).unwrap();
    }
    let unlock = |user: &str, options: &[&str]| {
        let call = [&["unlock", user], options].concat();
        with_clock(&machine, UNSYNCHRONIZED, &call)
    };
    let refused = unlock("alice", &["--yes"]).run().exits(1).stderr;
    let next = "Once it is: twofactor unlock --clock-is-right alice\n";
    assert!(refused.ends_with(next), "{refused}");
    let refused = json_error(unlock("alice", &["--yes", "--json"]).run(), 1);
    assert_eq!(refused["kind"], "clock");
    let answered = |answer: &str| {
        let mut asked = unlock("alice", &[]).pty();
        asked.answer("Make a new state for alice? [y/N] ", "y");
        asked.answer("Is the clock right now? [y/N] ", answer);
        asked.end().code
    };
    assert_eq!(answered("n"), Some(1));
    assert!(!state_path("alice").exists());
    assert_eq!(answered("y"), Some(0));
    std::fs::remove_file(state_path("alice")).unwrap();
    unlock("alice", &["--yes", "--clock-is-right"]).run().ok();
    // A counter is no matter of time.
    unlock("bob", &["--yes"]).run().ok();
}

/// Uses up the sequence numbers of a state that is whole otherwise.
fn exhaust() {
    let state = state_of("alice");
    let slot = encode(&state, u64::MAX);
    let mut file = encode_file(&state);
    file[..SLOT_LEN].copy_from_slice(&slot);
    std::fs::write(state_path("alice"), file).unwrap();
}

#[test]
fn r39_unlock_replaces_a_damaged_or_missing_state() {
    let machine = desk_on();
    machine.policy("enabled = true\nwindow = 0\n[throttle]\ndelay = 0\n");
    let given = give(&machine, "alice", &["--interval=5"]);
    let app = Totp {
        interval: 5,
        ..Totp::new(given["secret"].as_str().unwrap())
    };
    let token = give(&machine, "alice", &["--device=token", "--hotp"]);
    let token = |counter| hotp(token["secret"].as_str().unwrap(), counter, 6);
    let bypass = json(machine.command(&["bypass", "alice", "--json"]))["code"].clone();
    let damages: [&dyn Fn(); 3] = [
        &exhaust,
        &|| machine.write_file(state_path("alice"), [7; 4096], 0o600),
        &|| std::fs::remove_file(state_path("alice")).unwrap(),
    ];
    for damage in damages {
        damage();
        let answers = || login("alice").answer("000000");
        assert_eq!(run(answers()).auth, code::AUTHINFO_UNAVAIL);
        let checked = machine.twofactor(&["verify", "alice", "--json"]);
        let error = json_error(checked.input("000000\n").run(), 3);
        assert_eq!(error["next"], "To make a new one: twofactor unlock alice");
        machine.command(&["unlock", "alice"]).exits(2);
        assert_eq!(
            run(answers()).auth,
            code::AUTHINFO_UNAVAIL,
            "not without a confirmation"
        );
        let run = machine.command(&["unlock", "alice", "--yes", "--json", "--clock-is-right"]);
        assert!(
            run.stderr
                .contains("What may have been used before does not work in it"),
            "{}",
            run.stderr
        );
        let report = json(run);
        assert_eq!(keys(&report["rebuilt"]), ["resync", "wait_seconds"]);
        assert_eq!(
            report["rebuilt"],
            parse("{\"wait_seconds\": 15, \"resync\": [\"token\"]}")
        );
    }
    assert!(!lets_in("alice", &app.code()) && !lets_in("alice", bypass.as_str().unwrap()));
    assert!(!lets_in("alice", &token(0)));
    assert_eq!(
        verify(&machine, "alice", &token(0)).0["reason"],
        "repeated-code"
    );
    let recovery = &strings(&given["recovery_codes"])[3];
    assert_eq!(verify(&machine, "alice", recovery).0["reason"], "spent");
    machine
        .command(&["resync", "alice", "token", &token(700), &token(701)])
        .ok();
    assert!(lets_in("alice", &token(702)));
    std::thread::sleep(Duration::from_secs(15));
    machine.policy("enabled = true\nwindow = 1\n");
    assert!(lets_in("alice", &app.code()));
}

#[test]
fn a_new_set_of_recovery_codes_ends_the_old_one() {
    let machine = desk_on();
    let old = strings(&give(&machine, "alice", &[])["recovery_codes"]);
    assert_eq!(old.len(), 10);
    assert!(lets_in("alice", &old[0]) && !lets_in("alice", &old[0]));
    // As a person types it.
    assert!(lets_in("alice", &old[1].to_lowercase().replace('-', " ")));
    let (report, code) = verify(&machine, "alice", &old[2]);
    assert_eq!((code, &report["by"]), (0, &"recovery_code".into()));
    let left =
        "Right: a recovery code; 7 codes left. It is used up; the next login needs another one.";
    assert!(
        report["message"].as_str().unwrap().starts_with(left),
        "{report}"
    );
    let users = json(machine.command(&["status", "--json"]))["users"].clone();
    assert_eq!(users[0]["recovery_codes_left"], 7);

    let mut pty = terminal(&machine, &["recovery-codes", "alice"]);
    pty.answer("Replace the recovery codes of alice? [y/N] ", "n");
    assert_eq!(pty.end().code, Some(1));
    assert!(lets_in("alice", &old[3]));
    let report = json(machine.command(&["recovery-codes", "alice", "--yes", "--json"]));
    assert_eq!(keys(&report), ["recovery_codes", "recovery_file", "user"]);
    let new = strings(&report["recovery_codes"]);
    assert!(new.len() == 10 && new.iter().all(|code| !old.contains(code)));
    assert!(!lets_in("alice", &old[4]) && lets_in("alice", &new[4]));
}

#[test]
fn r23_verify_is_the_check_of_a_login() {
    let machine = desk_on();
    let phone = give_phone(&machine, "alice");
    phone.settle(12);
    let code = phone.code();
    let (report, exit) = verify(&machine, "alice", &code);
    assert_eq!(
        (report, exit),
        (
            parse(
                "{\"user\": \"alice\", \"accepted\": true, \"reason\": \"accepted\", \"by\": \"device\", \
                 \"device\": \"phone\", \"offset\": 0, \"failures_before\": 0, \
                 \"message\": \"Right: device phone. It is used up; the next login needs another one.\"}"
            ),
            0
        )
    );
    assert!(!lets_in("alice", &code), "it is used up for logins, too");
    let (report, exit) = verify(&machine, "alice", &code);
    // The login was told that it was used; a refused code is not compared again.
    assert_eq!((&report["reason"], exit), (&"repeated-code".into(), 1));
    let [one, two, three, four] = std::array::from_fn(|_| phone.wrong_code());
    let typed = format!("{one}\n{two}\n{three}\n{four}\n");
    let (report, exit) = verify(&machine, "alice", &typed);
    assert_eq!((&report["reason"], exit), (&"wrong".into(), 1));
    let user = &json(machine.command(&["status", "alice", "--json"]))["users"][0];
    // As many as `tries`. The used code was right once.
    assert_eq!(user["failures"], 3);
    let (report, exit) = verify(&machine, "alice", &three);
    assert_eq!((&report["reason"], exit), (&"repeated-code".into(), 1));
    let nothing = machine.command(&["verify", "bob"]).exits(1);
    assert_eq!(
        nothing.stderr,
        "twofactor: bob has no device\nTo enroll one: twofactor enroll bob\n"
    );
}
