//! The announcements of `unset` and `disable`, and the refusals of `unset`.

use harness::desk::{desk, desk_on, give, give_phone, json, strings, terminal};
use harness::enrolled::record_path;
use harness::{Machine, Totp};

const SSHD: &str = "enabled = true\n[services]\nsshd = true\n";
const MANDATORY: &str = "enabled = true\nenforcement = \"mandatory\"\n";

/// Gives a phone to a user and has a code of it checked.
fn verified(machine: &Machine, user: &str) -> Totp {
    let phone = give_phone(machine, user);
    let verify = machine.twofactor(&["verify", user]);
    verify.input(phone.code()).run().ok();
    phone
}

fn unset(machine: &Machine, arguments: &[&str]) -> harness::Run {
    machine.command(&[&["unset"], arguments, &["--yes"]].concat())
}

#[test]
fn r21_unset_announces_what_remains() {
    let machine = desk();
    let exempt = format!("{MANDATORY}[[exempt]]\nusers = [\"alice\"]\n");
    for (policy, remains) in [
        (
            "enabled = false\n",
            "Nothing changes at logins while two-factor login is switched off.",
        ),
        (
            "enabled = true\n",
            "From then on alice logs in without a code.",
        ),
        (
            MANDATORY,
            "From then on alice is refused wherever a code is asked for, until a device is enrolled.",
        ),
        (&exempt, "alice is exempt and not asked in any case."),
    ] {
        machine.policy("enabled = true\n");
        give(&machine, "alice", &[]);
        give(&machine, "alice", &["--device", "tablet"]);
        machine.policy(policy);
        let mut pty = terminal(&machine, &["unset", "alice", "--device", "tablet"]);
        let told = pty.expect("Remove the device tablet of alice? [y/N] ");
        assert!(
            told.starts_with("alice keeps: phone. The recovery codes stay, too.\n"),
            "{told}"
        );
        pty.send_line("y");
        assert_eq!(pty.end().code, Some(0));
        let mut pty = terminal(&machine, &["unset", "alice"]);
        let told = pty.expect("Remove all devices (phone) and the recovery codes of alice? [y/N] ");
        assert!(
            told.starts_with(&format!("alice will have no device left. {remains}\n")),
            "{told}"
        );
        assert!(record_path("alice").exists(), "nothing has changed yet");
        pty.send_line("y");
        assert_eq!(pty.end().code, Some(0));
        assert!(!record_path("alice").exists());
    }
}

#[test]
fn r23_the_last_verified_device_stays_for_sshd() {
    let machine = desk_on();
    let told = "twofactor: not done: sshd asks for codes, and no other device on this machine has ever given a right \
                one\nTo replace a device: twofactor renew alice\n\
                To ask for no codes at all: twofactor disable\n\
                To remove it all the same: --force\n";
    verified(&machine, "alice");
    // Neither another device of hers nor one of another user has shown that it works.
    give(&machine, "alice", &["--device", "tablet"]);
    give(&machine, "bob", &[]);
    machine.policy(SSHD);
    assert_eq!(unset(&machine, &["alice"]).exits(1).stderr, told);
    assert_eq!(
        unset(&machine, &["alice", "--device", "phone"])
            .exits(1)
            .stderr,
        told
    );
    unset(&machine, &["alice", "--device", "tablet"]).ok();
    assert_eq!(
        unset(&machine, &["alice", "--device", "phone"])
            .exits(1)
            .stderr,
        told
    );
    assert!(record_path("alice").exists());
    unset(&machine, &["bob"]).ok();
    verified(&machine, "bob");
    unset(&machine, &["alice"]).ok();
    unset(&machine, &["bob", "--force"]).ok();
    assert!(!record_path("bob").exists());
    // A state of affairs that is there already stops nothing.
    give(&machine, "alice", &[]);
    unset(&machine, &["alice"]).ok();
    machine.policy("enabled = true\n");
    verified(&machine, "alice");
    unset(&machine, &["alice"]).ok();
}

