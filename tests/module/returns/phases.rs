//! Every phase has a code of its own; only the first one can refuse a user.

use harness::pam::{Drive, PamOutcome, code};

use harness::enrolled::{
    IGNORED, ON, SERVICE, add_account, add_stack, enroll_token, logged, login, machine,
    policy_path, run, said,
};

const INVITATION: &str = "Two-factor login is available for your account. To set it up, ask your administrator for \"twofactor enroll bob\".";

fn after_auth(outcome: &PamOutcome) -> [i32; 5] {
    [
        outcome.setcred,
        outcome.acct,
        outcome.open,
        outcome.close,
        outcome.chauthtok,
    ]
}

const NOTHING_TO_SAY: [i32; 5] = [
    code::SUCCESS,
    IGNORED,
    code::SUCCESS,
    code::SUCCESS,
    IGNORED,
];

#[test]
fn after_a_code_the_other_phases_are_silent() {
    let machine = machine(ON);
    let alice = enroll_token(&machine, "alice");
    let drive = alice.login().answer(alice.code()).tty("/dev/pts/0");
    let outcome = run(drive.phases("auth,setcred,acct,open,close,chauthtok"));
    assert_eq!(outcome.auth, code::SUCCESS);
    assert_eq!(after_auth(&outcome), NOTHING_TO_SAY);
    assert_eq!(said(&outcome), [("echo_off", "Verification code: ")]);
    assert_eq!(outcome.user.as_deref(), Some("alice"));
    assert_eq!(outcome.environment, [""; 0]);
    assert_eq!(
        logged(&machine),
        ["user=alice rhost= result=accepted device=token offset=0"]
    );
}

/// A login by key runs no authentication phase: it is neither asked nor refused, whatever the policy.
#[test]
fn without_an_auth_phase_no_user_is_refused() {
    let machine = machine(ON);
    enroll_token(&machine, "alice");
    add_account(&machine, "bob");
    for policy in [
        "enabled = true\nenforcement = \"mandatory\"\n",
        "enabled = false\n",
        "not a policy",
    ] {
        machine.policy(policy);
        for user in ["alice", "bob", "no-such-user", ""] {
            let outcome = run(login(user).phases("setcred,acct,open,close,chauthtok"));
            assert_eq!(after_auth(&outcome), NOTHING_TO_SAY, "{user} {policy}");
            assert_eq!((outcome.auth, said(&outcome)), (-1, vec![]));
        }
    }
    std::fs::remove_file(policy_path()).unwrap();
    add_stack(&machine, "broken", "no-such-argument");
    let outcome = run(Drive::installed()
        .service("broken")
        .user("alice")
        .phases("setcred,acct,open,close,chauthtok"));
    assert_eq!(after_auth(&outcome), NOTHING_TO_SAY);
}

#[test]
fn a_session_on_a_terminal_tells_of_enrollment() {
    let machine = machine(ON);
    enroll_token(&machine, "alice");
    add_account(&machine, "bob");
    for service in ["su", "sudo", "cron"] {
        add_stack(&machine, service, "");
    }
    let open = |service: &str, user: &str| {
        Drive::installed()
            .service(service)
            .user(user)
            .phases("open,close")
    };
    let texts = |drive: Drive| {
        let outcome = run(drive);
        assert_eq!(
            (outcome.open, outcome.close),
            (code::SUCCESS, code::SUCCESS)
        );
        said(&outcome)
            .into_iter()
            .map(|(style, text)| format!("{style} {text}"))
            .collect::<Vec<_>>()
    };
    let bob = || open(SERVICE, "bob").tty("/dev/pts/0");
    let told = [format!("info {INVITATION}")];
    assert_eq!(texts(bob()), told);
    assert_eq!(texts(bob().text_error()), told, "without a reader");
    assert_eq!(texts(bob().silent()), [""; 0]);
    assert_eq!(texts(open(SERVICE, "bob")), [""; 0], "no terminal");
    assert_eq!(texts(open(SERVICE, "alice").tty("/dev/pts/0")), [""; 0]);
    for service in ["su", "sudo", "cron"] {
        assert_eq!(texts(open(service, "bob").tty("/dev/pts/0")), [""; 0]);
    }
    for policy in [
        "enabled = false\n",
        "enabled = true\n[services]\ntest = false\n",
        "enabled = true\n[[exempt]]\nusers = [\"bob\"]\n",
    ] {
        machine.policy(policy);
        assert_eq!(texts(bob()), [""; 0], "{policy}");
    }
}
