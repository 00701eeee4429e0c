//! The command without root: users ask the daemon about their own factor.

use harness::Run;
use harness::desk::{json, json_error, keys};
use harness::enrolled::{
    SECRET, add_account, add_recovery_codes, change_record, device, enroll_token, machine, state_of,
};
use harness::twofactord::SOCKET;
use serde_json::json as value;
use twofactor_core::device::OtpKind;
use twofactor_core::record::recent_changes::{
    ChangeChannel, ChangeOrigin, ChangeWord, OriginName, RecentChange,
};
use twofactor_store::sys::clock;

use super::QUICK;

#[test]
fn a_user_sees_the_own_status_alone() {
    let machine = machine(QUICK);
    enroll_token(&machine, "alice");
    add_recovery_codes("alice");
    add_account(&machine, "bob");
    let _daemon = machine.daemon();
    let alice = |arguments: &[&str]| machine.twofactor(arguments).user("alice").run();
    let shown = alice(&["status"]).ok();
    assert!(shown.stdout.contains("\ntoken"), "{}", shown.stdout);
    assert!(
        shown.stdout.contains("\n10 recovery codes left.\n"),
        "{}",
        shown.stdout
    );
    assert!(!shown.stdout.contains(SECRET), "{}", shown.stdout);
    let status = json(alice(&["status", "alice", "--json"]));
    let own = &status["users"][0];
    assert_eq!(own["user"], "alice");
    assert_eq!(own["devices"][0]["name"], "token");
    assert_eq!(own["recovery_codes_left"], 10);
    assert_eq!(own["daemon"]["failures_in_30_days"], value!(null));
    // The keys are those of root's report.
    let root = json(machine.command(&["status", "alice", "--json"]));
    let roots = keys(&root["users"][0]);
    assert!(keys(own).iter().all(|key| roots.contains(key)), "{own}");
    assert_eq!(own["devices"], root["users"][0]["devices"]);
    assert_eq!(
        keys(&status["may"]),
        ["first_device", "manage", "unset_last"]
    );
    let bob = machine.twofactor(&["status"]).user("bob").run().ok();
    assert!(
        bob.stdout.starts_with("bob has no device.\n"),
        "{}",
        bob.stdout
    );
    // No word tells another user from one who does not exist.
    let refused = |name: &str| json_error(alice(&["status", name, "--json"]), 1);
    assert_eq!(refused("bob"), refused("mallory"));
    assert_eq!(refused("bob")["kind"], "not-root");
    for list in ["--all", "--missing", "--locked", "--prometheus"] {
        alice(&["status", list]).exits(1);
    }
    for other in ["--policy=/tmp/x", "--state=/tmp/x"] {
        alice(&["status", other]).exits(1);
    }
}

/// Texts of logins, however long, have root's words and root's keys.
#[test]
fn a_user_sees_the_own_changes_as_root_does() {
    let machine = machine(QUICK);
    enroll_token(&machine, "alice");
    add_account(&machine, "bob");
    machine.command(&["--yes", "recovery-codes", "alice"]).ok();
    let name = |length| OriginName::of(&vec![b'x'; length]);
    change_record("alice", |record| {
        for number in 1..7 {
            let device = device(&format!("{number}{}", "d".repeat(31)), OtpKind::Hotp);
            let time = clock::now().unwrap() - number;
            record.note(RecentChange {
                time,
                kind: ChangeWord::DeviceAdded,
                device: Some(device.name),
                origin: ChangeOrigin {
                    channel: ChangeChannel::Login(name(64).unwrap()),
                    uid: u32::MAX,
                    terminal: name(64),
                    address: name(64),
                },
            });
        }
        record.note(RecentChange {
            time: 7,
            ..record.changes[0].clone()
        });
    });
    let daemon = machine.daemon();
    let alice = |arguments: &[&str]| machine.twofactor(arguments).user("alice").run();
    let changes = |run| json(run)["users"][0]["changes"].clone();
    let own = changes(alice(&["status", "--json"]));
    assert_eq!(own.as_array().unwrap().len(), 7, "{own}");
    let root = machine.command(&["status", "alice", "--json"]);
    assert_eq!(own, changes(root));
    let told = |run: Run| -> Vec<String> {
        let lines = run.stdout.lines().map(str::to_owned);
        lines
            .filter(|it| it.starts_with("Told at logins: "))
            .collect()
    };
    let own = told(alice(&["status"]).ok());
    assert_eq!(own.len(), 7);
    assert_eq!(own, told(machine.command(&["status", "alice"]).ok()));
    let bob = machine.twofactor(&["status", "--json"]).user("bob").run();
    assert_eq!(changes(bob), value!([]));
    assert_eq!(daemon.log(), "");
}

#[test]
fn a_user_has_codes_verified_and_counted() {
    let machine = machine(QUICK);
    let token = enroll_token(&machine, "alice");
    let daemon = machine.daemon();
    let verify = |code: &str| {
        let command = machine.twofactor(&["verify", "--json"]).user("alice");
        command.input(format!("{code}\n")).run()
    };
    let right = token.code();
    let accepted = json(verify(&right));
    assert_eq!(accepted["accepted"], true);
    assert_eq!(accepted["device"], "token");
    assert_eq!(accepted["offset"], value!(null));
    let used = verify(&right).exits(1);
    assert!(
        used.stdout.contains("\"reason\": \"used\""),
        "{}",
        used.stdout
    );
    let before = state_of("alice").failures;
    for wrong in token.wrong_codes().take(5) {
        let run = verify(&wrong).exits(1);
        assert!(
            run.stdout.contains("\"reason\": \"wrong\""),
            "{}",
            run.stdout
        );
    }
    let locked = json_error(verify("123456"), 1);
    assert_eq!(locked["kind"], "locked");
    // No command that needs root is named.
    let next = "Wait, or ask your administrator to unlock you.";
    assert_eq!(locked["next"], next);
    // Logins have a counter of their own.
    assert_eq!(state_of("alice").failures, before);
    let shown = machine.twofactor(&["status"]).user("alice").run().ok();
    assert!(
        shown.stdout.contains("locked out at the daemon"),
        "{}",
        shown.stdout
    );
    assert!(!daemon.log().contains(&right), "{}", daemon.log());
    machine.policy("enabled = true\ntries = 0\n");
    machine.twofactor(&["verify"]).user("alice").run().exits(3);
}

#[test]
fn without_the_daemon_users_are_told_what_to_do() {
    let machine = machine(QUICK);
    let token = enroll_token(&machine, "alice");
    for command in ["status", "verify"] {
        let program = machine.twofactor(&[command, "--json"]).user("alice");
        let error = json_error(program.input(token.code()).run(), 4);
        let message = error["message"].as_str().unwrap();
        let told = format!("twofactord gave no answer: {SOCKET}: connect: ");
        assert!(message.starts_with(&told), "{message}");
        let next = error["next"].as_str().unwrap();
        assert!(
            next.contains("systemctl enable --now twofactord.socket"),
            "{next}"
        );
    }
    assert_eq!(state_of("alice").daemon.in_a_row, 0);
}
