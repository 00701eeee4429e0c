//! The users that a `[[require]]` entry names, under every answer of the name service: what cannot be looked up counts as
//! named, and users with a device never depend on it.

use harness::Machine;
use harness::otp::unix_time;
use harness::pam::{Drive, code};

use harness::enrolled::{
    IGNORED, SERVICE, add_account, add_stack, auth, enroll_token, logged, login, machine, run, said,
};

/// 2099-03-01, 00:00 UTC.
const DAY: u64 = 4_076_006_400;

pub(super) fn policy(entry: &str) -> String {
    format!("enabled = true\n[[require]]\n{entry}\n")
}

/// A machine with alice, who has no device, and a name service that is asked first.
pub(super) fn with_alice(entry: &str) -> Machine {
    let machine = machine(&policy(entry));
    add_account(&machine, "alice");
    machine
}

#[test]
fn r47_those_named_are_refused_and_others_are_not() {
    let machine = with_alice("users = [\"alice\"]");
    add_account(&machine, "bob");
    assert_eq!(auth(login("alice")), code::AUTH_ERR);
    assert_eq!(auth(login("bob")), IGNORED);
    assert_eq!(
        logged(&machine),
        [
            "user=alice rhost= result=device-required",
            "user=bob rhost= result=unenrolled"
        ]
    );
    machine.add_group("staff");
    machine.add_to_group("bob", "staff");
    machine.policy(&policy("groups = [\"staff\"]"));
    assert_eq!(auth(login("alice")), IGNORED);
    assert_eq!(auth(login("bob")), code::AUTH_ERR);
    machine.policy(&policy("groups = [\"bob\"]"));
    assert_eq!(auth(login("bob")), code::AUTH_ERR, "the primary group");
}

/// A question may stand open until a requirement is in force, or until its user is in a group that is named.
#[test]
fn r47_a_question_outlives_no_requirement() {
    let asks = "enabled = true\nuniform_prompt = true\n[[require]]\n";
    let machine = machine(&format!("{asks}groups = [\"staff\"]\n"));
    add_account(&machine, "bob");
    machine.add_group("staff");
    let answered = |meanwhile: &str| {
        let typed = format!("{meanwhile}; echo 123456");
        auth(login("bob").answer_shell(&typed))
    };
    assert_eq!(answered("true"), IGNORED);
    let joins = "sed -i 's/^staff:.*/&bob/' /etc/group";
    assert_eq!(answered(joins), code::AUTH_ERR);
    let last = logged(&machine).pop().unwrap();
    assert_eq!(last, "user=bob rhost= result=policy-changed");
}

#[test]
fn r47_a_requirement_begins_at_midnight_utc() {
    let machine = with_alice("users = [\"alice\"]\nfrom = 2099-03-01");
    for (now, result) in [
        (DAY - 60, IGNORED),
        (DAY, code::AUTH_ERR),
        (DAY + 86_400, code::AUTH_ERR),
    ] {
        machine.set_clock(now);
        assert_eq!(auth(login("alice")), result, "{now}");
    }
}

/// The file was written after the time that the clock shows.
#[test]
fn r47_a_clock_that_is_set_back_lifts_nothing() {
    let machine = with_alice("users = [\"alice\"]\nfrom = 2099-01-01");
    assert_eq!(auth(login("alice")), IGNORED);
    machine.set_clock(unix_time() - 3600);
    assert_eq!(auth(login("alice")), code::AUTH_ERR);
    machine.set_clock(unix_time());
    assert_eq!(auth(login("alice")), IGNORED);
}

