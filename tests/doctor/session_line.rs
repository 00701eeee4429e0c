//! `twofactor doctor` where the policy has `grace_session` and a login service cannot begin it.

use harness::patient::{all, finding, found, healthy, report};

use super::stacks::{ACCOUNT, LINE};

#[test]
fn a_login_that_cannot_begin_grace_is_found() {
    let machine = healthy();
    let session = |lines: &str| {
        let auth = format!("@include common-auth\n{LINE}{ACCOUNT}");
        machine.stack(
            "sshd",
            &format!("{auth}{lines}session required pam_unix.so\n"),
        );
    };
    let on = "enabled = true\ngrace_session = 60\n[services]\n";
    machine.policy(&format!("{on}sshd = true\n"));
    assert_eq!(found(&machine), [""; 0]);
    session("session required pam_loginuid.so\n");
    let missing = report(&machine, &[]);
    assert_eq!(all(&missing), ["warning session-line sshd"]);
    let (cause, fix) = finding(&missing, "session-line");
    assert!(cause.contains("do not name pam_twofactor.so"), "{cause}");
    assert!(fix.ends_with("session optional pam_twofactor.so"), "{fix}");
    // The module claims the audit session, so that one has to be there.
    let ours = "session optional pam_twofactor.so\n";
    for without in [ours, &format!("{ours}session required pam_loginuid.so\n")] {
        session(without);
        let early = report(&machine, &[]);
        assert_eq!(all(&early), ["warning session-line sshd"], "{without}");
        let (cause, _) = finding(&early, "session-line");
        assert!(cause.contains("pam_loginuid.so before"), "{cause}");
    }
    session(&format!("session required pam_loginuid.so\n{ours}"));
    assert_eq!(found(&machine), [""; 0]);
    // Where no grace is given, nothing is missing.
    session("");
    machine.policy("enabled = true\n[services]\nsshd = true\n");
    assert_eq!(found(&machine), [""; 0]);
    machine.policy(&format!("{on}sshd = false\n"));
    assert_eq!(found(&machine), [""; 0]);
}
