//! The users that an `[[exempt]]` entry covers, and those that it does not.

use harness::pam::{Drive, code};

use harness::enrolled::{IGNORED, SERVICE, add_stack, enroll_token, logged, machine, run};

/// Treatment of a login.
#[derive(Debug, PartialEq)]
enum Treated {
    Exempt,
    Asked,
}

fn treated(drive: Drive) -> Treated {
    let outcome = run(drive);
    match (outcome.auth, outcome.prompts.len()) {
        (IGNORED, 0) => Treated::Exempt,
        // No answer was prepared.
        (code::CONV_ERR, 1) => Treated::Asked,
        _ => panic!("{outcome:?}"),
    }
}

fn policy(entries: &str) -> String {
    format!("enabled = true\nenforcement = \"mandatory\"\n{entries}")
}

fn at(service: &str, user: &str) -> Drive {
    Drive::installed().service(service).user(user)
}

#[test]
fn users_groups_and_services_are_exempt() {
    let machine = machine(&policy(""));
    for user in ["alice", "carol"] {
        enroll_token(&machine, user);
    }
    machine.add_group("robots");
    machine.add_to_group("carol", "robots");
    add_stack(&machine, "other", "");
    for (entry, exempt, asked) in [
        ("users = [\"carol\"]", "carol", "alice"),
        ("users = [\"x\", \"alice\"]", "alice", "carol"),
        ("groups = [\"robots\"]", "carol", "alice"),
        // The primary group counts, too.
        ("groups = [\"alice\"]", "alice", "carol"),
        (
            "users = [\"carol\"]\nservices = [\"test\"]",
            "carol",
            "alice",
        ),
    ] {
        machine.policy(&policy(&format!("[[exempt]]\n{entry}\n")));
        assert_eq!(treated(at(SERVICE, exempt)), Treated::Exempt, "{entry}");
        assert_eq!(treated(at(SERVICE, asked)), Treated::Asked, "{entry}");
    }
    assert_eq!(treated(at("other", "carol")), Treated::Asked);
    machine.policy(&policy("[[exempt]]\nservices = [\"other\"]\n"));
    assert_eq!(treated(at("other", "carol")), Treated::Exempt);
    assert_eq!(treated(at(SERVICE, "carol")), Treated::Asked);
}

#[test]
fn the_entry_is_logged_by_its_number() {
    let machine = machine(&policy(
        "[[exempt]]\nusers = [\"bob\"]\n[[exempt]]\nusers = [\"alice\"]\n",
    ));
    enroll_token(&machine, "alice");
    let drive = at(SERVICE, "alice").rhost("192.0.2.7");
    assert_eq!(treated(drive), Treated::Exempt);
    assert_eq!(
        logged(&machine),
        ["user=alice rhost=192.0.2.7 result=exempt entry=2"]
    );
}

#[test]
fn entries_are_alternatives_of_joint_conditions() {
    let both = "[[exempt]]\nusers = [\"alice\"]\nnetworks = [\"10.0.0.0/8\"]\n";
    let machine = machine(&policy(both));
    for user in ["alice", "carol"] {
        enroll_token(&machine, user);
    }
    let from = |user: &str, rhost: &str| treated(at(SERVICE, user).rhost(rhost));
    assert_eq!(from("alice", "10.1.2.3"), Treated::Exempt);
    assert_eq!(from("alice", "192.0.2.7"), Treated::Asked);
    assert_eq!(from("carol", "10.1.2.3"), Treated::Asked);
    let one_more = format!("{both}[[exempt]]\nusers = [\"carol\"]\n");
    machine.policy(&policy(&one_more));
    assert_eq!(from("carol", "192.0.2.7"), Treated::Exempt);
    assert_eq!(from("alice", "192.0.2.7"), Treated::Asked);
}

#[test]
fn a_network_exempts_its_addresses_only() {
    let machine = machine(&policy(
        "[[exempt]]\nnetworks = [\"10.0.0.0/8\", \"192.0.2.7\", \"::1/128\", \"2001:db8::/32\"]\n",
    ));
    enroll_token(&machine, "alice");
    let from = |rhost: &str| treated(at(SERVICE, "alice").rhost(rhost));
    for inside in [
        "10.0.0.0",
        "10.1.2.3",
        "10.255.255.255",
        "::ffff:10.1.2.3",
        "::FFFF:0a01:0203",
        "192.0.2.7",
        "::1",
        "2001:db8::17",
        "2001:db8:ffff::1%eth0",
    ] {
        assert_eq!(from(inside), Treated::Exempt, "{inside}");
    }
    for outside in [
        "9.255.255.255",
        "11.0.0.0",
        "192.0.2.8",
        "::2",
        "2001:db9::1",
        "::10.1.2.3",
        "::ffff:11.1.2.3",
        "010.1.2.3",
        "10.1.2.3 ",
        "10.1.2.3\n",
        "10.1.2.3.example.org",
        "localhost",
        "UNKNOWN",
        "",
    ] {
        assert_eq!(from(outside), Treated::Asked, "{outside:?}");
    }
    assert_eq!(
        treated(at(SERVICE, "alice").rhost(b"10.1.2.3\xff")),
        Treated::Asked
    );
    assert_eq!(treated(at(SERVICE, "alice")), Treated::Asked, "no rhost");
}

#[test]
fn no_network_covers_a_login_without_an_address() {
    let machine = machine(&policy(
        "[[exempt]]\nnetworks = [\"0.0.0.0/0\", \"::/0\"]\n",
    ));
    enroll_token(&machine, "alice");
    let from = |rhost: &str| treated(at(SERVICE, "alice").rhost(rhost));
    assert_eq!(from("192.0.2.7"), Treated::Exempt);
    for none in ["", "UNKNOWN", "localhost"] {
        assert_eq!(from(none), Treated::Asked, "{none:?}");
    }
    assert_eq!(treated(at(SERVICE, "alice")), Treated::Asked);
}

#[test]
fn a_group_exempts_none_of_its_strangers() {
    let machine = machine(&policy("[[exempt]]\ngroups = [\"robots\"]\n"));
    machine.add_group("robots");
    enroll_token(&machine, "alice");
    // Only listed: there is no such account.
    machine.add_to_group("ghost", "robots");
    assert_eq!(run(at(SERVICE, "ghost")).auth, code::AUTH_ERR);
    assert_eq!(treated(at(SERVICE, "alice")), Treated::Asked);
    machine.add_to_group("alice", "robots");
    assert_eq!(treated(at(SERVICE, "alice")), Treated::Exempt);
}