#[test]
fn r47_an_unreadable_group_has_all_users_as_members() {
    let machine = with_alice("groups = [\"robots\"]");
    let names = machine.name_service();
    for order in [
        "fixture files",
        "fixture [UNAVAIL=return] files",
        "files fixture",
    ] {
        nsswitch(&machine, order);
        for (answer, error) in [
            ("fails 2", "No such file or directory"),
            ("fails 5", "Input/output error"),
            ("again 11", "Resource temporarily unavailable"),
        ] {
            names.answers(&format!("group robots {answer}\n"));
            assert_eq!(auth(login("alice")), code::AUTH_ERR, "{order}: {answer}");
            let lines = logged(&machine);
            let begins = "user=alice rhost= result=requirement-unknown group=robots error=\"";
            assert!(lines[0].starts_with(begins), "{lines:?}");
            assert!(lines[0].contains(error), "{lines:?}");
            assert_eq!(lines[1], "user=alice rhost= result=device-required");
        }
        for answer in [
            "missing",
            "found 61000",
            "found 61000 bob",
            "slow 1 missing",
        ] {
            names.answers(&format!("group robots {answer}\n"));
            assert_eq!(auth(login("alice")), IGNORED, "{order}: {answer}");
        }
        names.answers("group robots found 61000 bob,alice\n");
        assert_eq!(auth(login("alice")), code::AUTH_ERR, "{order}");
        logged(&machine);
    }
}

/// The group is known to the machine itself, and its other members to a directory that is away.
#[test]
fn r47_a_member_may_be_known_to_another_source() {
    let machine = with_alice("groups = [\"robots\"]");
    machine.add_group("robots");
    let names = machine.name_service();
    nsswitch(&machine, "files fixture");
    assert_eq!(auth(login("alice")), IGNORED);
    names.answers("group robots fails 5\n");
    assert_eq!(auth(login("alice")), code::AUTH_ERR);
}

#[test]
fn r47_a_source_that_is_not_installed_does_not_answer() {
    let machine = with_alice("groups = [\"robots\"]");
    assert_eq!(auth(login("alice")), IGNORED);
    nsswitch(&machine, "files nosuchsource");
    assert_eq!(auth(login("alice")), code::AUTH_ERR);
    machine.policy(&policy("users = [\"robot\"]"));
    assert_eq!(auth(login("alice")), code::AUTH_ERR);
    machine.policy(&policy("users = [\"root\"]"));
    assert_eq!(auth(login("alice")), IGNORED, "a user who is found");
}

#[test]
fn r47_every_name_of_a_uid_counts() {
    let machine = machine(&policy("users = [\"alice\"]"));
    let alice = add_account(&machine, "alice");
    machine.add_group("staff");
    machine.add_user_with_id("alias", alice.uid);
    machine.add_to_group("alias", "staff");
    assert_eq!(auth(login("alias")), code::AUTH_ERR, "the other way in");
    machine.policy(&policy("groups = [\"staff\"]"));
    assert_eq!(auth(login("alias")), code::AUTH_ERR);
    assert_eq!(auth(login("alice")), code::AUTH_ERR, "member as alias");
    machine.policy(&policy("users = [\"alias\"]"));
    assert_eq!(auth(login("alice")), code::AUTH_ERR);
}

#[test]
fn r47_users_with_a_device_never_depend_on_it() {
    let machine = machine(&policy("groups = [\"robots\"]\nusers = [\"robot\"]"));
    let token = enroll_token(&machine, "root");
    let names = machine.name_service();
    names.answers("group robots fails 5\npasswd robot fails 5\n");
    assert_eq!(auth(token.login().answer(token.code())), code::SUCCESS);
    let asked = names.asked();
    assert!(
        asked.iter().all(|asked| !asked.contains("robot")),
        "{asked:?}"
    );
    assert_eq!(
        logged(&machine),
        ["user=root rhost= result=accepted device=token offset=0"]
    );
}

#[test]
fn r47_rules_before_a_requirement_look_nothing_up() {
    let machine = with_alice("groups = [\"robots\"]");
    let names = machine.name_service();
    let entry = "[[require]]\ngroups = [\"robots\"]\n";
    for (before, result) in [
        ("enabled = false\n", IGNORED),
        ("enabled = true\n[services]\ntest = false\n", IGNORED),
        ("enabled = true\n[[exempt]]\nusers = [\"alice\"]\n", IGNORED),
        (
            "enabled = true\nenforcement = \"mandatory\"\n",
            code::AUTH_ERR,
        ),
    ] {
        machine.policy(&format!("{before}{entry}"));
        names.answers("group robots fails 5\n");
        assert_eq!(auth(login("alice")), result, "{before}");
        assert!(
            !names.asked().contains(&"group robots".to_owned()),
            "{before}"
        );
    }
}

