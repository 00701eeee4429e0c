//! `invite` of several users: each is reported, and a failure of one is no failure of the others.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use harness::Machine;
use harness::desk::{desk, give_phone, json, parse, strings};
use harness::enrolled::record_path;
use serde_json::Value;

use super::interruption::{hold_lock, interrupted};

const SHEETS: &str = "/root/sheets";
/// alice and bob beside three more users, and a policy that exempts one of them.
const EXEMPT: &str = "enabled = true\n[[exempt]]\nusers = [\"erin\"]\n";

fn office() -> Machine {
    let machine = desk();
    for user in ["carol", "dave", "erin"] {
        machine.add_user(user);
    }
    machine.policy(EXEMPT);
    machine
}

/// Name and result of each user.
fn results(report: &Value) -> Vec<(String, String)> {
    let rows = report["invitations"].as_array().unwrap().iter();
    let text = |row: &Value, key: &str| row[key].as_str().unwrap().to_owned();
    rows.map(|row| (text(row, "user"), text(row, "result")))
        .collect()
}

fn expect(report: &Value, expected: &[(&str, &str)]) {
    let expected: Vec<(String, String)> = expected
        .iter()
        .map(|(user, result)| ((*user).to_owned(), (*result).to_owned()))
        .collect();
    assert_eq!(results(report), expected, "{report}");
}

fn is_invited(machine: &Machine, user: &str) -> bool {
    let path = record_path(user);
    Path::new(&path).exists() && machine.read(path).contains("[invite]")
}

fn codes(report: &Value) -> Vec<String> {
    let rows = report["invitations"].as_array().unwrap().iter();
    rows.filter_map(|row| Some(row["code"].as_str()?.to_owned()))
        .collect()
}

#[test]
fn each_user_is_reported_and_none_stops_others() {
    let machine = office();
    give_phone(&machine, "bob");
    machine.write_file(record_path("carol"), "not a record", 0o600);
    let call = [
        "invite", "alice", "bob", "carol", "ghost", "erin", "alice", "dave", "--json",
    ];
    let run = machine.command(&call).exits(1);
    let report = parse(&run.stdout);
    expect(
        &report,
        &[
            ("alice", "invited"),
            ("bob", "already-enrolled"),
            ("carol", "failed"),
            ("ghost", "unknown"),
            ("erin", "exempt"),
            ("dave", "invited"),
        ],
    );
    let reason = report["invitations"][2]["reason"].as_str().unwrap();
    assert!(reason.contains("carol.toml"), "{reason}");
    assert_eq!(report["invitations"][2]["kind"], "invalid-record");
    assert_eq!(report["invitations"][0]["kind"], Value::Null);
    assert_eq!(codes(&report).len(), 2);
    assert!(is_invited(&machine, "alice") && is_invited(&machine, "dave"));
    assert!(!is_invited(&machine, "erin"));
    assert_eq!(run.stderr, "");
    let logged = format!("{:?}", machine.log());
    assert!(codes(&report).iter().all(|code| !logged.contains(code)));
}

#[test]
fn invitations_that_work_are_kept() {
    let machine = office();
    let first = json(machine.command(&["invite", "alice", "--json"]));
    let call = ["invite", "alice", "dave", "--json"];
    let report = json(machine.command(&call));
    expect(
        &report,
        &[("alice", "already-invited"), ("dave", "invited")],
    );
    assert_eq!(report["invitations"][0]["expires"], first["expires"]);
    let replaced = json(machine.command(&[&call[..], &["--replace"]].concat()));
    expect(&replaced, &[("alice", "invited"), ("dave", "invited")]);
    assert_ne!(codes(&replaced)[0], first["code"].as_str().unwrap());
    // The same rule for one user.
    let again = json(machine.command(&["invite", "alice", "--json"]));
    expect(&again, &[("alice", "already-invited")]);
    assert_eq!(again["code"], Value::Null);
    assert_eq!(again["expires"], replaced["invitations"][0]["expires"]);
    let said = machine.command(&["invite", "alice"]).ok().stdout;
    assert!(
        said.starts_with("alice is invited already, until "),
        "{said}"
    );
    assert!(
        said.ends_with("\nFor a new one: twofactor invite --replace alice\n"),
        "{said}"
    );
    let new = json(machine.command(&["invite", "alice", "--replace", "--json"]));
    expect(&new, &[("alice", "invited")]);
    assert_ne!(codes(&new), codes(&replaced)[..1]);
    machine
        .command(&["invite", "alice", "--replace", "--for", "0"])
        .exits(2);
    let withdrawn = json(machine.command(&["invite", "alice", "bob", "--for", "0", "--json"]));
    expect(
        &withdrawn,
        &[("alice", "withdrawn"), ("bob", "not-invited")],
    );
    assert!(!is_invited(&machine, "alice"));
}

