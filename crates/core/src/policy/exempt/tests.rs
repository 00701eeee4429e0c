//! Tests of the logins that an entry covers and how networks and remote hosts are read.

use super::super::parse;
use super::*;

fn policy(entries: &str) -> Policy {
    parse(&format!("enabled = true\n{entries}")).unwrap()
}

/// The entry that covers a login; `member` knows the groups.
fn found(
    policy: &Policy,
    [user, service]: [&str; 2],
    address: Option<IpAddr>,
    member: &mut dyn FnMut(&str) -> bool,
) -> Option<usize> {
    let account = Account {
        name: user.to_owned(),
        uid: 1000,
        gid: 1000,
    };
    let request = LoginRequest {
        account: Some(&account),
        service,
        address,
    };
    policy.exemption(&request, member)
}

/// The entry that covers a user who is in the group `robots` and in no other.
fn covered(policy: &Policy, user: &str, service: &str, rhost: &str) -> Option<usize> {
    let address = rhost_address(rhost);
    found(policy, [user, service], address, &mut |group| {
        group == "robots"
    })
}

fn refused(network_text: &str) -> String {
    network(network_text).unwrap_err()
}

#[test]
fn no_entry_covers_no_user() {
    assert_eq!(covered(&policy(""), "alice", "sshd", "10.0.0.1"), None);
}

#[test]
fn users_compare_exactly() {
    let policy = policy("[[exempt]]\nusers = [\"alice\", \"bob\"]");
    assert_eq!(covered(&policy, "alice", "sshd", ""), Some(0));
    assert_eq!(covered(&policy, "bob", "sudo", "10.0.0.1"), Some(0));
    for other in ["Alice", "alice ", "ali", ""] {
        assert_eq!(covered(&policy, other, "sshd", ""), None, "{other:?}");
    }
}

#[test]
fn services_compare_exactly() {
    let policy = policy("[[exempt]]\nservices = [\"cron\", \"sudo\"]");
    assert_eq!(covered(&policy, "alice", "sudo", ""), Some(0));
    assert_eq!(covered(&policy, "alice", "cron", ""), Some(0));
    assert_eq!(covered(&policy, "alice", "sudo-i", ""), None);
    assert_eq!(covered(&policy, "alice", "SUDO", ""), None);
}

#[test]
fn groups_ask_the_caller_until_one_matches() {
    let policy = policy("[[exempt]]\ngroups = [\"wheel\", \"robots\", \"staff\"]");
    let mut asked = Vec::new();
    let login = ["alice", "sshd"];
    let first = found(&policy, login, None, &mut |group| {
        asked.push(group.to_owned());
        group == "robots"
    });
    assert_eq!(first, Some(0));
    assert_eq!(asked, ["wheel", "robots"]);
    assert_eq!(found(&policy, login, None, &mut |_| false), None);
}

#[test]
fn groups_are_asked_only_where_all_else_matches() {
    let policy = policy(
        "[[exempt]]\nusers = [\"bob\"]\ngroups = [\"robots\"]\n\
         [[exempt]]\nservices = [\"cron\"]\ngroups = [\"robots\"]\n\
         [[exempt]]\nnetworks = [\"10.0.0.0/8\"]\ngroups = [\"robots\"]",
    );
    let address = rhost_address("192.0.2.1");
    let none = found(&policy, ["alice", "sshd"], address, &mut |group| {
        panic!("asked for {group}")
    });
    assert_eq!(none, None);
}

#[test]
fn networks_match_by_prefix_in_both_families() {
    let policy = policy(
        "[[exempt]]\nnetworks = [\"10.0.0.0/8\", \"192.0.2.7\", \"2001:db8::/33\", \"::1/128\"]",
    );
    for inside in [
        "10.0.0.0",
        "10.255.255.255",
        "192.0.2.7",
        "2001:db8:7fff::1",
        "2001:DB8::",
        "::1",
    ] {
        assert_eq!(
            covered(&policy, "alice", "sshd", inside),
            Some(0),
            "{inside}"
        );
    }
    for outside in [
        "9.255.255.255",
        "11.0.0.0",
        "192.0.2.6",
        "192.0.2.8",
        "2001:db8:8000::",
        "::2",
    ] {
        assert_eq!(
            covered(&policy, "alice", "sshd", outside),
            None,
            "{outside}"
        );
    }
}

#[test]
fn mapped_addresses_and_networks_are_ipv4() {
    let plain = policy("[[exempt]]\nnetworks = [\"10.0.0.0/8\"]");
    let mapped = policy("[[exempt]]\nnetworks = [\"::ffff:10.0.0.0/104\"]");
    assert_eq!(plain, mapped);
    assert_eq!(covered(&mapped, "alice", "sshd", "10.1.2.3"), Some(0));
    assert_eq!(
        covered(&mapped, "alice", "sshd", "::ffff:10.1.2.3"),
        Some(0)
    );
    assert_eq!(covered(&mapped, "alice", "sshd", "::ffff:a01:203"), Some(0));
    assert_eq!(covered(&mapped, "alice", "sshd", "11.1.2.3"), None);

    let uncanonical = "::ffff:10.1.2.3".parse().ok();
    let covered = found(&plain, ["alice", "sshd"], uncanonical, &mut |_| false);
    assert_eq!(covered, Some(0));
}

