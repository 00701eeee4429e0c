//! Limits on guessing over ssh.

use harness::logins::{
    ASK_AGAIN, ASK_CODE, ASK_PASSWORD, GO_ON, dialogue, enrolled, last_try, logged, machine,
    policy, told,
};
use harness::{PASSWORD, Session, Sshd};
use twofactor_store::FactorStore;
use twofactor_store::sys::accounts;

/// One login with the password and these answers.
pub(super) fn login(sshd: &Sshd<'_>, user: &str, codes: &[&str]) -> Session {
    sshd.login(user)
        .answers(&[&[PASSWORD], codes].concat())
        .run()
}

/// Failures that count, as the state file says.
fn failures(user: &str) -> u32 {
    let store = FactorStore::open(
        twofactor_core::STATE_DIR.as_ref(),
        twofactor_core::POLICY_FILE.as_ref(),
    )
    .unwrap();
    let account = accounts::by_name(user).unwrap().unwrap();
    let locked = store.lock(&account).unwrap();
    locked.state().failures
}

/// Sees that a question tells of a lock-out of at most 30 seconds.
fn assert_locked(question: &str) {
    let before = "\nToo many wrong codes. Try again in ";
    let after = &format!(" seconds.\n{GO_ON}");
    assert!(
        (1..=30).contains(&seconds_in(question, before, after)),
        "{question}"
    );
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
    // The fifth begins the lock-out: the sixth question is none for a code.
    let (is_in, mut asked) = dialogue(&guesses);
    assert_locked(asked.pop().unwrap());
    let before = [ASK_PASSWORD, ASK_CODE, ASK_AGAIN, ASK_AGAIN, ASK_AGAIN];
    assert_eq!(
        (is_in, asked),
        (false, [&before[..], &[ASK_AGAIN]].concat())
    );
    let lines = logged(&machine, "sshd:auth");
    assert_eq!(lines[..5], ["user=alice rhost=127.0.0.1 result=wrong"; 5]);
    let throttled = "user=alice rhost=127.0.0.1 result=throttled seconds=";
    assert!((1..=30).contains(&seconds_in(&format!("{} ", lines[5]), throttled, " ")));
    assert_eq!((lines.len(), failures("alice")), (6, 5));
    assert_eq!(machine.wait_for_log("result=throttled").severity, "warning");

    // Locked out: the password is asked for as ever, the code is not, and nothing is counted.
    let locked = login(&sshd, "alice", &[&right]);
    let (is_in, asked) = dialogue(&locked);
    assert_eq!((is_in, asked[..].len(), asked[0]), (false, 2, ASK_PASSWORD));
    assert_locked(asked[1]);
    let denied = "alice@127.0.0.1: Permission denied (publickey).\r\n";
    assert_eq!(locked.stderr, denied);
    assert_eq!(failures("alice"), 5);
    // A wrong password is told nothing of it.
    let stranger = sshd.login("alice").answer("guess").run();
    assert_eq!(dialogue(&stranger), (false, vec![ASK_PASSWORD]));
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

/// OpenSSH's client shows messages at its log level INFO, and questions always.
#[test]
fn a_quiet_client_shows_why_it_is_refused() {
    let machine = machine();
    let phone = enrolled(&machine, "alice");
    let sshd = machine.sshd("");
    let quiet = || sshd.login("alice").option("LogLevel=QUIET").pty();
    let mut terminal = quiet();
    terminal.answer(ASK_PASSWORD, PASSWORD);
    terminal.answer(ASK_CODE, &phone.wrong_code());
    for _ in 0..2 {
        terminal.answer(ASK_AGAIN, &phone.wrong_code());
    }
    terminal.answer(&last_try(), "");
    assert_eq!(terminal.end().code, Some(255));
    let mut terminal = quiet();
    terminal.answer(ASK_PASSWORD, PASSWORD);
    terminal.answer(ASK_CODE, &phone.wrong_code());
    terminal.answer(ASK_AGAIN, &phone.wrong_code());
    terminal.expect("\nToo many wrong codes. Try again in ");
    terminal.answer(GO_ON, &phone.code());
    let ended = terminal.end();
    assert_eq!((ended.code, failures("alice")), (Some(255), 5));
    assert!(!ended.shown.contains("it-is-in"), "{}", ended.shown);
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
    let (is_in, asked) = dialogue(&first);
    assert_eq!((is_in, &asked[..2]), (false, &[ASK_PASSWORD, ASK_CODE][..]));
    assert_eq!(failures("alice"), 1);
    let asked_again = || {
        // Locked out until it is asked again; how long that takes is not this test's business.
        (0..100)
            .any(|_| login(&sshd, "alice", &[&phone.wrong_code()]).prompts[1].ends_with(ASK_CODE))
    };
    assert!(asked_again());
    assert_eq!(failures("alice"), 2);
    // The rest of the second one, seen with longer ones: twice 300 s.
    machine.policy(
        "enabled = true\n[services]\nsshd = true\n[throttle]\nattempts = 1\nlockout = 300\ndelay = 0\n",
    );
    let shown = told("Too many wrong codes. Try again in 10 minutes.");
    let session = login(&sshd, "alice", &[]);
    assert_eq!(dialogue(&session), (false, vec![ASK_PASSWORD, &shown]));
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
    let locked = told("Too many wrong codes. Ask your administrator to unlock your account.");
    assert_eq!(
        dialogue(&session),
        (false, vec![ASK_PASSWORD, ASK_CODE, ASK_AGAIN, &locked])
    );
    assert_eq!(
        logged(&machine, "sshd:auth")[2..],
        ["user=alice rhost=127.0.0.1 result=locked hint=\"twofactor unlock\""]
    );
    machine.command(&["unlock", "alice"]).ok();
    assert!(login(&sshd, "alice", &[&right]).is_in());
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
    assert_eq!((guesses.prompts.len(), failures("alice")), (7, 5));
    terminal.send_line(&right);
    terminal.expect("Too many wrong codes. Try again in ");
    terminal.answer(GO_ON, "");
    let ended = terminal.end();
    assert!(!ended.shown.contains("it-is-in"));
    assert_eq!((ended.code, failures("alice")), (Some(255), 5));
}

/// sshd ends the process of a question that is not answered, and with it the rest of the stack.
#[test]
fn hanging_up_after_the_only_try_hides_no_failure() {
    let machine = machine();
    policy(&machine, "tries = 1", "");
    let stack = machine.read("/etc/pam.d/sshd");
    let counted = "auth [success=1 default=ignore] pam_twofactor.so\n\
                   auth [default=die] pam_faillock.so authfail dir=/run/faillock\n";
    let asked = "auth       [success=ok ignore=ignore default=die]  pam_twofactor.so\n";
    assert!(stack.contains(asked), "{stack}");
    machine.stack("sshd", &stack.replace(asked, counted));
    let phone = enrolled(&machine, "alice");
    let sshd = machine.sshd("");
    let session = sshd
        .login("alice")
        .answers(&[PASSWORD, &phone.wrong_code()])
        .run();
    assert!(!session.is_in());
    sshd.settle();
    assert_eq!(failures("alice"), 1);
    let tally = std::fs::metadata("/run/faillock/alice").unwrap();
    assert!(tally.len() > 0);
    assert!(
        sshd.log()
            .contains("Failed keyboard-interactive/pam for alice")
    );
    // A right code is no failure there.
    std::fs::remove_file("/run/faillock/alice").unwrap();
    assert!(login(&sshd, "alice", &[&phone.code()]).is_in());
    assert!(!std::path::Path::new("/run/faillock/alice").exists());
}
