//! A host of a fleet, where no login changes what users have: none begins what could not be stored.

use harness::Machine;
use harness::enrolled::{
    IGNORED, SERVICE, add_account, add_recovery_codes, add_stack, enroll_token, login, machine, run,
};
use harness::pam::{PamOutcome, code};
use twofactor_core::STATE_DIR;

/// The host has joined; its policy says so or not yet.
fn join(machine: &Machine) {
    let directory = format!("{STATE_DIR}/fleet");
    machine
        .run("install", &["-d", "-m", "0700", &directory])
        .ok();
    machine.write_file(format!("{directory}/host"), "", 0o600);
}

fn newcomer(policy: &str) -> PamOutcome {
    let machine = machine(policy);
    add_account(&machine, "bob");
    join(&machine);
    run(login("bob").phases("auth,acct"))
}

#[test]
fn no_user_scans_a_key_for_nothing() {
    let fleet = format!("[fleet]\nenabled = true\nlocal_services = [\"{SERVICE}\"]\n");
    for table in ["", &fleet] {
        for word in ["offer", "require"] {
            let policy = format!("enabled = true\nenroll_at_login = \"{word}\"\n{table}");
            let outcome = newcomer(&policy);
            assert_eq!(
                (outcome.auth, outcome.acct),
                (IGNORED, IGNORED),
                "{policy}{outcome:?}"
            );
            assert_eq!(outcome.prompts.len(), 0, "{policy}{outcome:?}");
        }
    }
    // A user who must have a device is refused at once.
    let outcome =
        newcomer("enabled = true\nenroll_at_login = \"offer\"\nenforcement = \"mandatory\"\n");
    assert_eq!(
        (outcome.acct, outcome.prompts.len()),
        (code::PERM_DENIED, 0)
    );
}

#[test]
fn a_recovery_code_offers_no_device_in_a_fleet() {
    let offers = |is_in_fleet: bool| {
        let machine = machine("enabled = true\n");
        enroll_token(&machine, "alice");
        let codes = add_recovery_codes("alice");
        if is_in_fleet {
            join(&machine);
        }
        add_stack(&machine, "login", "");
        let drive = login("alice").service("login").phases("auth,acct");
        let drive = drive.answer(codes[0].as_str());
        let outcome = run(drive.answer(""));
        assert_eq!(outcome.auth, code::SUCCESS, "{outcome:?}");
        outcome.prompts.len()
    };
    assert_eq!((offers(false), offers(true)), (2, 1));
}
