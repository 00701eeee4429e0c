//! `status` of many users: how many are enrolled, and which of them it lists.

use std::collections::BTreeSet;

use harness::Machine;
use harness::desk::{desk_on, give, give_phone, json, parse};
use harness::enrolled::{login, run, write_numbered};
use harness::screen::{COLUMNS, assert_fits};
use serde_json::Value;

/// The uid of `user0`.
const FIRST: u32 = 2_000;

/// A device for each of the first users.
fn enroll(count: u32) {
    for number in 0..count {
        write_numbered(number, FIRST);
    }
}

/// The accounts that users log in with, as passwd(5) has them.
fn accounts(machine: &Machine) -> BTreeSet<String> {
    let passwd = machine.read("/etc/passwd");
    let found = passwd.lines().filter_map(|line| {
        let fields: Vec<&str> = line.split(':').collect();
        let uid: u32 = fields[2].parse().unwrap();
        let is_user = uid == 0 || (1_000..65_534).contains(&uid);
        let may_log_in = !fields[6].ends_with("nologin") && !fields[6].ends_with("false");
        (is_user && may_log_in).then(|| fields[0].to_owned())
    });
    found.collect()
}

fn names(report: &Value) -> BTreeSet<String> {
    let users = report["users"].as_array().unwrap().iter();
    users
        .map(|user| user["user"].as_str().unwrap().to_owned())
        .collect()
}

#[test]
fn status_counts_three_hundred_users() {
    let machine = desk_on();
    machine.add_users(300, FIRST);
    enroll(200);
    let all = accounts(&machine);
    assert!(all.len() > 300);
    let shown = machine.command(&["status"]).ok().stdout;
    let counted = format!("\nUsers: 200 of {} enrolled\n", all.len());
    assert!(shown.contains(&counted), "{shown}");
    let report =
        |arguments: &[&str]| json(machine.command(&[&["status", "--json"], arguments].concat()));
    let totals = report(&[])["totals"].clone();
    assert_eq!(
        totals,
        serde_json::json!({
            "users": all.len(), "enrolled": 200, "missing": all.len() - 200, "missing_required": 0, "invited": 0,
            "locked": 0, "exempt": 0, "unusable": 0, "unanswered": 0,
        })
    );
    let enrolled: BTreeSet<String> = (0..200).map(|number| format!("user{number}")).collect();
    assert_eq!(names(&report(&[])), enrolled);
    let listed = report(&["--all"]);
    assert_eq!(names(&listed), all);
    assert_eq!(listed["totals"], totals);
    let missing = names(&report(&["--missing"]));
    assert_eq!(missing, &all - &enrolled);
    assert_eq!(names(&report(&["--locked"])), BTreeSet::new());
}

#[test]
fn the_listings_exclude_each_other() {
    let machine = desk_on();
    for arguments in [
        &["--all", "--missing"][..],
        &["--missing", "--locked"],
        &["--all", "alice"],
    ] {
        let call = [&["status"], arguments].concat();
        machine.command(&call).exits(2);
    }
}

#[test]
fn users_who_are_locked_out_are_listed() {
    let machine = desk_on();
    let phone = give_phone(&machine, "alice");
    give(&machine, "bob", &[]);
    let locked = |arguments: &[&str]| {
        let report =
            json(machine.command(&[&["status", "--locked", "--json"], arguments].concat()));
        (report["totals"]["locked"].clone(), names(&report))
    };
    assert_eq!(locked(&[]), (0.into(), BTreeSet::new()));
    let none = machine.command(&["status", "--locked"]).ok().stdout;
    assert!(none.ends_with("\nNo user is locked out.\n"), "{none}");
    let guesses = || (0..5).fold(login("alice"), |guess, _| guess.answer(phone.wrong_code()));
    run(guesses());
    run(guesses());
    assert_eq!(locked(&[]), (1.into(), ["alice".to_owned()].into()));
    let shown = machine.command(&["status"]).ok().stdout;
    assert!(shown.contains(" enrolled; 1 locked out\n"), "{shown}");
}

