//! From `apt install` to the first login with a code.

use std::os::unix::fs::MetadataExt;

use harness::{PASSWORD, SshAnswer};

use super::clean::*;
use super::watch::RepeatedCheck;
use harness::logins::{ASK_CODE, ASK_PASSWORD};

#[test]
fn installing_changes_no_login() {
    let machine = clean_root();
    let stacks = machine.run("sh", &["-c", "cat /etc/pam.d/*"]).ok().stdout;
    let sshd = machine.sshd("");
    password_is_enough(&sshd);
    let watch = RepeatedCheck::start();
    install(&machine, &package());
    watch.found_nothing();
    assert_eq!(
        machine.run("sh", &["-c", "cat /etc/pam.d/*"]).ok().stdout,
        stacks
    );
    password_is_enough(&sshd);
    // Also with the profile selected, while the policy is off.
    select(&machine);
    assert_eq!(
        naming(),
        ["common-account", "common-auth", "common-session"]
    );
    password_is_enough(&sshd);
}

#[test]
fn apt_install_is_the_whole_installation() {
    let machine = clean_root();
    install(&machine, &package());
    let policy = std::fs::metadata(POLICY).unwrap();
    assert_eq!((policy.mode() & 0o7777, policy.uid()), (0o644, 0));
    let delivered = machine.read("/usr/share/libpam-twofactor/twofactor.toml");
    assert_eq!(machine.read(POLICY), delivered);
    assert_eq!(
        delivered,
        include_str!("../../../crates/core/src/policy/default.toml")
    );
    for directory in [
        "/var/lib/twofactor",
        "/var/lib/twofactor/users",
        "/var/lib/twofactor/state",
    ] {
        let directory = std::fs::metadata(directory).unwrap();
        assert_eq!((directory.mode() & 0o7777, directory.uid()), (0o700, 0));
    }
    for (path, content) in [
        (
            "/usr/lib/systemd/system/polkit-agent-helper@.service.d/twofactor.conf",
            include_str!("../../../packaging/systemd/polkit-agent-helper.conf"),
        ),
        (
            "/etc/apparmor.d/abstractions/authentication.d/twofactor",
            include_str!("../../../packaging/apparmor/twofactor"),
        ),
    ] {
        assert_eq!(machine.read(path), content, "{path}");
    }
    machine.command(&["status"]).ok();
    machine.command(&["policy", "check"]).ok();
    assert_eq!(
        machine
            .run("dpkg", &["--verify", "libpam-twofactor"])
            .ok()
            .stdout,
        ""
    );
    assert_eq!(machine.run("dpkg", &["--audit"]).ok().stdout, "");
}

#[test]
fn a_selected_profile_asks_in_sshd_except_for_keys() {
    let (machine, mut token) = in_use();
    machine.add_user("bob");
    let key = machine.add_key("alice");
    let sshd = machine.sshd("");
    code_lets_in(&sshd, &mut token);
    wrong_code_is_refused(&sshd, &token);
    // A user who has no device is not asked, and after a wrong password no user is.
    assert_eq!(
        sshd.login("bob").answer(PASSWORD).run().prompts,
        [ASK_PASSWORD]
    );
    let session = sshd.login("alice").answer("not it").run();
    assert!(
        !session.is_in() && !session.prompts.contains(&ASK_CODE.to_owned()),
        "{session:?}"
    );
    let session = sshd.login("alice").key(&key).run();
    assert!(session.is_in() && session.prompts.is_empty(), "{session:?}");
}

#[test]
fn a_selected_profile_asks_in_login_su_and_sudo() {
    let (machine, mut token) = in_use();
    machine.allow_sudo("alice");
    machine.add_user("bob");

    let mut console = machine.pty("login", &[]);
    console
        .answer("login: ", "alice")
        .answer("Password: ", PASSWORD);
    console.answer(ASK_CODE, &token.code());
    console.answer("$ ", "exit");
    assert_eq!(console.end().code, Some(0));

    let as_bob = |program: &str, arguments: &[&str], user| {
        machine.program(program).args(arguments).user(user).pty()
    };
    let mut su = as_bob("su", &["alice", "-c", "id -un"], "bob");
    su.answer("Password: ", PASSWORD)
        .answer(ASK_CODE, &token.code());
    su.expect("alice\n");
    assert_eq!(su.end().code, Some(0));

    let mut sudo = as_bob("sudo", &["id", "-un"], "alice");
    sudo.answer(" password for alice: ", PASSWORD);
    sudo.answer(ASK_CODE, &token.wrong_code());
    sudo.expect("Wrong code.");
    sudo.answer(ASK_CODE, &token.code());
    sudo.expect("root\n");
    assert_eq!(sudo.end().code, Some(0));
    // root becomes any user without being asked.
    assert_eq!(
        machine.run("su", &["alice", "-c", "id -un"]).ok().stdout,
        "alice\n"
    );
}

#[test]
fn an_expired_password_is_no_way_around_enrollment() {
    let machine = clean_root();
    install(&machine, &package());
    select(&machine);
    let token = PackageToken::of(&machine, "root");
    switch_on(&machine);
    machine
        .command(&["policy", "set", "enroll_at_login", "require", "--yes"])
        .ok();
    machine
        .run(
            "chage",
            &["--lastday", "2020-01-01", "--maxdays", "10", "alice"],
        )
        .ok();
    let sshd = machine.sshd("");
    let mut shown = Vec::new();
    let session = sshd.login("alice").answer_with(|prompt| {
        shown.push(prompt.to_owned());
        match shown.len() {
            1 => PASSWORD.into(),
            _ => SshAnswer::HangUp,
        }
    });
    assert!(!session.run().is_in());
    // The account line of the profile comes before pam_unix says that the password has expired.
    assert!(shown[1].contains("wo-factor"), "{shown:?}");
    drop(token);
}
