//! Answers of each source of the name service about `[[require]]`, asked alone.

use harness::pam::code;

use harness::enrolled::{IGNORED, add_account, auth, logged, login, machine, run};

use super::require::{nsswitch, policy, with_alice};

/// A source that fails when the C library asks, which says nothing of it, and answers a moment later.
#[test]
fn r47_a_source_that_is_back_names_its_members() {
    let machine = with_alice("groups = [\"robots\"]");
    add_account(&machine, "bob");
    let robots = machine.add_group("robots");
    let names = machine.name_service();
    nsswitch(&machine, "files fixture");
    for (user, result) in [("alice", code::AUTH_ERR), ("bob", IGNORED)] {
        let members = format!("group robots found {robots} alice\n");
        names.answers(&format!("groups {user} once 5 missing\n{members}"));
        assert_eq!(auth(login(user)), result, "initgroups: {user}");
    }
    nsswitch(&machine, "fixture files");
    machine.policy(&policy("groups = [\"others\"]"));
    for (user, result) in [("alice", code::AUTH_ERR), ("bob", IGNORED)] {
        names.answers("group others once 5 found 61000 alice\n");
        assert_eq!(auth(login(user)), result, "getgrnam: {user}");
    }
    let lines = logged(&machine);
    assert!(
        !lines.iter().any(|line| line.contains("unknown")),
        "{lines:?}"
    );
}

#[test]
fn r47_a_source_that_is_back_names_its_users() {
    let machine = machine(&policy("users = [\"robot\"]"));
    let alice = add_account(&machine, "alice");
    let bob = add_account(&machine, "bob");
    let names = machine.name_service();
    nsswitch(&machine, "fixture files");
    for (uid, result) in [(alice.uid, code::AUTH_ERR), (bob.uid, IGNORED)] {
        names.answers(&format!("passwd robot once 5 found robot {uid} 100\n"));
        assert_eq!(auth(login("alice")), result, "{uid}");
    }
}

/// The C library goes through the groups of such a source, and says nothing where that fails.
#[test]
fn r47_lists_of_members_count_by_themselves() {
    let machine = with_alice("groups = [\"robots\"]");
    add_account(&machine, "bob");
    let names = machine.name_service();
    names.lists_members_only();
    nsswitch(&machine, "files fixture");
    names.answers("group robots found 61000 carol,alice\n");
    assert_eq!(auth(login("alice")), code::AUTH_ERR);
    assert_eq!(auth(login("bob")), IGNORED);
}

/// Also where the account phase looks it up once more.
#[test]
fn r47_each_phase_logs_what_it_cannot_look_up() {
    let offer = "enabled = true\nenroll_at_login = \"offer\"\n";
    let machine = machine(&format!("{offer}[[require]]\ngroups = [\"robots\"]\n"));
    add_account(&machine, "alice");
    let names = machine.name_service();
    names.answers("group robots fails 5\n");
    let unknown = |phases: &str| {
        run(login("alice").phases(phases));
        let lines = logged(&machine);
        let begins = "user=alice rhost= result=requirement-unknown group=robots ";
        let unknown = lines.iter().filter(|line| line.starts_with(begins));
        unknown.count()
    };
    let at_auth = unknown("auth");
    assert_eq!(at_auth, 1);
    assert!(unknown("auth,acct") > at_auth);
}