#[test]
fn whole_families_do_not_mix() {
    let four = policy("[[exempt]]\nnetworks = [\"0.0.0.0/0\"]");
    let six = policy("[[exempt]]\nnetworks = [\"::/0\"]");
    for address in ["198.51.100.1", "::ffff:198.51.100.1"] {
        assert_eq!(covered(&four, "alice", "sshd", address), Some(0));
        assert_eq!(covered(&six, "alice", "sshd", address), None);
    }
    assert_eq!(covered(&four, "alice", "sshd", "2001:db8::1"), None);
    assert_eq!(covered(&six, "alice", "sshd", "2001:db8::1"), Some(0));
}

#[test]
fn no_address_matches_no_network() {
    let policy = policy("[[exempt]]\nnetworks = [\"0.0.0.0/0\", \"::/0\"]");
    for rhost in ["", "UNKNOWN", "localhost", "host.example.org"] {
        assert_eq!(covered(&policy, "alice", "sshd", rhost), None, "{rhost:?}");
    }
}

#[test]
fn all_conditions_of_an_entry_must_hold() {
    let policy = policy(
        "[[exempt]]\nusers = [\"alice\"]\ngroups = [\"robots\"]\nservices = [\"sshd\"]\n\
         networks = [\"10.0.0.0/8\"]",
    );
    assert_eq!(covered(&policy, "alice", "sshd", "10.0.0.1"), Some(0));
    assert_eq!(covered(&policy, "bob", "sshd", "10.0.0.1"), None);
    assert_eq!(covered(&policy, "alice", "sudo", "10.0.0.1"), None);
    assert_eq!(covered(&policy, "alice", "sshd", "11.0.0.1"), None);
    assert_eq!(covered(&policy, "alice", "sshd", ""), None);
    let here = rhost_address("10.0.0.1");
    let none = found(&policy, ["alice", "sshd"], here, &mut |_| false);
    assert_eq!(none, None);
}

#[test]
fn entries_are_alternatives_and_the_first_is_named() {
    let policy = policy(
        "[[exempt]]\nusers = [\"bob\"]\n[[exempt]]\nservices = [\"cron\"]\n\
         [[exempt]]\nusers = [\"alice\"]",
    );
    assert_eq!(covered(&policy, "bob", "sshd", ""), Some(0));
    assert_eq!(covered(&policy, "alice", "cron", ""), Some(1));
    assert_eq!(covered(&policy, "alice", "sshd", ""), Some(2));
    assert_eq!(covered(&policy, "carol", "sshd", ""), None);
}

#[test]
fn groups_of_all_entries_are_listed() {
    let policy = policy(
        "[[exempt]]\ngroups = [\"a\", \"b\"]\n[[exempt]]\nusers = [\"u\"]\n\
         [[exempt]]\ngroups = [\"c\"]",
    );
    assert_eq!(policy.exempt_groups().collect::<Vec<_>>(), ["a", "b", "c"]);
}

#[test]
fn entry_shows_its_conditions() {
    let policy = policy(
        "[[exempt]]\nusers = [\"u\"]\ngroups = [\"g\"]\nservices = [\"s\"]\n\
         networks = [\"192.0.2.7\"]",
    );
    let entry = &policy.exempt[0];
    assert_eq!(
        (entry.users(), entry.groups()),
        (&["u".to_owned()][..], &["g".to_owned()][..])
    );
    assert_eq!(entry.services(), ["s"]);
    assert_eq!(entry.networks(), ["192.0.2.7/32".parse::<IpNet>().unwrap()]);
}

#[test]
fn rhost_is_an_address_or_nothing() {
    let some = |text: &str| text.parse::<IpAddr>().ok();
    assert_eq!(rhost_address("192.0.2.7"), some("192.0.2.7"));
    assert_eq!(rhost_address("2001:db8::7"), some("2001:db8::7"));
    assert_eq!(rhost_address("::ffff:192.0.2.7"), some("192.0.2.7"));
    assert_eq!(rhost_address("fe80::1%eth0"), some("fe80::1"));
    assert_eq!(rhost_address("fe80::1%3"), some("fe80::1"));
    assert_eq!(rhost_address("::ffff:192.0.2.7%eth0"), some("192.0.2.7"));
    for none in [
        "",
        "UNKNOWN",
        "localhost",
        "10.0.0.1.example.org",
        "10.0.0",
        "10.0.0.256",
        "010.0.0.1",
        "10.0.0.1:22",
        "10.0.0.1/8",
        " 10.0.0.1",
        "10.0.0.1\n",
        "[::1]",
        "fe80::1%",
        "10.0.0.1%eth0",
        "%eth0",
        "0x0a000001",
        "167772161",
    ] {
        assert_eq!(rhost_address(none), None, "{none:?}");
    }
}

