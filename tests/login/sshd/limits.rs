//! Limits on guessing over ssh, and the ways back in for a user without the device.

use harness::logins::{
    ASK_AGAIN, ASK_CODE, ASK_NEW_CODES, ASK_NEW_DEVICE, ASK_PASSWORD, dialogue, enroll, enrolled,
    logged, machine, policy,
};
use harness::{PASSWORD, Session, Sshd};
use twofactor_store::Store;
use twofactor_store::sys::accounts;

/// One login with the password and these answers.
/// Text before the question for a new device.
const OFFER: &str = "\nIs your phone lost, or new? A new device can be set up now, with an\n\
                     authenticator app such as Aegis, FreeOTP or Google Authenticator.\n";

fn login(sshd: &Sshd<'_>, user: &str, codes: &[&str]) -> Session {
    sshd.login(user)
        .answers(&[&[PASSWORD], codes].concat())
        .run()
}

/// Failures that count, as the state file says.
fn failures(user: &str) -> u32 {
    let store = Store::open(
        twofactor_core::STATE_DIR.as_ref(),
        twofactor_core::POLICY_FILE.as_ref(),
    )
    .unwrap();
    let account = accounts::by_name(user).unwrap().unwrap();
    let locked = store.lock(&account).unwrap();
    locked.state().failures
}

/// The number in `text` between what it begins with and what follows.
fn seconds_in(text: &str, before: &str, after: &str) -> u64 {
    let number = text
        .strip_prefix(before)
        .and_then(|rest| rest.split_once(after));
    number.unwrap_or((text, "")).0.parse().unwrap()
}

#[test]
fn r39_five_wrong_codes_lock_out_until_unlock() {
    let machine = machine();
    policy(&machine, "tries = 10", "");
    let (alice, bob) = (enrolled(&machine, "alice"), enrolled(&machine, "bob"));
    let right = alice.code();
    let sshd = machine.sshd("");
    let wrong: [String; 6] = std::array::from_fn(|_| alice.wrong_code());
    let guesses = login(&sshd, "alice", &wrong.each_ref().map(String::as_str));
    // The fifth begins the lock-out, so there is no sixth question.
    assert_eq!(
        dialogue(&guesses),
        (
            false,
            vec![
                ASK_PASSWORD,
                ASK_CODE,
                ASK_AGAIN,
                ASK_AGAIN,
                ASK_AGAIN,
                ASK_AGAIN
            ]
        )
    );
    let shown = guesses.stderr.lines().nth(1).unwrap();
    assert!((1..=30).contains(&seconds_in(
        shown,
        "Too many wrong codes. Try again in ",
        " seconds."
    )));
    let lines = logged(&machine, "sshd:auth");
    assert_eq!(lines[..5], ["user=alice rhost=127.0.0.1 result=wrong"; 5]);
    let throttled = "user=alice rhost=127.0.0.1 result=throttled seconds=";
    assert!((1..=30).contains(&seconds_in(&format!("{} ", lines[5]), throttled, " ")));
    assert_eq!((lines.len(), failures("alice")), (6, 5));
    assert_eq!(machine.wait_for_log("result=throttled").severity, "warning");

    // Locked out: the password is asked for as ever, the code is not, and nothing is counted.
    let locked = login(&sshd, "alice", &[&right]);
    assert_eq!(dialogue(&locked), (false, vec![ASK_PASSWORD]));
    let shown = locked.stderr.lines().next().unwrap();
    assert!((1..=30).contains(&seconds_in(
        shown,
        "Too many wrong codes. Try again in ",
        " seconds."
    )));
    assert!(
        locked
            .stderr
            .ends_with("Permission denied (publickey).\r\n")
    );
    assert_eq!(failures("alice"), 5);
    // A wrong password is told nothing of it.
    let stranger = sshd.login("alice").answer("guess").run();
    assert_eq!(dialogue(&stranger), (false, vec![ASK_PASSWORD]));
    assert!(!stranger.stderr.contains("Too many"));
    // No other user is affected.
    assert!(login(&sshd, "bob", &[&bob.code()]).is_in());

    let unlocked = machine.command(&["unlock", "alice"]).ok().stdout;
    assert_eq!(
        unlocked,
        "alice may try again; 5 wrong codes no longer counted.\n"
    );
    let session = login(&sshd, "alice", &[&right]);
    assert_eq!(dialogue(&session), (true, vec![ASK_PASSWORD, ASK_CODE]));
    machine.wait_for_log("failures_before=5");
    assert_eq!(failures("alice"), 0);
}