#[test]
fn an_account_is_shown_with_its_facts() {
    let machine = desk_on();
    machine.policy(
        "enabled = true\nenforcement = \"mandatory\"\n[[exempt]]\nusers = [\"bob\"]\n\
         [[exempt]]\nusers = [\"user0\"]\nservices = [\"test\"]\n",
    );
    machine.add_users(2, FIRST);
    enroll(1);
    give(&machine, "alice", &[]);
    machine.add_to_group("alice", "sudo");
    let report = json(machine.command(&["status", "--all", "--json"]));
    let facts = |name: &str| {
        let users = report["users"].as_array().unwrap();
        let user = users.iter().find(|user| user["user"] == name).unwrap();
        let of = |key: &str| user[key].clone();
        serde_json::json!([
            of("full_name"),
            of("administrator"),
            of("enrolled"),
            of("exempt"),
            of("required"),
            of("asked_by"),
            of("locked"),
            of("last_used"),
        ])
    };
    let expected = |text: &str| serde_json::from_str::<Value>(text).unwrap();
    assert_eq!(
        facts("alice"),
        expected(r#"[null, true, true, false, false, ["test"], false, null]"#)
    );
    assert_eq!(
        facts("bob"),
        expected(r#"[null, false, false, true, false, [], false, null]"#)
    );
    assert_eq!(
        facts("user0"),
        expected(r#"["Number 0", false, true, false, false, [], false, null]"#)
    );
    assert_eq!(
        facts("user1"),
        expected(r#"["Number 1", false, false, false, true, [], false, null]"#)
    );
    assert_eq!(facts("root")[1], true);
}

#[test]
fn columns_fit_the_terminal() {
    let machine = desk_on();
    machine.add_users(20, FIRST);
    enroll(10);
    give(&machine, "alice", &[]);
    give(&machine, "alice", &["--device=tablet"]);
    machine.command(&["bypass", "user3"]).ok();
    machine.command(&["invite", "user15"]).ok();
    let shown = |columns: u16| {
        let program = machine.twofactor(&["status", "--all"]);
        let ended = program.pty_of(columns, 24).end();
        ended.shown.replace("\r\n", "\n")
    };
    for columns in COLUMNS {
        assert_fits(&shown(columns), columns, &[]);
    }
    let [narrow, usual, wide] = [40, 80, 200].map(shown);
    let cells = |text: &str, start: &str| {
        let line = text.lines().find(|line| line.starts_with(start));
        let line = line.unwrap_or_else(|| panic!("{start} in\n{text}"));
        let cells = line
            .split("  ")
            .map(str::trim)
            .filter(|cell| !cell.is_empty());
        cells.collect::<Vec<_>>().join("|")
    };
    assert_eq!(
        cells(&wide, "USER "),
        "USER|DEVICES|RECOVERY CODES|LAST USED|NOTES"
    );
    assert_eq!(cells(&usual, "USER "), "USER|DEVICES|CODES|LAST USED|NOTES");
    assert_eq!(cells(&usual, "alice "), "alice|phone,tablet|10|never|ok");
    let alice = "\nalice\n  phone, tablet; 10 recovery codes;\n  never used; ok\n";
    assert!(narrow.contains(alice), "{narrow}");
}

#[test]
fn figures_for_prometheus_name_no_user() {
    let machine = desk_on();
    machine.add_users(3, FIRST);
    enroll(2);
    let figures = || machine.command(&["status", "--prometheus"]).ok().stdout;
    let value = |text: &str, name: &str| -> Option<u64> {
        let line = text
            .lines()
            .find(|line| line.starts_with(&format!("twofactor_{name} ")))?;
        line.rsplit(' ').next().unwrap().parse().ok()
    };
    let text = figures();
    let users = accounts(&machine).len() as u64;
    for (name, expected) in [
        ("users", users),
        ("users_enrolled", 2),
        ("users_missing", users - 2),
        ("users_missing_required", 0),
        ("users_locked", 0),
        ("records_unusable", 0),
        ("users_unanswered", 0),
        ("policy_valid", 1),
        ("enabled", 1),
    ] {
        assert_eq!(value(&text, name), Some(expected), "{name} in\n{text}");
    }
    assert!(
        text.contains("\ntwofactor_service_enabled{service=\"test\"} 1\n"),
        "{text}"
    );
    assert!(!text.contains("user0") && !text.contains("alice"), "{text}");
    assert_eq!(value(&text, "last_accepted_code_timestamp_seconds"), None);
    let phone = give_phone(&machine, "alice");
    run(login("alice").answer(phone.code()));
    let used = value(&figures(), "last_accepted_code_timestamp_seconds").unwrap();
    assert!(harness::otp::unix_time().abs_diff(used) < 600, "{used}");
    // A policy that cannot be used is a figure, so that the file of the collector is replaced.
    std::fs::write(harness::enrolled::policy_path(), "enabled = maybe\n").unwrap();
    let text = figures();
    assert_eq!(value(&text, "policy_valid"), Some(0), "{text}");
    assert_eq!(value(&text, "enabled"), None, "{text}");
    // So is a part of the state directory that is away.
    std::fs::rename("/var/lib/twofactor/users", "/var/lib/twofactor/away").unwrap();
    let text = figures();
    assert_eq!(value(&text, "users_readable"), Some(0), "{text}");
    assert_eq!(value(&text, "users"), None, "{text}");
    machine
        .command(&["status", "--prometheus", "--json"])
        .exits(2);
    machine
        .command(&["status", "--prometheus", "alice"])
        .exits(2);
}

#[test]
fn a_silent_user_database_is_no_unusable_record() {
    let machine = desk_on();
    for user in ["alice", "bob"] {
        give_phone(&machine, user);
    }
    let names = machine.name_service();
    names.answers("passwd alice fails 5\n");
    let report = |arguments: &[&str], code| {
        let run = machine.command(&[&["status", "--json"], arguments].concat());
        parse(&run.exits(code).stdout)
    };
    let found = report(&[], 4);
    let [alice, bob] = &found["users"].as_array().unwrap()[..] else {
        panic!("{found}")
    };
    assert_eq!(alice["kind"], "name-service", "{alice}");
    assert_eq!(
        (&alice["enrolled"], &alice["uid"]),
        (&Value::Null, &Value::Null)
    );
    assert_eq!(
        (&bob["kind"], &bob["enrolled"]),
        (&Value::Null, &Value::Bool(true))
    );
    let totals = &found["totals"];
    assert_eq!(
        (&totals["unanswered"], &totals["unusable"]),
        (&1.into(), &0.into())
    );
    assert_eq!(totals["enrolled"], 1);
    let text = machine.command(&["status"]).exits(4).stdout;
    assert!(text.contains("enrolled; 1 not looked up\n"), "{text}");
    assert!(text.contains("cannot be read: "), "{text}");
    let figures = machine.command(&["status", "--prometheus"]).ok().stdout;
    assert!(
        figures.contains("\ntwofactor_users_unanswered 1\n"),
        "{figures}"
    );
    // The one user alone: an error of its own.
    assert_eq!(report(&["alice"], 4)["error"]["kind"], "name-service");
    names.answers("");
    let gone = ["-i", "/^alice:/d", "/etc/passwd"];
    machine.run("sed", &gone).ok();
    let found = report(&[], 3);
    assert_eq!(found["users"][0]["kind"], "unknown-user");
    let totals = &found["totals"];
    assert_eq!(
        (&totals["unanswered"], &totals["unusable"]),
        (&0.into(), &1.into())
    );
}