#[test]
fn r17_the_last_administrator_keeps_a_device() {
    let machine = desk_on();
    verified(&machine, "alice");
    verified(&machine, "root");
    machine.policy(MANDATORY);
    let refused = unset(&machine, &["root"]).exits(1);
    assert!(
        refused.stderr.starts_with(
            "twofactor: not done: no administrator (root, or a member of sudo or wheel) is let in without a code, and \
             no other device of one who is not locked has ever given a right one\n"
        ),
        "{}",
        refused.stderr
    );
    machine.add_to_group("alice", "sudo");
    unset(&machine, &["root"]).ok();
    unset(&machine, &["alice"]).exits(1);
    // Broken files of others, or accounts that cannot be looked up, do not prevent it.
    unset(&machine, &["alice", "--force"]).ok();
    assert!(!record_path("alice").exists());
}

#[test]
fn two_removals_at_once_leave_an_administrator() {
    let machine = desk_on();
    for user in ["alice", "bob"] {
        verified(&machine, user);
        machine.add_to_group(user, "sudo");
    }
    machine.policy(MANDATORY);
    let question = "Remove all devices";
    let mut first = terminal(&machine, &["unset", "alice"]);
    first.expect(question);
    let mut second = terminal(&machine, &["unset", "bob"]);
    second.expect(question);
    second.send_line("y");
    assert_eq!(second.end().code, Some(0));
    first.send_line("y");
    first.expect("not done, since something");
    assert_eq!(first.end().code, Some(1));
    assert!(record_path("alice").exists() && !record_path("bob").exists());
}

#[test]
fn a_policy_beside_a_removal_leaves_an_administrator() {
    let machine = desk_on();
    verified(&machine, "alice");
    machine.add_to_group("alice", "sudo");
    let set = ["policy", "set", "enforcement", "mandatory"];
    let mut first = terminal(&machine, &set);
    first.expect("]");
    unset(&machine, &["alice"]).ok();
    first.send_line("y");
    first.expect("not done, since something");
    assert_eq!(first.end().code, Some(1));
}

#[test]
fn a_record_that_is_repaired_meanwhile_stays() {
    let machine = desk_on();
    give(&machine, "alice", &[]);
    let record = machine.read(record_path("alice"));
    machine.write_file(record_path("alice"), "broken", 0o600);
    let mut pty = terminal(&machine, &["unset", "alice", "--force"]);
    pty.expect("Remove everything that is kept about alice");
    machine.write_file(record_path("alice"), &record, 0o600);
    pty.send_line("y");
    pty.expect("the record was changed meanwhile");
    assert_eq!(pty.end().code, Some(1));
    assert_eq!(machine.read(record_path("alice")), record);
}

#[test]
fn a_removal_that_another_made_first_says_so() {
    let machine = desk_on();
    give(&machine, "alice", &[]);
    let mut pty = terminal(&machine, &["unset", "alice", "--force"]);
    pty.expect("Remove all devices");
    unset(&machine, &["alice", "--force"]).ok();
    pty.send_line("y");
    pty.expect("Removed by another process meanwhile: all devices");
    assert_eq!(pty.end().code, Some(0));
    assert_eq!(machine.log_with("changed user=alice action=unset").len(), 1);
}

#[test]
fn r21_disable_lists_users_no_longer_asked() {
    let machine = desk();
    give(&machine, "alice", &[]);
    give(&machine, "bob", &[]);
    machine.policy("enabled = true\n[services]\nsudo = true\n[[exempt]]\nusers = [\"bob\"]\n");
    let mut pty = terminal(
        &machine,
        &["disable", "--service", "sudo", "--service", "su"],
    );
    let told = pty.expect("Change the policy? [y/N] ");
    assert!(
        told.contains("\n  No longer asked  alice (at su, su-l, sudo, sudo-i)\n"),
        "{told}"
    );
    drop(pty);
    // An exempt user was not asked before.
    let report = json(machine.command(&["disable", "--json", "--yes"]));
    assert_eq!(strings(&report["no_longer_asked"]), ["alice"]);
}

#[test]
fn a_forced_removal_knows_an_exempt_user() {
    let machine = desk();
    let exempt = format!("{MANDATORY}[[exempt]]\nusers = [\"alice\"]\n");
    for (user, next) in [("alice", "no-code"), ("bob", "refused")] {
        machine.policy("enabled = true\n");
        give(&machine, user, &[]);
        machine.policy(&exempt);
        for last in ["--dry-run", "--yes"] {
            let call = ["unset", user, "--force", "--json", last];
            assert_eq!(json(machine.command(&call))["next_login"], next, "{user}");
        }
    }
}
