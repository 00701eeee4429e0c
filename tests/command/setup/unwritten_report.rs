//! A report of `setup`.

use harness::desk::{json, strings};

use super::{installed, setup};

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
