//! The PAM application of the harness: codes, prompts, texts, crowds and repetitions are reported as they happened.

use std::collections::BTreeMap;

use harness::pam::{self, Drive, EXACT, IGNORED, ModuleMessage, code};
use harness::{Machine, PASSWORD};

fn counts<const N: usize>(entries: [(&str, u64); N]) -> BTreeMap<String, u64> {
    entries.map(|(key, count)| (key.to_owned(), count)).into()
}

#[test]
fn every_phase_reports_its_own_code() {
    let lines = "auth requisite pam_debug.so auth=maxtries cred=cred_err\naccount requisite pam_debug.so acct=acct_expired\n\
                 session requisite pam_debug.so open_session=success close_session=session_err\n\
                 password requisite pam_debug.so prechauthtok=authtok_err\n";
    let stacks = pam::stack("x", lines);
    let drive = Drive::new(stacks.path()).service("x").user("nobody");
    let outcome = drive
        .clone()
        .phases("auth,setcred,acct,open,close,chauthtok")
        .run();
    let phases = [
        outcome.auth,
        outcome.setcred,
        outcome.acct,
        outcome.open,
        outcome.close,
        outcome.chauthtok,
    ];
    let expected = [
        code::MAXTRIES,
        code::CRED_ERR,
        code::ACCT_EXPIRED,
        code::SUCCESS,
        code::SESSION_ERR,
        code::AUTHTOK_ERR,
    ];
    assert_eq!(phases, expected);
    let only = drive.phases("acct").run();
    assert_eq!((only.auth, only.acct), (-1, code::ACCT_EXPIRED));
}

#[test]
fn a_stack_of_one_exact_line_tells_codes_apart() {
    for (returned, expected) in [
        ("success", code::SUCCESS),
        ("ignore", IGNORED),
        ("auth_err", code::AUTH_ERR),
        ("authinfo_unavail", code::AUTHINFO_UNAVAIL),
    ] {
        let stacks = pam::stack("x", &format!("auth {EXACT} pam_debug.so auth={returned}"));
        assert_eq!(
            Drive::new(stacks.path())
                .service("x")
                .user("nobody")
                .run()
                .auth,
            expected,
            "{returned}"
        );
    }
}

#[test]
fn prompts_texts_items_and_answers_are_recorded() {
    let texts = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(&texts, "to %u from %H on %t").unwrap();
    let echo = format!(
        "account required pam_echo.so file={}\n",
        texts.path().display()
    );
    let stacks = pam::stack("x", &format!("{}\n{echo}", pam::TAKES_PASSWORD));
    let drive = Drive::new(stacks.path())
        .service("x")
        .user("nobody")
        .rhost("192.0.2.7")
        .tty("ssh")
        .answer("secret");
    let outcome = drive.phases("auth,acct").run();
    let message = |style: &str, text: &str| ModuleMessage {
        style: style.to_owned(),
        text: text.to_owned(),
    };
    let prompt = "Password required for nobody.";
    assert_eq!(outcome.prompts, [prompt]);
    assert_eq!(
        outcome.messages,
        [
            message("echo_off", prompt),
            message("info", "to nobody from 192.0.2.7 on ssh")
        ]
    );
    assert_eq!(outcome.changed, [""; 0]);
    assert_eq!(outcome.user.as_deref(), Some("nobody"));
}

#[test]
fn the_password_line_sets_the_item_for_later_modules() {
    let machine = Machine::new();
    machine.add_user("alice");
    machine.stack(
        "x",
        &format!(
            "{}\nauth required pam_unix.so use_first_pass nodelay\n",
            pam::TAKES_PASSWORD
        ),
    );
    let drive = Drive::installed().service("x").user("alice");
    assert_eq!(drive.clone().answer(PASSWORD).run().auth, code::SUCCESS);
    let wrong = drive.answer("wrong").run();
    assert_eq!((wrong.auth, wrong.prompts.len()), (code::AUTH_ERR, 1));
}