#[test]
fn a_lock_out_ends_by_itself_and_the_next_is_longer() {
    let machine = machine();
    machine.policy(
        "enabled = true\n[services]\nsshd = true\n[throttle]\nattempts = 1\nlockout = 2\ndelay = 0\n",
    );
    let phone = enrolled(&machine, "alice");
    let sshd = machine.sshd("");
    let first = login(&sshd, "alice", &[&phone.wrong_code(), &phone.wrong_code()]);
    assert_eq!(dialogue(&first), (false, vec![ASK_PASSWORD, ASK_CODE]));
    assert_eq!(failures("alice"), 1);
    let asked_again = || {
        // Locked out until it is asked again; how long that takes is not this test's business.
        (0..100).any(|_| login(&sshd, "alice", &[&phone.wrong_code()]).prompts.len() == 2)
    };
    assert!(asked_again());
    assert_eq!(failures("alice"), 2);
    // The rest of the second one, seen with longer ones: twice 300 s.
    machine.policy(
        "enabled = true\n[services]\nsshd = true\n[throttle]\nattempts = 1\nlockout = 300\ndelay = 0\n",
    );
    let text = login(&sshd, "alice", &[]).stderr;
    let shown = "Too many wrong codes. Try again in 10 minutes.";
    assert_eq!(text.lines().next(), Some(shown));
}

#[test]
fn r39_after_max_failures_only_unlock_helps() {
    let machine = machine();
    machine.policy(
        "enabled = true\ntries = 10\n[services]\nsshd = true\n\
         [throttle]\nattempts = 2\nmax_failures = 2\nlockout = 1\ndelay = 0\n",
    );
    let phone = enrolled(&machine, "alice");
    let (first, second) = (phone.wrong_code(), phone.wrong_code());
    let right = phone.code();
    let sshd = machine.sshd("");
    let session = login(&sshd, "alice", &[&first, &second, &right]);
    assert_eq!(
        dialogue(&session),
        (false, vec![ASK_PASSWORD, ASK_CODE, ASK_AGAIN])
    );
    let text = "Too many wrong codes. Ask your administrator to unlock your account.";
    assert_eq!(session.stderr.lines().nth(1), Some(text));
    assert_eq!(
        logged(&machine, "sshd:auth")[2..],
        ["user=alice rhost=127.0.0.1 result=locked hint=\"twofactor unlock\""]
    );
    machine.command(&["unlock", "alice"]).ok();
    assert!(login(&sshd, "alice", &[&right]).is_in());
}

#[test]
fn r39_a_recovery_code_replaces_the_device_once() {
    let machine = machine();
    let phone = enrolled(&machine, "alice");
    assert_eq!(phone.recovery.len(), 10);
    let sshd = machine.sshd("");
    let first = login(&sshd, "alice", &[&phone.recovery[3], ""]);
    let offer = format!("{OFFER}{ASK_NEW_DEVICE}");
    assert_eq!(
        dialogue(&first),
        (true, vec![ASK_PASSWORD, ASK_CODE, &offer])
    );
    assert_eq!(first.stderr, "");
    // Typed without hyphens and in small letters it is the same code: spent.
    let small = phone.recovery[3].replace('-', "").to_lowercase();
    let other = phone.recovery[0].replace('-', " ").to_lowercase();
    let second = login(&sshd, "alice", &[&small, &other, ""]);
    assert_eq!(
        dialogue(&second),
        (
            true,
            vec![
                ASK_PASSWORD,
                ASK_CODE,
                "This one-time code was used already. Use another one.\nVerification code: ",
                &offer,
            ]
        )
    );
    assert_eq!(second.stderr, "");
    assert_eq!(
        logged(&machine, "sshd:auth"),
        [
            "user=alice rhost=127.0.0.1 result=accepted device=recovery-code left=9",
            "user=alice rhost=127.0.0.1 result=spent",
            "user=alice rhost=127.0.0.1 result=accepted device=recovery-code left=8",
        ]
    );
    assert!(login(&sshd, "alice", &[&phone.code()]).is_in());
}

