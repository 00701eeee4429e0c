//! `twofactor doctor` on records, states and policies that cannot be used, and on users who are kept out.

use std::fs;
use std::os::unix::fs::chown;

use harness::Machine;
use harness::enrolled::{change_record, policy_path, record_path, set_state, state_path};
use harness::patient::{all, finding, found, healthy, report, ways};
use twofactor_core::state::COUNTER_UNKNOWN;

use super::files::{LOGIN, mode};

/// Doctor finds this and nothing else, says why alice is refused, and names this step.
fn refuses_alice(machine: &Machine, check: &str, step: &str) {
    let report = report(machine, &[]);
    assert_eq!(all(&report), [format!("problem {check} alice")]);
    let (cause, fix) = finding(&report, check);
    assert!(cause.starts_with("alice is refused: "), "{cause}");
    assert!(fix.contains(step), "{fix}");
    assert_eq!(
        ways(&report, LOGIN, "alice"),
        ["pam: password = refused unusable"]
    );
}

#[test]
fn unusable_records_are_found_with_their_fix() {
    let machine = healthy();
    let path = record_path("alice");
    let good = fs::read(&path).unwrap();
    mode(&path, 0o644);
    refuses_alice(&machine, "record", "chmod go-rwx");
    mode(&path, 0o600);
    chown(&path, Some(1), None).unwrap();
    refuses_alice(&machine, "record", "chown root:root");
    chown(&path, Some(0), None).unwrap();
    fs::write(&path, "format = 1\n").unwrap();
    refuses_alice(&machine, "record", "twofactor unset alice");
    let text = String::from_utf8(good.clone()).unwrap();
    let uid = text
        .lines()
        .find(|line| line.starts_with("uid = "))
        .unwrap();
    fs::write(&path, text.replace(uid, "uid = 4242")).unwrap();
    refuses_alice(&machine, "record", "twofactor unset alice");
    fs::remove_file(&path).unwrap();
    fs::create_dir(&path).unwrap();
    refuses_alice(&machine, "record", "twofactor unset alice");
    fs::remove_dir(&path).unwrap();
    fs::write(&path, good).unwrap();
    mode(&path, 0o600);
    assert_eq!(found(&machine), [""; 0]);
}

#[test]
fn the_advice_fixes_unusable_states() {
    let machine = healthy();
    let path = state_path("alice");
    let fix = || {
        machine
            .command(&["unlock", "alice", "--yes", "--clock-is-right"])
            .ok();
        // The recovery codes are gone with the state.
        assert_eq!(found(&machine), ["warning single-device alice"]);
        machine.command(&["recovery-codes", "alice", "--yes"]).ok();
        assert_eq!(found(&machine), [""; 0]);
    };
    fs::write(&path, [7; 1024]).unwrap();
    refuses_alice(&machine, "state", "twofactor unlock alice");
    fix();
    fs::remove_file(&path).unwrap();
    refuses_alice(&machine, "state", "twofactor unlock alice");
    fix();
    set_state("alice", |state| state.devices.clear());
    refuses_alice(&machine, "state", "twofactor unlock alice");
    fix();
}

#[test]
fn users_who_are_or_will_be_kept_out_are_found() {
    let machine = healthy();
    set_state("alice", |state| {
        state.failures = 6;
        state.last_failure = twofactor_store::sys::clock::now().unwrap();
    });
    let locked = report(&machine, &[]);
    assert_eq!(all(&locked), ["warning locked-out alice"]);
    assert_eq!(
        ways(&locked, LOGIN, "alice"),
        ["pam: password = refused locked-out"]
    );
    set_state("alice", |state| state.failures = 100);
    let locked = report(&machine, &[]);
    assert_eq!(all(&locked), ["problem locked-until-unlock alice"]);
    assert!(
        finding(&locked, "locked-until-unlock")
            .1
            .contains("twofactor unlock alice")
    );
    machine.command(&["unlock", "alice"]).ok();
    change_record("alice", |record| record.recovery = None);
    let single = report(&machine, &[]);
    assert_eq!(all(&single), ["warning single-device alice"]);
    assert!(
        finding(&single, "single-device")
            .1
            .contains("twofactor recovery-codes alice")
    );
    let token = [
        "enroll",
        "alice",
        "--device",
        "token",
        "--hotp",
        "--no-confirm",
    ];
    machine.command(&token).ok();
    assert_eq!(found(&machine), [""; 0]);
    set_state("alice", |state| {
        for device in &mut state.devices {
            device.next = COUNTER_UNKNOWN;
        }
    });
    let lost = report(&machine, &[]);
    assert_eq!(all(&lost), ["warning resync alice"]);
    assert_eq!(finding(&lost, "resync").1, "twofactor resync alice token");
}

