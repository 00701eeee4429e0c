//! Names that the C library does not find, since a source of the name service failed. They may be other names of a user with a
//! device, or of one who must have one, so that their absence has to be proven.

use std::fs;

use harness::pam::code;

use harness::enrolled::{
    IGNORED, ON, add_account, auth, enroll_token, logged, login, machine, record_path,
};

use twofactor_core::STATE_DIR;

use super::require::{nsswitch, policy};

#[test]
fn a_name_that_a_failing_source_hides_is_refused() {
    let machine = machine(ON);
    let token = enroll_token(&machine, "alice");
    let names = machine.name_service();
    nsswitch(&machine, "fixture files");
    let uid = fs::read_to_string(record_path("alice")).unwrap();
    let uid = uid.lines().find_map(|line| line.strip_prefix("uid = "));
    let uid = uid.unwrap();
    // One that answers when it is asked again.
    names.answers(&format!("passwd twin once 5 found twin {uid} {uid}\n"));
    assert_eq!(auth(login("twin").answer(token.code())), code::SUCCESS);
    logged(&machine);
    for (answer, error) in [
        ("fails 5", "Input/output error"),
        ("fails 2", "No such file or directory"),
        ("again 11", "Resource temporarily unavailable"),
    ] {
        names.answers(&format!("passwd twin {answer}\n"));
        assert_eq!(auth(login("twin")), code::AUTHINFO_UNAVAIL, "{answer}");
        let lines = logged(&machine);
        assert!(lines[0].contains(error), "{answer}: {lines:?}");
    }
    for answer in ["missing", "once 5 missing"] {
        names.answers(&format!("passwd twin {answer}\n"));
        assert_eq!(auth(login("twin")), IGNORED, "{answer}");
    }
    // A user who is found depends on no other source.
    nsswitch(&machine, "files fixture");
    names.answers("passwd alice fails 5\n");
    assert_eq!(auth(token.login().answer(token.code())), code::SUCCESS);
    assert_eq!(names.asked(), [""; 0]);
}

/// With any sources, a machine whose own accounts cannot be read cannot know that a name does not exist.
#[test]
fn a_name_is_not_absent_from_an_unreadable_passwd() {
    let machine = machine(ON);
    let alice = add_account(&machine, "alice");
    enroll_token(&machine, "bob");
    machine.name_service();
    nsswitch(&machine, "files fixture");
    assert_eq!(auth(login(&alice.name)), IGNORED);
    fs::rename("/etc/passwd", "/etc/passwd.away").unwrap();
    assert_eq!(auth(login("alice")), code::AUTHINFO_UNAVAIL, "missing");
    fs::create_dir("/etc/passwd").unwrap();
    assert_eq!(auth(login("alice")), code::AUTHINFO_UNAVAIL, "unreadable");
}

/// The name of the group's member is known to a source that fails when it is asked for the other name of its uid.
#[test]
fn r47_a_hidden_name_of_a_uid_counts() {
    let machine = machine(&policy("groups = [\"staff\"]"));
    let alias = add_account(&machine, "alias");
    let names = machine.name_service();
    nsswitch(&machine, "fixture files");
    let uid = alias.uid;
    let alice = format!("found alice {uid} {uid}");
    for (answer, result) in [
        (&*alice, code::AUTH_ERR),
        ("fails 5", code::AUTH_ERR),
        ("again 11", code::AUTH_ERR),
        ("missing", IGNORED),
        (&*format!("found bob {uid} {uid}"), IGNORED),
    ] {
        let group = "group staff found 61000 alice\n";
        names.answers(&format!("{group}passwd #{uid} {answer}\n"));
        assert_eq!(auth(login("alias")), result, "{answer}");
    }
}

/// The note of a user whose record this host could not put in place. A name that cannot be looked up may be another one of each user
/// that passwd(5) does not have.
#[test]
fn a_hidden_noted_name_shuts_no_local_user_out() {
    let machine = machine(ON);
    let uid = add_account(&machine, "alice").uid;
    let fleet = format!("{STATE_DIR}/fleet");
    let notes = format!("{fleet}/unmirrored");
    let made = ["-d", "-m", "0700", &fleet, &notes];
    machine.run("install", &made).ok();
    machine.write_file(format!("{notes}/carol"), "", 0o600);
    let names = machine.name_service();
    let refused = code::AUTHINFO_UNAVAIL;
    for (carol, local, remote) in [
        ("missing", IGNORED, IGNORED),
        ("fails 5", IGNORED, refused),
        ("again 11", IGNORED, refused),
        ("found carol 64123 64123", IGNORED, refused),
        (&*format!("found carol {uid} {uid}"), refused, IGNORED),
    ] {
        let dave = "passwd dave found dave 64123 64123\n";
        // By the second order the C library finds no carol where a source fails.
        for order in [
            "fixture [UNAVAIL=return TRYAGAIN=return] files",
            "fixture files",
        ] {
            nsswitch(&machine, order);
            names.answers(&format!("{dave}passwd carol {carol}\n"));
            let results = (auth(login("alice")), auth(login("dave")));
            assert_eq!(results, (local, remote), "{carol} {order}");
        }
    }
}
