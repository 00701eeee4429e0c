//! Names: aliases, renamed users, and `twofactor rename`, by the command and by logins.

use std::os::unix::fs::DirBuilderExt as _;
use std::path::Path;

use harness::Machine;
use harness::desk;
use harness::desk::{desk_on, give, give_phone, is_asked, json, json_error, strings};
use harness::enrolled::{Token, add_recovery_codes, enroll_token, login, machine, run};
use harness::pam::code;
use serde_json::json;

pub const STATE: &str = "/var/lib/twofactor";

pub fn uid_of(machine: &Machine, user: &str) -> u32 {
    let run = machine.run("id", &["-u", user]).ok();
    run.stdout.trim().parse().unwrap()
}

/// usermod -l.
fn renamed(machine: &Machine, old: &str, new: &str) {
    let uid = uid_of(machine, old);
    machine.remove_user(old);
    machine.add_user_with_id(new, uid);
}

pub fn has(file: &str) -> bool {
    Path::new(STATE).join(file).exists()
}

#[test]
fn r42_an_alias_is_asked_for_the_same_code() {
    let machine = desk_on();
    let phone = give_phone(&machine, "alice");
    machine.add_user_with_id("twin", uid_of(&machine, "alice"));
    assert!(is_asked("twin"));
    let enroll = [
        "enroll",
        "twin",
        "--device",
        "tablet",
        "--no-confirm",
        "--json",
    ];
    let run = machine.command(&enroll).ok();
    let uid = uid_of(&machine, "alice");
    assert_eq!(
        run.stderr.lines().next().unwrap(),
        format!("twin has the user id of alice ({uid}), whose record counts.")
    );
    let report = desk::parse(&run.stdout);
    assert_eq!(
        (&report["user"], &report["alias"]),
        (&json!("alice"), &json!("twin"))
    );
    assert!(!has("users/twin.toml") && !has("state/twin"));
    let shown = json(machine.command(&["show", "twin", "--json"]));
    assert_eq!(shown["alias"], "twin");
    assert_eq!(shown["devices"].as_array().unwrap().len(), 2);
    let status = json(machine.command(&["status", "twin", "--json"]));
    assert_eq!(
        (&status["users"][0]["user"], &status["alias"]),
        (&json!("alice"), &json!("twin"))
    );
    // A key stands alone on standard output.
    let key = machine
        .command(&["show", "twin", "--device", "phone", "--secret"])
        .ok();
    assert_eq!(key.stdout.trim_end(), phone.secret);
    for arguments in [
        &["recovery-codes", "twin", "--yes"][..],
        &["bypass", "twin"],
        &["unlock", "twin"],
        &["unset", "twin", "--device", "tablet", "--yes"],
        &["renew", "twin", "--no-confirm"],
    ] {
        let report = json(machine.command(&[arguments, &["--json"]].concat()));
        assert_eq!(
            (&report["user"], &report["alias"]),
            (&json!("alice"), &json!("twin")),
            "{arguments:?}"
        );
    }
    json(machine.command(&["unset", "twin", "--yes", "--json"]));
    assert!(!has("users/alice.toml") && !is_asked("alice") && !is_asked("twin"));
}

#[test]
fn enable_counts_a_record_for_all_its_names() {
    let machine = desk_on();
    give(&machine, "alice", &[]);
    machine.add_user_with_id("twin", uid_of(&machine, "alice"));
    let made = json(machine.command(&["policy", "set", "window", "2", "--yes", "--json"]));
    let asked = strings(&made["asked"]);
    assert_eq!(asked, ["alice", "twin"]);
    let doctor = machine.command(&["doctor", "--json"]);
    let report = desk::parse(&doctor.stdout);
    assert!(report["findings"].to_string().contains("shared-uid"));
}

