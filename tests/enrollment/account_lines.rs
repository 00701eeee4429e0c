//! Several lines of the module in one stack: each goes by its own policy and files, and only users that its auth line marked are asked.

use std::path::Path;

use harness::pam::code;
use twofactor_core::STATE_DIR;
use twofactor_core::device::OtpKind;
use twofactor_store::{FactorStore, MarkDisagreement};

use crate::app::CODE_OF_LAST_KEY;
use crate::phases::{OFFERED, REQUIRED, enrolls};
use harness::enrolled::{
    IGNORED, SERVICE, Token, add_account, device, enroll_token, login, machine, run, said,
    write_record_in,
};

#[test]
fn only_users_marked_in_this_transaction_are_asked() {
    let machine = machine(REQUIRED);
    add_account(&machine, "bob");
    let alice = enroll_token(&machine, "alice");
    // A login by key runs no authentication phase.
    let outcome = run(login("bob").phases("acct").answer(""));
    assert_eq!((outcome.acct, said(&outcome)), (IGNORED, vec![]));
    let outcome = run(alice.login().answer(alice.code()).phases("auth,acct"));
    assert_eq!((outcome.auth, outcome.acct), (code::SUCCESS, IGNORED));
    for policy in [
        "enabled = false\nenroll_at_login = \"require\"\n",
        "enabled = true\nenroll_at_login = \"require\"\n[services]\ntest = false\n",
        "enabled = true\nenroll_at_login = \"require\"\n[[exempt]]\nusers = [\"bob\"]\n",
        "enabled = true\n",
    ] {
        machine.policy(policy);
        let outcome = run(enrolls("bob").answer(""));
        assert_eq!(
            (outcome.acct, said(&outcome)),
            (IGNORED, vec![]),
            "{policy}"
        );
    }
}

#[test]
fn a_second_account_line_knows_the_new_device() {
    let machine = machine(REQUIRED);
    add_account(&machine, "bob");
    let ours = "pam_twofactor.so\n";
    machine.stack(
        SERVICE,
        &format!("auth required pam_permit.so\nauth required {ours}account required {ours}account required {ours}account required pam_permit.so\n"),
    );
    let drive = enrolls("bob")
        .answer("")
        .answer_shell(CODE_OF_LAST_KEY)
        .answer("");
    let outcome = run(drive);
    assert_eq!(
        (outcome.auth, outcome.acct),
        (code::SUCCESS, code::SUCCESS),
        "{outcome:?}"
    );
}

/// Two policies: what one of them leaves to the account phase is not undone by the other.
#[test]
fn a_line_with_another_policy_opens_nothing() {
    let machine = machine(REQUIRED);
    add_account(&machine, "bob");
    machine.write_file("/etc/off.toml", "enabled = false\n", 0o644);
    let (ours, other) = (
        "pam_twofactor.so\n",
        "pam_twofactor.so policy=/etc/off.toml\n",
    );
    machine.stack(
        SERVICE,
        &format!(
            "auth required pam_permit.so\nauth required {ours}auth required {other}account required {ours}account required {other}account required pam_permit.so\n"
        ),
    );
    let outcome = run(enrolls("bob").answer("").answer(""));
    assert_eq!(
        (outcome.auth, outcome.acct),
        (code::SUCCESS, code::PERM_DENIED),
        "{outcome:?}"
    );
}

/// A code of a device in another state directory is none of the device that the first line demands.
#[test]
fn a_code_of_another_line_opens_nothing() {
    let machine = machine(REQUIRED);
    let bob = add_account(&machine, "bob");
    machine.write_file("/etc/other.toml", "enabled = true\n", 0o644);
    let elsewhere = Path::new("/srv/state");
    write_record_in(elsewhere, &bob, vec![device("token", OtpKind::Hotp)]);
    let policy = Path::new("/etc/other.toml");
    FactorStore::initialize(elsewhere, policy, MarkDisagreement::Settle).unwrap();
    let ours = "pam_twofactor.so\n";
    let other = "pam_twofactor.so policy=/etc/other.toml state=/srv/state\n";
    machine.stack(
        SERVICE,
        &format!(
            "auth required pam_permit.so\nauth required {ours}auth required {other}account required {ours}account required {other}account required pam_permit.so\n"
        ),
    );
    let token = Token::new("bob");
    let outcome = run(enrolls("bob").answer(token.code()).answer("").answer(""));
    assert_eq!(
        (outcome.auth, outcome.acct),
        (code::SUCCESS, code::PERM_DENIED),
        "{outcome:?}"
    );
    let drive = enrolls("bob").answer(token.code()).answer("");
    let outcome = run(drive.answer_shell(CODE_OF_LAST_KEY).answer(""));
    assert_eq!(
        (outcome.auth, outcome.acct),
        (code::SUCCESS, code::SUCCESS),
        "{outcome:?}"
    );
}

/// A later account line may demand an enrollment that an earlier one only offers.
#[test]
fn a_skipped_offer_opens_no_later_line() {
    let machine = machine(OFFERED);
    add_account(&machine, "bob");
    machine.write_file("/etc/strict.toml", REQUIRED, 0o644);
    let (state, policy) = (Path::new(STATE_DIR), Path::new("/etc/strict.toml"));
    FactorStore::initialize(state, policy, MarkDisagreement::Settle).unwrap();
    let ours = "pam_twofactor.so\n";
    let strict = "pam_twofactor.so policy=/etc/strict.toml\n";
    machine.stack(
        SERVICE,
        &format!(
            "auth required pam_permit.so\nauth required {ours}account required {ours}account required {strict}account required pam_permit.so\n"
        ),
    );
    let outcome = run(enrolls("bob").answer("").answer("").answer(""));
    assert_eq!(
        (outcome.auth, outcome.acct),
        (code::SUCCESS, code::PERM_DENIED),
        "{outcome:?}"
    );
}
