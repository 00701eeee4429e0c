//! `twofactor doctor` on sshd's settings.

use harness::patient::{SSHD, all, finding, found, healthy, report, sshd, ways};

#[test]
fn wrong_settings_of_sshd_are_found() {
    let machine = healthy();
    for (from, to, expected) in [
        ("UsePAM yes", "UsePAM no", vec!["problem sshd-usepam sshd"]),
        (
            "KbdInteractiveAuthentication yes",
            "KbdInteractiveAuthentication no",
            vec!["problem sshd-kbdinteractive sshd"],
        ),
        (
            "KbdInteractiveAuthentication yes",
            "ChallengeResponseAuthentication no",
            vec!["problem sshd-kbdinteractive sshd"],
        ),
        (
            "PasswordAuthentication no",
            "PasswordAuthentication yes",
            vec!["problem sshd-password sshd"],
        ),
        (
            "UsePAM yes",
            "UsePAM yes\nAuthenticationMethods publickey",
            vec!["problem sshd-methods sshd"],
        ),
        (
            "UsePAM yes",
            "UsePAM yes\nAuthenticationMethods publickey keyboard-interactive",
            vec!["warning sshd-methods sshd"],
        ),
        (
            "UsePAM yes",
            "NoSuchSetting yes",
            vec!["problem sshd-unreadable sshd"],
        ),
    ] {
        assert!(SSHD.contains(from));
        sshd(&machine, &SSHD.replace(from, to));
        assert_eq!(found(&machine), expected, "{to}");
    }
    sshd(
        &machine,
        &format!("{SSHD}Match User alice\nPasswordAuthentication yes\n"),
    );
    let matched = report(&machine, &[]);
    let (cause, fix) = finding(&matched, "sshd-password");
    assert!(
        cause.ends_with("(`Match` makes it so for alice)"),
        "{cause}"
    );
    assert!(fix.contains("PasswordAuthentication no"), "{fix}");
    assert!(
        ways(&matched, "sshd", "alice")
            .contains(&"password: password = refused password-as-code".to_owned())
    );
    assert_eq!(ways(&matched, "sshd", "bob").len(), 2);
}

#[test]
fn keys_and_root_are_shown_as_sshd_treats_them() {
    let machine = healthy();
    machine.install_stack_as("sshd-key-and-code", "sshd");
    let alone = found(&machine);
    assert_eq!(alone, ["problem sshd-key-alone sshd"]);
    sshd(
        &machine,
        &format!("{SSHD}AuthenticationMethods publickey,keyboard-interactive\n"),
    );
    let both = report(&machine, &[]);
    assert_eq!(all(&both), [""; 0], "{both:#}");
    assert_eq!(
        ways(&both, "sshd", "alice"),
        ["publickey,keyboard-interactive: key+code = in -"]
    );
    machine.install_stack_as("sshd-password-and-code-in-one-field", "sshd");
    machine.write_file(
        "/etc/ssh/sshd_config",
        format!(
            "HostKey /etc/ssh/test_host_key\nPermitRootLogin prohibit-password\n{}",
            SSHD.replace("PasswordAuthentication no", "PasswordAuthentication yes")
        ),
        0o644,
    );
    let one_field = report(&machine, &[]);
    assert_eq!(all(&one_field), [""; 0], "{one_field:#}");
    assert_eq!(
        ways(&one_field, "sshd", "alice"),
        [
            "keyboard-interactive: password-and-code = in -",
            "password: password-and-code = in -",
            "publickey: key = in key"
        ]
    );
    assert_eq!(
        ways(&one_field, "sshd", "root"),
        [
            "keyboard-interactive: password = refused root-login",
            "password: password = refused root-login",
            "publickey: key = in key"
        ]
    );
}