#[test]
fn r42_a_renamed_user_is_asked_and_moved() {
    let machine = machine("enabled = true\ntries = 1\n");
    let alice = enroll_token(&machine, "alice");
    let recovery = add_recovery_codes("alice");
    assert_eq!(run(alice.login().answer(alice.code())).auth, code::SUCCESS);
    assert_eq!(run(alice.login().answer(&recovery[0])).auth, code::SUCCESS);
    assert_ne!(run(alice.login().answer(alice.wrong())).auth, code::SUCCESS);
    renamed(&machine, "alice", "anna");
    assert!(is_asked("anna"));
    let findings = desk::parse(&machine.command(&["doctor", "--json"]).stdout);
    let findings = findings["findings"].as_array().unwrap().clone();
    let found = findings
        .iter()
        .find(|finding| finding["check"] == "renamed")
        .unwrap();
    assert_eq!(found["fix"], "To move it: twofactor rename alice anna");
    let users = json(machine.command(&["status", "--json"]))["users"].clone();
    assert_eq!(
        (&users[0]["user"], &users[0]["error"]),
        (&json!("alice"), &json!(null))
    );

    machine.command(&["rename", "alice", "anna"]).exits(2);
    assert!(has("users/alice.toml"));
    let report = json(machine.command(&["rename", "alice", "anna", "--yes", "--json"]));
    let uid = uid_of(&machine, "anna");
    assert_eq!(
        report,
        json!({
            "user": "anna", "uid": uid, "from": "alice", "from_uid": uid, "completed": false,
            "devices": ["token"]
        })
    );
    assert_eq!(
        machine
            .log_with("changed user=anna action=rename from=alice")
            .len(),
        1
    );
    assert!(has("users/anna.toml") && has("state/anna"));
    assert!(!has("users/alice.toml") && !has("state/alice"));
    let status = json(machine.command(&["status", "anna", "--json"]))["users"][0].clone();
    assert_eq!(
        (&status["failures"], &status["recovery_codes_left"]),
        (&json!(1), &json!(9))
    );
    let anna = Token::new("anna");
    // The one that was used under the old name.
    assert_ne!(run(login("anna").answer(anna.code())).auth, code::SUCCESS);
    assert_ne!(run(login("anna").answer(&recovery[0])).auth, code::SUCCESS);
    machine.command(&["unlock", "anna"]).ok();
    assert_eq!(run(login("anna").answer(anna.code())).auth, code::SUCCESS);
    assert_eq!(run(login("anna").answer(&recovery[1])).auth, code::SUCCESS);
    assert_eq!(
        desk::parse(&machine.command(&["init", "--json"]).stdout)["findings"],
        json!([])
    );
}

#[test]
fn r42_rename_is_refused_where_it_would_mix_two_users() {
    let machine = desk_on();
    give(&machine, "alice", &[]);
    let refused = |arguments: &[&str], what: &str, next: &str| {
        let all = [&["rename"], arguments, &["--yes", "--json"]].concat();
        let error = json_error(machine.command(&all), 1);
        let (message, cure) = (
            error["message"].as_str().unwrap(),
            error["next"].as_str().unwrap(),
        );
        assert!(message.contains(what), "{message}");
        assert!(cure.contains(next), "{cure}");
        assert!(has("users/alice.toml") && has("state/alice"));
    };
    // bob has another uid.
    refused(
        &["alice", "bob"],
        "bob has uid",
        "twofactor adopt bob --from alice",
    );
    refused(
        &["nosuch", "bob"],
        "nothing is kept about nosuch",
        "twofactor status",
    );
    refused(
        &["alice", "nosuch"],
        "there is no user nosuch",
        "getent passwd",
    );
    // The old name was given to another person.
    let uid = uid_of(&machine, "alice");
    renamed(&machine, "alice", "anna");
    machine.add_user("alice");
    refused(
        &["alice", "anna"],
        "alice is now another user",
        "twofactor adopt anna --from alice",
    );
    // Both have a record.
    machine.remove_user("alice");
    machine.add_user_with_id("alice", uid);
    for part in ["users/alice.toml", "state/alice"] {
        let copy = part.replace("alice", "anna");
        let content = std::fs::read(format!("{STATE}/{part}")).unwrap();
        let content = if part.ends_with(".toml") {
            String::from_utf8(content)
                .unwrap()
                .replace("\"alice\"", "\"anna\"")
                .into_bytes()
        } else {
            content
        };
        machine.write_file(format!("{STATE}/{copy}"), content, 0o600);
    }
    refused(
        &["alice", "anna"],
        "something is kept about anna",
        "twofactor unset anna",
    );
}

#[test]
fn a_rename_that_fails_in_the_middle_is_logged() {
    let machine = desk_on();
    give_phone(&machine, "alice");
    renamed(&machine, "alice", "anna");
    let obstacle = format!("{STATE}/state/.alice.new");
    std::fs::create_dir(&obstacle).unwrap();
    let rename = ["rename", "alice", "anna", "--yes"];
    let line = "changed user=anna action=rename from=alice";
    machine.command(&rename).exits(4);
    assert_eq!(machine.log_with(line).len(), 1);
    std::fs::remove_dir(obstacle).unwrap();
    machine.command(&rename).ok();
    assert_eq!(machine.log_with(line).len(), 2);
    assert!(is_asked("anna"));
}

