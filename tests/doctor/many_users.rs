//! `doctor` on a machine with hundreds of users: groups in place of names, on one screen, and sshd asked once.

use harness::Machine;
use harness::enrolled::{device, write_record};
use harness::patient::{SSHD, SYNCHRONIZED, doctor, healthy, report, sshd, ways, with_clock};
use serde_json::Value;
use twofactor_core::account::Account;
use twofactor_core::device::OtpKind;

/// The uid of `user0`.
const FIRST: u32 = 2_000;
/// Lines and columns of the screen.
const SCREEN: (u16, u16) = (24, 80);

/// A healthy machine with 300 users more, and 200 of them have a device.
fn many() -> Machine {
    let machine = healthy();
    machine.add_users(300, FIRST);
    for number in 0..200 {
        let account = Account {
            name: format!("user{number}"),
            uid: FIRST + number,
            gid: FIRST + number,
        };
        write_record(
            &account,
            vec![
                device("token", OtpKind::Hotp),
                device("spare", OtpKind::Hotp),
            ],
        );
    }
    machine
}

/// The groups of a service: how many users, the names, and the first way in.
fn groups(report: &Value, service: &str) -> Vec<(u64, Option<usize>, String)> {
    let groups = report["login_groups"].as_array().unwrap().iter();
    let of_service = groups.filter(|group| {
        let services = group["services"].as_array().unwrap();
        services.iter().any(|name| name == service)
    });
    let found = of_service.map(|group| {
        let asks = group["ways"][0]["asks"].as_array().unwrap();
        let asks: Vec<&str> = asks.iter().map(|ask| ask.as_str().unwrap()).collect();
        let names = group["users"].as_array().map(Vec::len);
        (group["count"].as_u64().unwrap(), names, asks.join("+"))
    });
    found.collect()
}

#[test]
fn three_hundred_users_fit_on_one_screen() {
    let machine = many();
    let program = with_clock(&machine, SYNCHRONIZED, &["doctor"]);
    let ended = program.pty_of(SCREEN.1, SCREEN.0).end();
    let shown = ended.shown.replace("\r\n", "\n");
    // The prompt of the shell stands on the last line.
    assert!(shown.lines().count() < usize::from(SCREEN.0), "{shown}");
    assert!(shown.contains("\n  201 users: password + code"), "{shown}");
    assert!(shown.ends_with("\nNothing wrong was found.\n"), "{shown}");
    assert!(!shown.contains("user7"), "{shown}");
    let named = doctor(&machine, &["--users"]).ok().stdout;
    assert!(
        named.contains(", user7, ") && named.contains(", user299"),
        "{named}"
    );
    assert!(named.ends_with("\nNothing wrong was found.\n"), "{named}");
}

#[test]
fn all_users_are_in_a_group_of_each_service() {
    let machine = many();
    let report_of = |arguments: &[&str]| report(&machine, arguments);
    let short = report_of(&[]);
    let login = groups(&short, "login");
    let (asked, free) = (&login[1], &login[0]);
    assert_eq!(
        (asked.0, asked.1, asked.2.as_str()),
        (201, None, "password+code"),
        "{login:?}"
    );
    assert_eq!(free.2, "password");
    let all = asked.0 + free.0;
    let left_out = short["users_left_out"].as_u64().unwrap();
    assert_eq!(left_out, all - 30);
    assert_eq!(ways(&short, "login", "root").len(), 1);
    let long = groups(&report_of(&["--users"]), "login");
    let names: usize = long.iter().map(|(_, names, _)| names.unwrap()).sum();
    assert_eq!(names as u64, all);
    machine
        .command(&["doctor", "--users", "--user", "alice"])
        .exits(2);
}

/// Without `Match` lines about users one question is enough; those that name a user get a question more.
#[test]
fn sshd_is_asked_once_for_all_who_are_alike() {
    let machine = many();
    let asked = || {
        let strace = machine.program("strace").args(&[
            "-f",
            "-qq",
            "-o",
            "/run/trace",
            "-e",
            "trace=execve",
        ]);
        strace.args(&["/usr/local/bin/twofactor", "doctor"]).run();
        machine.read("/run/trace").matches("\"-T\"").count()
    };
    assert_eq!(asked(), 1);
    machine.add_to_group("user9", "sudo");
    let matched = format!(
        "{SSHD}Match User user7,user8\nPasswordAuthentication yes\nMatch Group sudo\nX11Forwarding no\n"
    );
    sshd(&machine, &matched);
    let text = doctor(&machine, &[]).stdout;
    assert!(
        text.contains("(`Match` makes it so for user7, user8)"),
        "{text}"
    );
    // user7, user8, the members of sudo, and all others.
    assert_eq!(asked(), 4);
    let patterns = format!(
        "{SSHD}Match User us?r1*,!user2*\nX11Forwarding no\nMatch Group su*,!wheel\nX11Forwarding no\n"
    );
    sshd(&machine, &patterns);
    machine.add_to_group("user10", "sudo");
    // user1..., user2..., user9 in sudo, user10 in sudo, and all others.
    assert_eq!(asked(), 5);
}
