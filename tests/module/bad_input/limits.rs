//! `su` and `sudo` run with the limits of their caller: those may make a login fail, but tell nothing of the code.

use harness::pam::{PamOutcome, code};

use harness::enrolled::{ON, Token, enroll_token, machine, run, state_of, state_path};

fn limited(alice: &Token, limit: &str, answer: &str) -> PamOutcome {
    // The report goes through a pipe, which has no size.
    let piped = format!("prlimit {limit} \"$@\" | cat");
    let drive = alice.login().answer(answer);
    run(drive.through(&["sh", "-c", &piped, "sh"]))
}

#[test]
fn without_write_access_all_codes_look_the_same() {
    for limit in ["--fsize=0", "--fsize=100", "--fsize=500"] {
        let machine = machine(ON);
        let alice = enroll_token(&machine, "alice");
        let before = state_of("alice");
        let wrong = limited(&alice, limit, &alice.wrong());
        let right = limited(&alice, limit, alice.code_at(0));
        assert_eq!(wrong.auth, code::AUTHINFO_UNAVAIL, "{limit}");
        assert_eq!(right, wrong, "{limit}");
        assert_eq!(state_of("alice"), before, "{limit}");
        let later = run(alice.login().answer(alice.code()));
        assert_eq!(later.auth, code::SUCCESS, "{limit}");
    }
}

#[test]
fn a_limit_that_is_not_told_refuses_and_tells_nothing() {
    let machine = machine(ON);
    let alice = enroll_token(&machine, "alice");
    let before = std::fs::read(state_path("alice")).unwrap();
    let strace = [
        "strace",
        "-qq",
        "-o",
        "/run/trace",
        "--inject=prlimit64:error=EPERM",
    ];
    let typed = |answer: &str| run(alice.login().answer(answer).through(&strace));
    let (wrong, right) = (typed(&alice.wrong()), typed(alice.code_at(0)));
    assert_eq!(wrong.auth, code::AUTHINFO_UNAVAIL);
    assert_eq!(right, wrong);
    assert_eq!(std::fs::read(state_path("alice")).unwrap(), before);
    assert!(machine.read("/run/trace").contains("RLIMIT_FSIZE"));
    let later = run(alice.login().answer(alice.code_at(0)));
    assert_eq!(later.auth, code::SUCCESS);
}

#[test]
fn no_descriptor_limit_makes_a_wrong_code_free() {
    let machine =
        machine("enabled = true\ntries = 1\n[throttle]\nattempts = 1000\nmax_failures = 0\n");
    let alice = enroll_token(&machine, "alice");
    let mut counted = 0;
    for files in 4..20 {
        let before = std::fs::read(state_path("alice")).unwrap();
        let limit = format!("--nofile={files}");
        let raw = alice
            .login()
            .answer(alice.wrong())
            .through(&["prlimit", &limit])
            .raw();
        assert!(
            !raw.stdout.contains("\"auth\":0"),
            "{files}: {}",
            raw.stdout
        );
        let refused = format!("\"auth\":{}", code::MAXTRIES);
        if raw.stdout.contains(&refused) {
            counted += 1;
        } else {
            let after = std::fs::read(state_path("alice")).unwrap();
            assert_eq!(after, before, "{files}");
        }
        assert_eq!(state_of("alice").failures, counted, "{files}");
    }
    assert!(counted > 0);
}