#[test]
fn a_broken_conversation_reaches_the_module() {
    let machine = Machine::new();
    machine.add_user("alice");
    machine.stack("x", "auth required pam_unix.so nodelay\n");
    let drive = || Drive::installed().service("x").user("alice");
    assert_eq!(drive().answer(PASSWORD).run().auth, code::SUCCESS);
    assert_eq!(
        drive()
            .answer_shell(&format!("echo {PASSWORD}; echo more"))
            .run()
            .auth,
        code::SUCCESS
    );
    for (name, broken) in [
        ("error", drive().answer_error()),
        ("no answer", drive()),
        ("null", drive().answer_null()),
        ("long", drive().answer_repeat('x', 1 << 20)),
    ] {
        let outcome = broken.run();
        assert_ne!(outcome.auth, code::SUCCESS, "{name}");
        assert_eq!(outcome.prompts, ["Password: "], "{name}");
    }
    assert_eq!(drive().answer_kill().raw().signal, Some(9));
    assert_ne!(drive().answer(b"\xff\0\xfe").run().auth, code::SUCCESS);
}

#[test]
fn delays_are_reported_and_not_slept() {
    let stacks = pam::stack(
        "x",
        "auth optional pam_faildelay.so delay=3000000\nauth required pam_deny.so\n",
    );
    let outcome = Drive::new(stacks.path()).service("x").user("nobody").run();
    let delay = outcome.fail_delay_us.unwrap();
    assert_eq!(
        (outcome.auth, (1_500_000..=4_500_000).contains(&delay)),
        (code::AUTH_ERR, true),
        "{delay}"
    );
}

#[test]
fn a_module_that_changes_the_process_is_noticed() {
    let stacks = pam::stack(
        "x",
        "session required pam_umask.so umask=0137\nauth required pam_debug.so\n",
    );
    let drive = Drive::new(stacks.path()).service("x").user("root");
    assert_eq!(drive.clone().run().changed, [""; 0]);
    assert_eq!(drive.phases("open").run().changed, ["umask"]);
}

#[test]
fn a_crowd_answers_at_once() {
    let machine = Machine::new();
    machine.add_user("alice");
    machine.stack("x", "auth required pam_unix.so nodelay\n");
    machine.write_file("/run/answers", format!("wrong\n{PASSWORD}\n"), 0o644);
    let drive = Drive::installed().service("x").user("alice");
    let rounds = drive
        .before_round("echo x >> /run/rounds")
        .answers_file("/run/answers")
        .at_once(16, 3);
    assert_eq!(rounds.len(), 3);
    assert_eq!(rounds[0].results, counts([("7", 16)]));
    assert_eq!(rounds[1].results, counts([("0", 16)]));
    assert_eq!(rounds[2].results.get("0"), None);
    assert_eq!(rounds[1].texts, counts([("Password: ", 16)]));
    assert_eq!(machine.read("/run/rounds"), "x\nx\nx\n");
    let killed = Drive::installed()
        .service("x")
        .user("alice")
        .answer_kill()
        .at_once(4, 1);
    assert_eq!(killed[0].results, counts([("died", 4)]));
}

#[test]
fn repetition_shows_what_a_module_keeps() {
    let stacks = pam::stack(
        "x",
        "auth required pam_debug.so\nauth optional pam_deny.so\n",
    );
    let drive = Drive::new(stacks.path()).service("x").user("nobody");
    for drive in [drive.clone(), drive.threads()] {
        let repeated = drive.repeat(50, 500);
        assert_eq!(repeated.results, counts([("0", 550)]));
        assert_eq!(repeated.changed, counts([]));
        let kept = |holdings: pam::Holdings| pam::Holdings {
            resident_pages: 0,
            ..holdings
        };
        assert_eq!(kept(repeated.before), kept(repeated.after));
        assert!(repeated.before.free_thread_keys > 1000, "{repeated:?}");
        assert!(
            repeated.after.resident_pages < repeated.before.resident_pages + 50,
            "{repeated:?}"
        );
    }
}

#[test]
fn caller_and_program_are_those_of_the_test() {
    let machine = Machine::new();
    let uid = machine.add_user("alice");
    machine.stack(
        "x",
        "auth required pam_exec.so stdout /usr/bin/id -ru\nauth required pam_debug.so\n",
    );
    let drive = Drive::installed().service("x").user("root");
    let text = |outcome: pam::PamOutcome| {
        outcome
            .messages
            .into_iter()
            .map(|message| message.text)
            .collect::<Vec<_>>()
    };
    assert_eq!(text(drive.clone().run()), ["0"]);
    assert_eq!(text(drive.clone().real_uid(uid).run()), [uid.to_string()]);
    assert_eq!(
        text(drive.clone().as_user("alice").run()),
        [uid.to_string()]
    );
    assert_eq!(
        drive.through(&["prlimit", "--nofile=3"]).raw().code,
        Some(127)
    );
}