/// Refused users look like users with a device; a name without an account looks like refused users.
#[test]
fn r47_uniform_prompts_hide_those_who_need_a_device() {
    let machine =
        machine("enabled = true\nuniform_prompt = true\n[[require]]\nusers = [\"bob\"]\n");
    let alice = enroll_token(&machine, "alice");
    for user in ["bob", "carol"] {
        add_account(&machine, user);
    }
    let wrong = alice.wrong();
    let dialogue = |user: &str| {
        let outcome = run(login(user).answer(&wrong).answer("x").answer("nonsense"));
        let shown: Vec<String> = said(&outcome)
            .into_iter()
            .map(|(style, text)| format!("{style} {text}"))
            .collect();
        (outcome.auth, shown)
    };
    let real = dialogue("alice");
    assert_eq!((real.0, dialogue("bob")), (code::MAXTRIES, real.clone()));
    assert_eq!(dialogue("no-user-of-that-name"), real);
    assert_eq!(dialogue("carol").0, IGNORED);
}

#[test]
fn r47_sessions_are_told_of_the_days_left() {
    let machine = with_alice("users = [\"alice\"]\nfrom = 2099-03-01");
    add_account(&machine, "bob");
    add_stack(&machine, "su", "");
    let told = |service: &str, user: &str| {
        let drive = Drive::installed().service(service).user(user);
        let outcome = drive.tty("/dev/pts/0").phases("open").run();
        said(&outcome)
            .iter()
            .map(|(_, text)| (*text).to_owned())
            .collect::<Vec<_>>()
    };
    let begins = "Two-factor login is required for your account from 2099-03-01 on: ";
    for (now, left) in [
        (DAY - 3 * 86_400, "3 days left. "),
        (DAY - 3_600, "1 day left. "),
    ] {
        machine.set_clock(now);
        let shown = told(SERVICE, "alice");
        assert_eq!(shown.len(), 1, "{shown:?}");
        assert!(
            shown[0].starts_with(&format!("{begins}{left}")),
            "{shown:?}"
        );
        assert_eq!(told("su", "alice"), [""; 0]);
        assert!(told(SERVICE, "bob")[0].starts_with("Two-factor login is available"));
    }
}

/// The text of a session depends on requirements of a later day alone.
#[test]
fn r47_sessions_look_up_no_more_than_they_tell() {
    let machine = with_alice("groups = [\"robots\"]");
    let names = machine.name_service();
    let robots = |from: &str, user: &str| {
        machine.policy(&policy(&format!("groups = [\"robots\"]{from}")));
        names.answers("group robots found 61000 alice,root\n");
        let drive = Drive::installed().service(SERVICE).user(user);
        let outcome = drive.tty("/dev/pts/0").phases("open").run();
        let text = said(&outcome)[0].1.to_owned();
        let asked = names.asked().contains(&"group robots".to_owned());
        (asked, text.contains("required for your account from"))
    };
    machine.set_clock(DAY - 86_400);
    let later = "\nfrom = 2099-03-01";
    assert_eq!(robots(later, "alice"), (true, true));
    assert_eq!(robots(later, "root"), (false, false));
    for reached in ["", "\nfrom = 2099-02-01"] {
        assert_eq!(robots(reached, "alice"), (false, false), "{reached}");
    }
}

/// Sources of accounts and groups, in this order.
pub(super) fn nsswitch(machine: &Machine, order: &str) {
    let lines = format!("passwd: {order}\ngroup: {order}\nshadow: files\nhosts: files\n");
    machine.write_file("/etc/nsswitch.conf", lines, 0o644);
}