/// The entry of the old name is what a stopped rename leaves last. Nothing tells it from one of a record that is lost.
#[test]
fn a_stopped_rename_of_an_invitation_can_be_ended() {
    let machine = desk_on();
    machine.command(&["invite", "alice"]).ok();
    renamed(&machine, "alice", "anna");
    let rename = ["rename", "alice", "anna", "--yes"];
    let entry = format!("{STATE}/users/+{}", uid_of(&machine, "anna"));
    let entry_of_alice = machine.read(&entry);
    machine.command(&rename).ok();
    let before = run(login("anna")).auth;
    assert_ne!(before, code::AUTHINFO_UNAVAIL);
    machine.write_file(entry, entry_of_alice, 0o600);
    assert_eq!(run(login("anna")).auth, code::AUTHINFO_UNAVAIL);
    let refused = machine.command(&["invite", "anna"]).exits(3);
    assert!(
        refused.stderr.contains("twofactor rename alice NEW"),
        "{refused:?}"
    );
    let report = desk::parse(&machine.command(&["doctor", "--json"]).stdout);
    let findings = report["findings"].as_array().unwrap();
    let lost = findings.iter().find(|it| it["check"] == "lost-record");
    let lost = lost.map(|it| (it["subject"].as_str().unwrap(), it["fix"].as_str().unwrap()));
    let fix = "If it was moved to anna: twofactor rename alice anna. If not, restore the record from a backup. To remove what is \
               left, so that alice has no device: twofactor unset alice";
    assert_eq!(lost, Some(("alice", fix)));
    machine.command(&rename).ok();
    assert_eq!(run(login("anna")).auth, before);
}

#[test]
fn unset_of_a_renamed_user_says_whose_device_goes() {
    let machine = desk_on();
    give(&machine, "alice", &[]);
    renamed(&machine, "alice", "anna");
    let run = machine.command(&["unset", "alice", "--yes"]).ok();
    assert!(
        run.stdout.starts_with("alice is now called anna (uid "),
        "{run:?}"
    );
    assert!(!is_asked("anna"));
}

/// Also of users of a directory, who are not in /etc/passwd and cannot be listed.
#[test]
fn doctor_names_every_contradiction_with_its_cure() {
    let machine = desk_on();
    for user in ["alice", "bob", "carol", "dave", "erin"] {
        machine.add_user(user);
        give(&machine, user, &[]);
    }
    let found = || {
        let report = desk::parse(&machine.command(&["doctor", "--json"]).stdout);
        let of_names = [
            "record",
            "renamed",
            "lost-record",
            "unfinished-move",
            "index",
            "several-records",
            "leftover",
            "vanished",
        ];
        let findings = report["findings"].as_array().unwrap().clone();
        let named = findings.into_iter().map(|finding| {
            let text = |key: &str| finding[key].as_str().unwrap().to_owned();
            (text("check"), text("subject"), text("fix"))
        });
        named
            .filter(|(check, ..)| of_names.contains(&check.as_str()))
            .collect::<Vec<_>>()
    };
    assert_eq!(found(), []);
    let edit = |user: &str, from: &str, to: &str| {
        let path = format!("{STATE}/users/{user}.toml");
        let text = machine.read(&path);
        assert!(text.contains(from));
        machine.write_file(&path, text.replace(from, to), 0o600);
    };
    let ids = ["alice", "bob", "carol", "dave", "erin"].map(|user| uid_of(&machine, user));
    // alice was renamed, bob has another uid, the record of carol is gone with her account.
    renamed(&machine, "alice", "anna");
    machine.remove_user("bob");
    machine.add_user("bob");
    machine.remove_user("carol");
    std::fs::remove_file(format!("{STATE}/users/carol.toml")).unwrap();
    // A move from dave to dora was stopped, erin is not in the index, and of frank there are generations without a state.
    edit("dave", "\"dave\"", "\"dora\"");
    std::fs::remove_file(format!("{STATE}/users/+{}", ids[4])).unwrap();
    let left = format!("{STATE}/state/frank+");
    std::fs::DirBuilder::new()
        .mode(0o700)
        .create(&left)
        .unwrap();
    let mut expected = [
        ("renamed", "alice", "To move it: twofactor rename alice anna"),
        (
            "record",
            "bob",
            "If it is the same person: twofactor adopt bob. If not, to remove the old record: twofactor unset bob",
        ),
        (
            "lost-record",
            "carol",
            "Restore the record from a backup. To remove what is left, so that carol has no device: twofactor unset carol",
        ),
        (
            "unfinished-move",
            "dave",
            "To complete it: twofactor adopt dora --from dave",
        ),
        ("index", "erin", "twofactor init"),
        ("leftover", "frank", "twofactor unset frank"),
    ]
    .map(|(check, subject, fix)| (check.to_owned(), subject.to_owned(), fix.to_owned()));
    let mut found = found();
    found.sort();
    expected.sort();
    assert_eq!(found, expected);
}
