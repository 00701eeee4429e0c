//! A report of `setup` that is written, and one that cannot be.

use std::path::Path;

use harness::desk::{json, strings};

use super::{ARGUMENTS, JOURNAL, NONE, changed, files, installed, setup};

/// Redirection by a shell of the standard output of `setup --yes --json`.
fn unwritten(output: &str) {
    let (machine, _) = installed();
    let before = files();
    let line = format!(
        "{{ twofactor {} --json; echo $? >/run/code; }} {output}",
        ARGUMENTS.join(" ")
    );
    let run = machine.run("sh", &["-c", &line]);
    assert!(
        run.stderr.contains("the report cannot be written: "),
        "{run:?}"
    );
    assert!(
        run.stderr.contains("Everything is as it was before."),
        "{run:?}"
    );
    assert_eq!(machine.read("/run/code"), "4\n");
    assert_eq!(changed(&before), NONE);
    assert!(!Path::new(JOURNAL).exists());
}

#[test]
fn a_setup_that_cannot_report_is_taken_back() {
    unwritten(">/dev/full");
    unwritten("| :");
}

#[test]
fn a_report_of_setup_has_the_warnings() {
    let (machine, _) = installed();
    machine.write_file(
        "/etc/pam.d/screen",
        "@include common-auth\n@include common-account\n",
        0o644,
    );
    for policy in [super::POLICY, "enabled = true\n[services]\nscreen = true\n"] {
        machine.policy(policy);
        let planned = json(setup(&machine, &["screen", "--dry-run", "--json"]));
        let warnings = strings(&planned["warnings"]);
        let told = |warning: &String| warning.contains("twofactor disable --service screen");
        assert!(warnings.iter().any(told), "{planned}");
    }
}