#[test]
fn one_exempt_user_is_not_invited_either() {
    let machine = office();
    let run = machine.command(&["invite", "erin"]).exits(1);
    assert_eq!(run.stdout, "");
    assert_eq!(
        run.stderr,
        "twofactor: erin is exempt by the policy, and was not invited\n\
         To see what a login asks: twofactor doctor --user erin\n"
    );
    assert!(!is_invited(&machine, "erin"));
    // An invitation from before the exemption is withdrawn all the same.
    machine.policy("enabled = true\n");
    machine.command(&["invite", "erin"]).ok();
    machine.policy(EXEMPT);
    machine.command(&["invite", "erin", "--for", "0"]).ok();
    assert!(!is_invited(&machine, "erin"));
}

#[test]
fn a_text_report_has_a_line_for_each_user() {
    let machine = office();
    give_phone(&machine, "bob");
    let run = machine.command(&["invite", "alice", "bob", "erin"]).ok();
    let lines: Vec<&str> = run.stdout.lines().collect();
    assert!(lines[0].starts_with("alice  ") && lines[0].len() == "alice  ".len() + 19);
    assert_eq!(lines[1], "bob    has a device already");
    assert_eq!(lines[2], "erin   exempt by the policy");
    assert_eq!(
        lines[3],
        "3 users. invited: 1, has a device already: 1, exempt by the policy: 1."
    );
    assert_eq!(run.stderr, "");
    machine.write_file(record_path("carol"), "not a record", 0o600);
    let failed = machine.command(&["invite", "carol", "ghost"]).exits(1);
    assert!(!failed.stdout.contains("a code above"), "{failed:?}");
}

#[test]
fn a_report_that_cannot_be_written_is_told() {
    let machine = office();
    let line = "twofactor invite alice dave --json >/dev/full";
    let run = machine.program("sh").args(&["-c", line]).run().exits(4);
    assert!(run.stderr.contains("codes of 2 users"), "{run:?}");
    let line = "twofactor invite bob carol >/dev/full";
    machine.program("sh").args(&["-c", line]).run().exits(4);
    assert!(!is_invited(&machine, "bob") && !is_invited(&machine, "carol"));
}

#[test]
fn a_group_has_primary_and_listed_members() {
    let machine = office();
    let gid = machine.add_group("staff-here");
    machine.add_to_group("alice", "staff-here");
    machine.add_to_group("left", "staff-here");
    let passwd = machine.read("/etc/passwd");
    let moved = passwd.lines().map(|line| {
        let mut fields: Vec<String> = line.split(':').map(str::to_owned).collect();
        if fields[0] == "dave" {
            fields[3] = gid.to_string();
        }
        fields.join(":") + "\n"
    });
    machine.write_file("/etc/passwd", moved.collect::<String>(), 0o644);
    let call = ["invite", "bob", "--group", "staff-here", "--json"];
    let report = parse(&machine.command(&call).exits(1).stdout);
    expect(
        &report,
        &[
            ("bob", "invited"),
            ("alice", "invited"),
            ("dave", "invited"),
            ("left", "unknown"),
        ],
    );
    assert_eq!(strings(&report["unlisted"]), [""; 0]);
    let none = machine.command(&["invite", "--group", "no-such"]).exits(1);
    assert!(
        none.stderr.contains("there is no group no-such"),
        "{none:?}"
    );
}

#[test]
fn a_look_up_that_fails_invites_none() {
    let machine = office();
    machine.add_group("staff-here");
    machine.add_to_group("alice", "staff-here");
    let names = machine.name_service();
    for answers in [
        "group staff-here fails 5\n",
        "passwd root fails 5\n",
        "groups bob fails 5\n",
    ] {
        names.answers(answers);
        let run = machine.command(&["invite", "--group", "staff-here", "--sheets", SHEETS]);
        let run = run.exits(4);
        assert!(run.stderr.contains("cannot be read"), "{answers}{run:?}");
        assert!(!is_invited(&machine, "alice") && !Path::new(SHEETS).exists());
    }
    // The directory lists no user, so that the group may have members all the same.
    machine.add_group("empty-here");
    names.answers("");
    let run = machine
        .command(&["invite", "--group", "empty-here"])
        .exits(1);
    assert!(
        run.stderr
            .contains("the group has no members\nfixture lists none of its users"),
        "{run:?}"
    );
    // One that only the user's own groups show.
    names.answers("group staff-here found 60999 bob\n");
    let report = parse(
        &machine
            .command(&["invite", "--group", "staff-here", "--json"])
            .stdout,
    );
    expect(&report, &[("alice", "invited"), ("bob", "invited")]);
    assert_eq!(strings(&report["unlisted"]), ["fixture"]);
}