#[test]
fn records_of_vanished_users_are_found() {
    let machine = healthy();
    machine.remove_user("alice");
    let report = report(&machine, &[]);
    assert_eq!(all(&report), ["problem vanished alice"]);
    machine.command(&["unset", "alice", "--yes"]).ok();
    assert_eq!(found(&machine), [""; 0]);
}

#[test]
fn two_names_of_one_user_are_found() {
    let machine = healthy();
    let passwd = machine.read("/etc/passwd");
    let line = passwd
        .lines()
        .find(|line| line.starts_with("alice:"))
        .unwrap();
    let twin = line.replacen("alice", "twin", 1);
    machine.write_file("/etc/passwd", format!("{passwd}{twin}\n"), 0o644);
    let report = report(&machine, &[]);
    assert_eq!(all(&report), ["warning shared-uid alice, twin"]);
    // The device of alice is that of twin, too.
    assert_eq!(ways(&report, LOGIN, "twin"), ways(&report, LOGIN, "alice"));
    assert_eq!(ways(&report, LOGIN, "twin"), ["pam: password+code = in -"]);
}

/// A directory answers for its users, and lists none.
#[test]
fn r42_users_that_cannot_be_listed_are_compared() {
    let machine = healthy();
    let names = machine.name_service();
    let says = |name: &str, canonical: &str, uid: u32| {
        let entry = format!("found {canonical} {uid} {uid}");
        names.answers(&format!("passwd {name} {entry}\npasswd #{uid} {entry}\n"));
        found(&machine)
    };
    assert_eq!(says("karla", "karla", 70_001), [""; 0]);
    let listed = machine.run("getent", &["passwd"]).ok().stdout;
    assert!(!listed.contains("karla"), "{listed}");
    let enroll = ["enroll", "karla", "--hotp", "--no-confirm", "--json"];
    machine.command(&enroll).ok();
    assert_eq!(says("karla", "karla", 70_001), [""; 0]);
    let renamed = says("karla", "karla@example.org", 70_001);
    assert_eq!(renamed, ["warning renamed karla"]);
    let gone = says("karla@example.org", "karla@example.org", 70_001);
    assert_eq!(gone, ["warning renamed karla"]);
    let other = says("karla", "karla", 70_002);
    assert_eq!(other, ["problem record karla"]);
    names.answers("passwd karla fails 5\npasswd #70001 fails 5\n");
    assert_eq!(found(&machine), ["problem lookup karla"]);
}

#[test]
fn a_policy_that_cannot_be_used_is_found() {
    let machine = healthy();
    let good = fs::read(policy_path()).unwrap();
    let policy = |check: &str| {
        let report = report(&machine, &[]);
        let found = all(&report);
        assert_eq!(
            found,
            [format!("problem policy {}", policy_path().display())]
        );
        let (cause, fix) = finding(&report, "policy");
        let refused = cause.contains("ll users are refused at ") && cause.contains("login, ");
        assert!(refused, "{cause}");
        assert!(fix.contains(check), "{fix}");
        assert!(report["enabled"].is_null());
        assert_eq!(
            ways(&report, LOGIN, "bob"),
            ["pam: password = refused unusable"]
        );
    };
    machine.policy("enabled = yes\n");
    policy("twofactor policy check");
    fs::write(policy_path(), &good).unwrap();
    mode(policy_path(), 0o666);
    policy("chmod go-w");
    fs::remove_file(policy_path()).unwrap();
    policy("twofactor enable");
}

#[test]
fn names_in_exemptions_that_are_not_there_are_found() {
    let machine = healthy();
    let good = machine.read(policy_path());
    let entry = "[[exempt]]\ngroups = [\"no-such-group\"]\n[[exempt]]\nusers = [\"ghost\"]\n";
    machine.policy(&format!("{good}\n{entry}"));
    let told = report(&machine, &[]);
    assert_eq!(
        all(&told),
        [
            "warning exempt-name no-such-group",
            "warning exempt-name ghost"
        ]
    );
    let (cause, fix) = finding(&told, "exempt-name");
    assert!(cause.contains("does not exist"), "{cause}");
    assert!(fix.contains("make the group"), "{fix}");
    let off = good.replace("enabled = true", "enabled = false");
    machine.policy(&format!("{off}\n{entry}"));
    assert_eq!(all(&report(&machine, &[])), [""; 0], "nothing is asked");
}