#[test]
fn network_with_host_bits_names_the_right_form() {
    assert_eq!(
        refused("10.1.2.3/8"),
        "host bits are set in 10.1.2.3/8: write 10.0.0.0/8"
    );
    assert_eq!(
        refused("2001:db8::1/32"),
        "host bits are set in 2001:db8::1/32: write 2001:db8::/32"
    );
    assert_eq!(
        refused("::ffff:10.1.2.3/104"),
        "host bits are set in ::ffff:10.1.2.3/104: write 10.0.0.0/8"
    );
    assert_eq!(
        refused("0.0.0.1/0"),
        "host bits are set in 0.0.0.1/0: write 0.0.0.0/0"
    );
}

#[test]
fn network_prefixes_have_the_bounds_of_their_family() {
    for good in ["0.0.0.0/0", "10.0.0.1/32", "::/0", "::1/128"] {
        assert_eq!(network(good), Ok(good.parse().unwrap()), "{good}");
    }
    assert_eq!(
        network("::ffff:0.0.0.0/96"),
        Ok("0.0.0.0/0".parse().unwrap())
    );
    assert_eq!(
        network("::ffff:10.0.0.1/128"),
        Ok("10.0.0.1/32".parse().unwrap())
    );
    assert_eq!(
        network("::ffff:10.0.0.1"),
        Ok("10.0.0.1/32".parse().unwrap())
    );
    for bad in [
        "10.0.0.0/33",
        "10.0.0.0/",
        "10.0.0.0/+8",
        "10.0.0.0/0008",
        "10.0.0.0/-1",
        "10.0.0.0/8/8",
    ] {
        assert_eq!(
            refused(bad),
            format!("\"{bad}\" needs a prefix length from 0 to 32")
        );
    }
    assert_eq!(
        refused("10.0.0.0/255.0.0.0"),
        "\"10.0.0.0/255.0.0.0\" needs a prefix length from 0 to 32"
    );
    assert_eq!(
        refused("::/129"),
        "\"::/129\" needs a prefix length from 0 to 128"
    );
    for bad in [
        "::ffff:0.0.0.0/95",
        "::ffff:10.0.0.0/8",
        "::ffff:10.0.0.0/0",
    ] {
        assert_eq!(
            refused(bad),
            format!(
                "\"{bad}\" is IPv4-mapped and needs a prefix length from 96 to 128; write the \
                 IPv4 network instead"
            )
        );
    }
}

#[test]
fn names_are_not_networks() {
    let allowed = "only addresses are allowed, such as \"192.0.2.7\", \"10.0.0.0/8\" or \
                   \"2001:db8::/32\"";
    for bad in [
        "localhost",
        "host.example.org",
        "10.0.0/8",
        "*",
        "/8",
        " ::1",
        "[::1]",
    ] {
        assert_eq!(
            refused(bad),
            format!("\"{bad}\" is not a network; {allowed}")
        );
    }
    assert_eq!(
        refused("fe80::1%eth0"),
        format!("\"fe80::1%eth0\" is not a network; {allowed}, without %zone")
    );
}

/// A service that is off has its exemptions all the same: they count once it is switched on.
#[test]
fn an_exemption_everywhere_names_users_or_groups() {
    let account = Account {
        name: "alice".to_owned(),
        uid: 1000,
        gid: 1000,
    };
    let none: &[&str] = &[];
    for (entry, everywhere, services) in [
        ("users = [\"alice\"]", true, none),
        ("groups = [\"robots\"]", true, none),
        ("users = [\"bob\"]", false, none),
        ("groups = [\"staff\"]", false, none),
        (
            "users = [\"alice\"]\nnetworks = [\"0.0.0.0/0\"]",
            false,
            none,
        ),
        ("users = [\"bob\"]\nservices = [\"su\"]", false, none),
        (
            "users = [\"alice\"]\nservices = [\"su\", \"sshd\"]",
            false,
            &["su", "sshd"],
        ),
        (
            "groups = [\"robots\"]\nservices = [\"su\"]\n[[exempt]]\nservices = [\"sshd\"]\nnetworks = [\"10.0.0.0/8\"]",
            false,
            &["su"],
        ),
    ] {
        let policy = policy(&format!(
            "[services]\ndefault = false\n[[exempt]]\n{entry}\n"
        ));
        let mut member = |group: &str| group == "robots";
        assert_eq!(
            policy.is_exempt_everywhere(&account, &mut member),
            everywhere,
            "{entry}"
        );
        if !everywhere {
            let found = policy.exempting_services(&account, &mut member);
            assert_eq!(found, services, "{entry}");
        }
    }
}