#[test]
fn codes_go_to_sheets_and_nowhere_else() {
    let machine = office();
    let call = [
        "invite", "alice", "erin", "dave", "--for", "14d", "--sheets",
    ];
    let run = machine.command(&[&call[..], &[SHEETS]].concat()).ok();
    let mode = std::fs::metadata(SHEETS).unwrap().permissions().mode();
    assert_eq!(mode & 0o7777, 0o600);
    let text = machine.read(SHEETS);
    let pages: Vec<&str> = text.split('\u{c}').collect();
    assert_eq!(pages.len(), 2);
    for (page, user) in pages.iter().zip(["alice", "dave"]) {
        assert!(
            page.contains(&format!("\nUser: {user}\nHost: box\n")),
            "{page}"
        );
        let code = page.split_once("Enrollment code: ").unwrap().1;
        let code = &code[..19];
        assert!(!format!("{run:?}{:?}", machine.log()).contains(code));
    }
    assert!(run.stdout.contains("/root/sheets, 2 pages"), "{run:?}");
    // Never over another file, or through a link.
    std::os::unix::fs::symlink("/root/elsewhere", "/root/link").unwrap();
    for file in [SHEETS, "/root/link"] {
        let again = ["invite", "bob", "--sheets", file];
        let run = machine.command(&again).exits(1);
        assert!(run.stderr.contains("exists already"), "{run:?}");
    }
    assert!(!is_invited(&machine, "bob") && machine.read(SHEETS) == text);
    let html = "/root/sheets.html";
    machine.command(&["invite", "bob", "--sheets", html]).ok();
    assert!(machine.read(html).starts_with("<!DOCTYPE html>"));
    // With no page there is no file.
    machine
        .command(&["invite", "erin", "--sheets", "/root/none"])
        .ok();
    assert!(!Path::new("/root/none").exists());
}

/// The command waits for the lock of the second user when it is ended.
fn stopped_at_bob(machine: &Machine) -> (harness::Running, harness::Running) {
    machine.command(&["invite", "bob"]).ok();
    let holder = hold_lock(machine, "bob");
    let call = [
        "invite",
        "alice",
        "bob",
        "carol",
        "--replace",
        "--json",
        "--sheets",
        SHEETS,
    ];
    let command = machine.twofactor(&call).start();
    while !is_invited(machine, "alice") {}
    (holder, command)
}

#[test]
fn an_interrupted_call_reports_what_is_stored() {
    let machine = office();
    let (holder, command) = stopped_at_bob(&machine);
    let run = interrupted(command, holder);
    assert_eq!(run.code, Some(1), "{run:?}");
    let report = parse(&run.stdout);
    assert_eq!(report["interrupted"], true);
    let (alice, carol) = (&report["invitations"][0], &report["invitations"][2]);
    assert_eq!(
        (&alice["result"], &carol["result"]),
        (&"invited".into(), &"not-tried".into())
    );
    assert!(!is_invited(&machine, "carol"));
    let bob = report["invitations"][1]["result"] == "invited";
    let pages = 1 + usize::from(bob);
    assert_eq!(machine.read(SHEETS).split('\u{c}').count(), pages);
}

#[test]
fn a_killed_call_has_a_page_for_each_code_that_counts() {
    let machine = office();
    let (holder, command) = stopped_at_bob(&machine);
    command.kill();
    holder.kill();
    let text = machine.read(SHEETS);
    assert!(
        text.contains("\nUser: alice\n") && !text.contains("carol"),
        "{text}"
    );
    assert!(is_invited(&machine, "alice") && !is_invited(&machine, "carol"));
}

/// Without its name on the disk, a power cut would leave codes that count and no sheet.
#[test]
fn the_name_of_the_sheets_is_on_the_disk_first() {
    let machine = office();
    let strace = machine
        .program("strace")
        .args(&["-qq", "-y", "-o", "/root/trace"]);
    let strace = strace.args(&["-e", "trace=fsync", "/usr/local/bin/twofactor"]);
    let run = strace.args(&["invite", "alice", "--sheets", SHEETS]).run();
    run.ok();
    let trace = machine.read("/root/trace");
    let flushed: Vec<&str> = trace
        .lines()
        .filter(|line| line.contains("/root"))
        .collect();
    assert!(flushed[0].contains("</root>)"), "{trace}");
    assert!(flushed[1].contains("</root/sheets>)"), "{trace}");
}
