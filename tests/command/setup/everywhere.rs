//! The code at every login: `twofactor setup --everywhere`.

use std::path::{Path, PathBuf};

use harness::{Machine, PASSWORD};

use super::{JOURNAL, NONE, changed, files, installed, setup, sudo, undo};

/// The profile of the package among those of this machine.
fn install_profile(machine: &Machine) {
    let directory = "/usr/share/pam-configs";
    let profiles = std::fs::read_dir(directory).unwrap().map(|entry| {
        let path = entry.unwrap().path();
        (path.clone(), std::fs::read(path).unwrap())
    });
    let profiles: Vec<(PathBuf, Vec<u8>)> = profiles.collect();
    machine
        .run("mount", &["-t", "tmpfs", "profiles", directory])
        .ok();
    for (path, content) in profiles {
        machine.write_file(path, content, 0o644);
    }
    let ours = harness::workspace().join("packaging/debian/twofactor.pam-config");
    let ours = std::fs::read(ours).unwrap();
    machine.write_file(format!("{directory}/twofactor"), ours, 0o644);
}

#[test]
fn everywhere_is_the_profile_of_pam_auth_update() {
    let (machine, phone) = installed();
    install_profile(&machine);
    let before = files();
    let run = setup(&machine, &["--everywhere", "--yes"]).ok();
    assert!(
        run.stdout.contains("+Module: twofactor\n"),
        "{}",
        run.stdout
    );
    let auth = machine.read("/etc/pam.d/common-auth");
    let place = |text: &str| auth.find(text).unwrap();
    assert!(place("pam_permit.so") < place("pam_twofactor.so"));
    assert!(place("pam_twofactor.so") < place("# end of pam-auth-update config"));
    let mut sudo = sudo(&machine);
    sudo.answer("[sudo] password for alice: ", PASSWORD);
    sudo.answer("Verification code: ", &phone.code());
    sudo.expect("this is root");
    // pam-auth-update takes what stands there for its own work.
    let set_up = files();
    machine
        .program("pam-auth-update")
        .arg("--package")
        .env("DEBIAN_FRONTEND", "noninteractive")
        .run()
        .ok();
    assert_eq!(changed(&set_up), NONE);
    undo(&machine).ok();
    assert_eq!(changed(&before), NONE);
}

fn pam_auth_update(machine: &Machine, arguments: &[&str]) {
    machine
        .program("pam-auth-update")
        .args(arguments)
        .env("DEBIAN_FRONTEND", "noninteractive")
        .run()
        .ok();
}

/// Another package brings a profile, for which pam-auth-update writes the files of setup anew.
#[test]
fn an_undo_keeps_a_profile_that_came_later() {
    let own = ["--package", "--disable", "twofactor"];
    for by_hand in [false, true] {
        let (machine, _) = installed();
        install_profile(&machine);
        let before = files();
        setup(&machine, &["--everywhere", "--yes"]).ok();
        machine.write_file(
            "/usr/share/pam-configs/later",
            "Name: Later\nDefault: yes\nPriority: 10\nAuth-Type: Additional\nAuth:\n\toptional\tpam_echo.so later\n",
            0o644,
        );
        pam_auth_update(&machine, &["--package"]);
        if by_hand {
            pam_auth_update(&machine, &own);
        }
        let auth = machine.read("/etc/pam.d/common-auth");
        assert!(auth.contains("pam_echo.so later"), "{auth}");
        assert_eq!(auth.contains("pam_twofactor.so"), !by_hand, "{auth}");
        undo(&machine).ok();
        let auth = machine.read("/etc/pam.d/common-auth");
        assert!(auth.contains("pam_echo.so later"), "{auth}");
        let found = changed(&before);
        for (path, (_, _, text)) in files() {
            let names = text.windows(16).any(|part| part == b"pam_twofactor.so");
            assert!(!names || !found.contains(&path), "{}", path.display());
        }
        assert!(!Path::new(JOURNAL).exists());
        assert!(
            machine
                .read("/etc/security/twofactor.toml")
                .contains("enabled = false")
        );
        // It takes what undo wrote for its own work.
        let undone = files();
        pam_auth_update(&machine, &["--package"]);
        assert_eq!(changed(&undone), NONE);
    }
}

#[test]
fn shared_files_that_were_edited_get_the_lines() {
    let (machine, phone) = installed();
    install_profile(&machine);
    let auth = machine.read("/etc/pam.d/common-auth");
    let edited = auth.replace(
        "auth\toptional\t\t\tpam_cap.so",
        "auth\toptional\t\t\tpam_echo.so\nauth\toptional\t\t\tpam_cap.so",
    );
    assert_ne!(edited, auth);
    machine.write_file("/etc/pam.d/common-auth", edited, 0o644);
    let before = files();
    let run = setup(&machine, &["--everywhere", "--yes"]).ok();
    assert!(
        run.stdout.contains("common-* were edited by hand"),
        "{}",
        run.stdout
    );
    let mut sudo = sudo(&machine);
    sudo.answer("[sudo] password for alice: ", PASSWORD);
    sudo.answer("Verification code: ", &phone.code());
    sudo.expect("this is root");
    undo(&machine).ok();
    assert_eq!(changed(&before), NONE);
}

#[test]
fn a_login_that_fails_takes_everything_back() {
    let (machine, phone) = installed();
    let before = files();
    for answer in ["n\r", "\x03", "\x04"] {
        let mut setup = machine
            .twofactor(&["setup", "sudo", "--user", "alice"])
            .pty_of(40, 24);
        setup.answer("Make these changes? ", "y");
        setup.answer("Verification code: ", &phone.wrong_code());
        setup.answer("Verification code: ", "");
        setup.expect("n to undo\neverything.");
        assert_ne!(changed(&before), NONE);
        setup.send(answer.as_bytes());
        let ended = setup.end();
        assert_eq!(ended.code, Some(1), "{answer:?}: {}", ended.shown);
        assert_eq!(changed(&before), NONE, "{answer:?}");
        assert!(!Path::new(JOURNAL).exists(), "{answer:?}");
    }
    // A connection that is lost.
    let mut setup = machine
        .twofactor(&["setup", "sudo", "--user", "alice"])
        .pty_of(80, 24);
    setup.answer("Make these changes? ", "y");
    setup.expect("Verification code: ");
    machine.forget_log();
    let hang_up = std::process::Command::new("kill")
        .args(["-HUP", &setup.pid().to_string()])
        .status();
    assert!(hang_up.unwrap().success());
    machine.wait_for_log("action=setup-put-back");
    assert_eq!(setup.end().code, Some(1));
    assert_eq!(changed(&before), NONE);
}
