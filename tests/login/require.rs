//! Users who need a device from a day on, at real logins: before that day, and from it on.

use harness::logins::{ASK_CODE, ASK_PASSWORD, dialogue, enrolled, logged, machine, policy, told};
use harness::{Machine, PASSWORD};

/// 2099-03-01, 00:00 UTC.
const DAY: u64 = 4_076_006_400;
const REQUIRED: &str = "[[require]]\ngroups = [\"staff\"]\nfrom = 2099-03-01";

/// bob is one of the staff, carol is not; neither has a device.
fn with_staff() -> Machine {
    let machine = machine();
    policy(&machine, "", REQUIRED);
    machine.add_group("staff");
    for user in ["bob", "carol"] {
        machine.add_user(user);
    }
    machine.add_to_group("bob", "staff");
    machine
}

#[test]
fn r47_sshd_tells_of_the_day_and_refuses_from_it_on() {
    let machine = with_staff();
    machine.set_clock(DAY - 2 * 86_400);
    let sshd = machine.sshd("");
    let session = |user: &str| {
        let mut terminal = sshd.login(user).shell().pty();
        terminal.answer(ASK_PASSWORD, PASSWORD).answer("$ ", "exit");
        terminal.end().shown
    };
    let note = "Two-factor login is required for your account from 2099-03-01 on: 2 days left.\nTo set it up, ask \
                your administrator for \"twofactor enroll bob\".\n";
    let shown = session("bob");
    assert_eq!(shown.matches(note).count(), 1, "{shown}");
    assert_eq!(shown.matches("wo-factor").count(), 1, "{shown}");
    assert!(session("carol").contains("Two-factor login is available"));
    machine.set_clock(DAY);
    let login = |user: &str| sshd.login(user).answer(PASSWORD).run();
    let refused = login("bob");
    let why = "Two-factor login is required here, and it is not set up for your account yet.\n\
               Ask your administrator to do that.";
    let refusal = told(why);
    assert_eq!(dialogue(&refused), (false, vec![ASK_PASSWORD, &refusal]));
    assert_eq!(dialogue(&login("carol")), (true, vec![ASK_PASSWORD]));
    let results: Vec<String> = logged(&machine, "sshd:auth");
    assert_eq!(
        results[results.len() - 2..],
        [
            "user=bob rhost=127.0.0.1 result=device-required",
            "user=carol rhost=127.0.0.1 result=unenrolled"
        ]
    );
}

#[test]
fn r47_su_refuses_from_the_day_on() {
    let machine = with_staff();
    let phone = enrolled(&machine, "alice");
    machine.add_to_group("alice", "staff");
    let su = |user: &str, code: Option<&str>| {
        let command = format!("su - {user} -c 'echo this is $(id -un)'");
        let program = machine.program("bash").args(&["-c", &command]);
        let mut terminal = program.user("carol").pty();
        terminal.answer("Password: ", PASSWORD);
        if let Some(code) = code {
            terminal.answer(ASK_CODE, code);
        }
        terminal.end()
    };
    machine.set_clock(DAY - 1 - 3600);
    assert!(su("bob", None).shown.ends_with("this is bob\n"));
    machine.set_clock(DAY);
    let refused = su("bob", None);
    assert_eq!(refused.code, Some(1), "{}", refused.shown);
    assert!(
        refused.shown.contains("Two-factor login is required here"),
        "{}",
        refused.shown
    );
    assert_eq!(
        logged(&machine, "su-l:auth"),
        [
            "user=bob rhost= result=unenrolled",
            "user=bob rhost= result=device-required"
        ]
    );
    // The code is one of the clock that the machine shows.
    let seconds = i64::try_from(DAY).unwrap() - i64::try_from(harness::otp::unix_time()).unwrap();
    let code = phone.code_after(seconds / 30 + 1);
    assert!(su("alice", Some(&code)).shown.ends_with("this is alice\n"));
}
