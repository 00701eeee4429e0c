//! setup where the policy is on already, and no PAM file names the module yet: the lines are what shuts users out then.

use harness::Machine;

use super::{NONE, changed, files, installed, setup};

const MANDATORY: &str = "enabled = true\nenforcement = \"mandatory\"\n[services]\nsshd = true\nsudo = true\nsudo-i = true\ndefault = true\n";
const NO_DEVICE: &str = "no device on this machine has ever given a right one";
const NO_ADMINISTRATOR: &str = "no administrator (root, or a member of sudo or wheel)";

/// A machine with this policy, on which no user has a device.
fn machine(policy: &str) -> Machine {
    let machine = Machine::new();
    harness::module();
    machine.policy(policy);
    machine.command(&["init"]).ok();
    machine.add_user("alice");
    machine
}

/// Refuses the setup for this reason, and changes nothing.
fn refuses(policy: &str, arguments: &[&str], reason: &str) {
    let machine = machine(policy);
    let before = files();
    for format in ["--yes", "--json"] {
        let arguments = [arguments, &[format]].concat();
        let refused = setup(&machine, &arguments).exits(1);
        let told = refused.stderr.clone() + &refused.stdout;
        assert!(told.contains(reason), "{policy}{arguments:?}: {told}");
        assert_eq!(changed(&before), NONE, "{policy}{arguments:?}");
    }
}

#[test]
fn lines_that_shut_out_all_users_are_refused() {
    let required = "enabled = true\n[services]\nsudo = true\n[[require]]\nusers = [\"root\"]\n";
    let invited = "enabled = true\nenroll_at_login = \"require\"\nenroll_needs_invite = true\n[services]\nsudo = true\n";
    for (policy, arguments, reason) in [
        (MANDATORY, ["sshd"], NO_DEVICE),
        (MANDATORY, ["sudo"], NO_ADMINISTRATOR),
        (MANDATORY, ["--everywhere"], NO_ADMINISTRATOR),
        (required, ["sudo"], NO_ADMINISTRATOR),
        (invited, ["sudo"], NO_ADMINISTRATOR),
    ] {
        refuses(policy, &arguments, reason);
    }
}

#[test]
fn earlier_faults_keep_no_service_from_its_lines() {
    let optional = "enabled = true\n[services]\nsshd = true\nsudo = true\nsudo-i = true\n";
    let machine = machine(optional);
    setup(&machine, &["sshd", "--yes", "--force"]).ok();
    setup(&machine, &["sudo", "--yes"]).ok();
    assert!(machine.read("/etc/pam.d/sudo").contains("pam_twofactor.so"));
}

#[test]
fn lines_alone_are_looked_at_again_after_the_question() {
    for options in [&[][..], &["--force"]] {
        let (machine, _) = installed();
        machine.add_to_group("alice", "sudo");
        machine.policy(MANDATORY);
        let before = files();
        let call = [&["setup", "--user", "alice", "sudo"], options].concat();
        let mut pty = machine.twofactor(&call).pty();
        pty.expect("Make these changes? ");
        pty.expect("[y/N] ");
        machine
            .command(&["unset", "alice", "--yes", "--force"])
            .ok();
        pty.send_line("y");
        let end = pty.end();
        let told = end.shown.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(
            told.contains("not done, since something was changed meanwhile"),
            "{told}"
        );
        assert_eq!(end.code, Some(1), "{told}");
        assert_eq!(changed(&before), NONE);
    }
}