#[test]
fn r39_the_last_recovery_codes_say_so() {
    let machine = machine();
    let phone = enrolled(&machine, "alice");
    let sshd = machine.sshd("");
    for (code, left) in phone.recovery.iter().zip((0..10).rev()) {
        let said = match left {
            0 => "That was your last recovery code.\n".to_owned(),
            1 => "Recovery code accepted. One is left.\n".to_owned(),
            left => format!("Recovery code accepted. {left} are left.\n"),
        };
        let mut session = sshd.login("alice").shell().pty();
        session.answer(ASK_PASSWORD, PASSWORD);
        session.answer(ASK_CODE, code);
        session.answer(ASK_NEW_DEVICE, "");
        if left <= 3 {
            session.answer(ASK_NEW_CODES, "");
        }
        session.expect(&said);
        session.send_line("exit");
        session.end();
    }
}

#[test]
fn r39_a_bypass_code_of_the_administrator_works_once() {
    let machine = machine();
    enrolled(&machine, "alice");
    let bypass = || {
        let run = machine.command(&["bypass", "alice", "--json"]).ok();
        let report: serde_json::Value = serde_json::from_str(&run.stdout).unwrap();
        report["code"].as_str().unwrap().to_owned()
    };
    let code = bypass();
    let sshd = machine.sshd("");
    assert!(login(&sshd, "alice", &[&code]).is_in());
    assert!(!login(&sshd, "alice", &[&code]).is_in());
    let withdrawn = bypass();
    machine.command(&["bypass", "alice", "--for", "0"]).ok();
    assert!(!login(&sshd, "alice", &[&withdrawn]).is_in());
    assert_eq!(
        logged(&machine, "sshd:auth"),
        [
            "user=alice rhost=127.0.0.1 result=accepted device=bypass",
            "user=alice rhost=127.0.0.1 result=spent",
            "user=alice rhost=127.0.0.1 result=wrong",
        ]
    );
}

#[test]
fn r39_unset_lets_one_user_in_without_a_code() {
    let machine = machine();
    enrolled(&machine, "alice");
    enrolled(&machine, "bob");
    machine.command(&["unset", "alice", "--yes"]).ok();
    let sshd = machine.sshd("");
    assert_eq!(
        dialogue(&login(&sshd, "alice", &[])),
        (true, vec![ASK_PASSWORD])
    );
    assert!(!login(&sshd, "bob", &[]).is_in());
}

#[test]
fn r34_a_renewed_device_replaces_the_old_one() {
    let machine = machine();
    let old = enrolled(&machine, "alice");
    let renewed = machine
        .command(&["renew", "alice", "--no-confirm", "--json"])
        .ok();
    let report: serde_json::Value = serde_json::from_str(&renewed.stdout).unwrap();
    let new = harness::Totp::new(report["secret"].as_str().unwrap());
    let sshd = machine.sshd("");
    new.settle(5);
    let session = login(&sshd, "alice", &[&old.totp.code(), &new.code()]);
    assert_eq!(
        dialogue(&session),
        (true, vec![ASK_PASSWORD, ASK_CODE, ASK_AGAIN])
    );
}

#[test]
fn r40_root_turns_it_off_without_a_code() {
    let machine = machine();
    enroll(&machine, "root", &[]);
    let sshd = machine.sshd("");
    assert_eq!(
        dialogue(&login(&sshd, "root", &[])),
        (false, vec![ASK_PASSWORD, ASK_CODE])
    );
    let mut terminal = machine.pty("twofactor", &["disable"]);
    terminal.answer("[y/N]", "y");
    assert_eq!(terminal.end().code, Some(0));
    assert_eq!(
        dialogue(&login(&sshd, "root", &[])),
        (true, vec![ASK_PASSWORD])
    );
}

#[test]
fn a_lock_out_that_begins_during_typing_holds() {
    let machine = machine();
    policy(&machine, "tries = 10", "");
    let phone = enrolled(&machine, "alice");
    let right = phone.code();
    let wrong: [String; 5] = std::array::from_fn(|_| phone.wrong_code());
    let (sshd, another) = (machine.sshd(""), machine.sshd(""));
    let mut terminal = sshd.login("alice").pty();
    terminal.answer(ASK_PASSWORD, PASSWORD).expect(ASK_CODE);
    let guesses = login(&another, "alice", &wrong.each_ref().map(String::as_str));
    assert_eq!((guesses.prompts.len(), failures("alice")), (6, 5));
    terminal.send_line(&right);
    let ended = terminal.end();
    assert!(
        ended.shown.contains("Too many wrong codes. Try again in "),
        "{}",
        ended.shown
    );
    assert!(!ended.shown.contains("it-is-in"));
    assert_eq!((ended.code, failures("alice")), (Some(255), 5));
}
