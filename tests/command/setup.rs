//! `twofactor setup`: from the files of Debian to logins with a code and back, with a real sshd, sudo and client.

use std::collections::{BTreeMap, BTreeSet};
use std::net::TcpStream;
use std::os::unix::fs::{MetadataExt as _, symlink};
use std::path::{Path, PathBuf};

use harness::logins::{Phone, enroll};
use harness::{Machine, PASSWORD, Program, Pty, Run, Running};

const POLICY: &str =
    "# of this machine\nenabled = false\n[services]\ndefault = true\n[throttle]\ndelay = 0\n";
const DROP_IN: &str = "/etc/ssh/sshd_config.d/01-twofactor.conf";
const JOURNAL: &str = "/var/lib/twofactor/setup.json";
const NONE: [PathBuf; 0] = [];
const PORT: &str = "2222";

/// Everything that setup may change: name to owner, mode and content.
type Files = BTreeMap<PathBuf, (u32, u32, Vec<u8>)>;

fn files() -> Files {
    let mut found = Files::new();
    for directory in [
        "/etc/pam.d",
        "/etc/ssh",
        "/etc/ssh/sshd_config.d",
        "/etc/security",
        "/var/lib/pam",
    ] {
        for entry in std::fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            let metadata = std::fs::symlink_metadata(&path).unwrap();
            // The editor of the policy takes away what it left when it runs again.
            if metadata.is_file() && !path.ends_with(".twofactor.toml.new") {
                let content = std::fs::read(&path).unwrap();
                found.insert(path, (metadata.uid(), metadata.mode(), content));
            }
        }
    }
    found
}

/// A machine on which the package was just installed, and alice's phone, which has given a right code.
fn installed() -> (Machine, Phone) {
    let machine = Machine::new();
    harness::module();
    machine.policy(POLICY);
    machine.command(&["init"]).ok();
    machine.add_user("alice");
    machine.allow_sudo("alice");
    let phone = enroll(&machine, "alice", &[]);
    let code = phone.totp.code_after(-1);
    let verify = machine.twofactor(&["verify", "alice"]);
    verify.input(format!("{code}\n")).run().ok();
    (machine, phone)
}

/// The files that differ.
fn changed(before: &Files) -> Vec<PathBuf> {
    let now = files();
    let names: BTreeSet<&PathBuf> = before.keys().chain(now.keys()).collect();
    let differs = |path: &&PathBuf| before.get(*path) != now.get(*path);
    names.into_iter().filter(differs).cloned().collect()
}

fn setup(machine: &Machine, arguments: &[&str]) -> Run {
    machine.command(&[&["setup", "--user", "alice"], arguments].concat())
}

fn undo(machine: &Machine) -> Run {
    machine.command(&["setup", "--undo", "--yes"])
}

/// sshd with the configuration of /etc/ssh.
fn sshd(machine: &Machine) -> Running {
    let key = machine.scratch().join("key").display().to_string();
    machine
        .run("ssh-keygen", &["-q", "-t", "ed25519", "-N", "", "-f", &key])
        .ok();
    let server = machine
        .program("/usr/sbin/sshd")
        .args(&["-D", "-p", PORT, "-h", &key])
        .start();
    wait_for_sshd();
    server
}

/// sshd listens, after its start or after it has read its settings again.
fn wait_for_sshd() {
    for _ in 0..3000 {
        if TcpStream::connect("127.0.0.1:2222").is_ok() {
            return;
        }
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
    panic!("sshd does not listen");
}

/// The OpenSSH client on a terminal of 80 columns and 24 lines.
fn ssh(machine: &Machine, command: &str) -> Pty {
    wait_for_sshd();
    let mut client = machine.program("ssh").args(&["-t", "-p", PORT]);
    for option in [
        "StrictHostKeyChecking=no",
        "UserKnownHostsFile=/dev/null",
        "LogLevel=ERROR",
    ] {
        client = client.args(&["-o", option]);
    }
    client.args(&["alice@127.0.0.1", command]).pty_of(80, 24)
}

fn sudo(machine: &Machine) -> Pty {
    machine
        .program("sudo")
        .args(&["-k", "sh", "-c", "echo this is $(id -un)"])
        .user("alice")
        .pty_of(80, 24)
}

#[test]
fn setup_asks_for_codes_and_undo_takes_it_back() {
    let (machine, phone) = installed();
    let before = files();
    let server = sshd(&machine);
    let mut setup = machine
        .twofactor(&["setup", "sshd", "sudo", "--user", "alice"])
        .pty_of(80, 24);
    let shown = setup.expect("Make these changes? ");
    for line in [
        "--- /etc/pam.d/sshd",
        "+++ /etc/ssh/sshd_config.d/01-twofactor.conf",
        "+KbdInteractiveAuthentication yes",
        "+sshd = true",
    ] {
        assert!(shown.contains(line), "{line}: {shown}");
    }
    assert_eq!(
        changed(&before),
        NONE,
        "nothing is changed before the answer"
    );
    setup.expect("[y/N] ");
    setup.send_line("y");
    setup.expect("sshd was reloaded.");
    setup.answer("Verification code: ", &phone.code());
    setup.expect("Right: device phone.");
    setup.expect("n to take everything back.");
    let mut client = ssh(&machine, "echo this is $(id -un)");
    client.answer("Password: ", PASSWORD);
    client.answer("Verification code: ", &phone.code_after(1));
    client.expect("this is alice");
    setup.expect("alice has given a right code. It works.");
    assert_eq!(setup.end().code, Some(0));
    let mut sudo = sudo(&machine);
    sudo.answer("[sudo] password for alice: ", PASSWORD);
    sudo.expect("Verification code: ");
    drop(sudo);
    for path in ["/etc/pam.d/sshd", "/etc/pam.d/sudo", "/etc/pam.d/sudo-i"] {
        assert!(machine.read(path).contains("pam_twofactor.so"), "{path}");
    }
    assert!(!machine.read("/etc/pam.d/su").contains("pam_twofactor.so"));
    undo(&machine).ok();
    assert_eq!(changed(&before), NONE);
    assert!(!Path::new(JOURNAL).exists());
    let mut client = ssh(&machine, "echo this is $(id -un)");
    client.answer("password: ", PASSWORD);
    client.expect("this is alice");
    drop(server);
}

#[test]
fn a_dry_run_shows_everything_and_changes_nothing() {
    let (machine, _) = installed();
    let before = files();
    let run = setup(&machine, &["sshd", "sudo", "--dry-run", "--json"]).ok();
    let report: serde_json::Value = serde_json::from_str(&run.stdout).unwrap();
    assert_eq!(report["done"], false);
    assert_eq!(
        report["services"],
        serde_json::json!(["sshd", "sudo", "sudo-i"])
    );
    let shown: Vec<&str> = report["files"]
        .as_array()
        .unwrap()
        .iter()
        .map(|file| file["path"].as_str().unwrap())
        .collect();
    assert_eq!(
        shown,
        [
            "/etc/pam.d/sshd",
            "/etc/pam.d/sudo",
            "/etc/pam.d/sudo-i",
            DROP_IN
        ]
    );
    assert_eq!(changed(&before), NONE);
    assert!(!Path::new(JOURNAL).exists());
    let text = setup(&machine, &["sudo", "--dry-run"]).ok().stdout;
    assert!(
        text.contains("+++ /etc/pam.d/sudo\n") && text.contains("+sudo = true\n"),
        "{text}"
    );
    assert!(
        text.ends_with("Nothing was changed (--dry-run).\n"),
        "{text}"
    );
}

#[test]
fn without_a_tried_device_sshd_is_refused() {
    let machine = Machine::new();
    harness::module();
    machine.policy(POLICY);
    machine.command(&["init"]).ok();
    machine.add_user("alice");
    let before = files();
    let refused = setup(&machine, &["sshd", "--yes"]).exits(1);
    assert!(
        refused
            .stderr
            .contains("no device on this machine has ever given a right one")
    );
    assert_eq!(changed(&before), NONE);
    setup(&machine, &["sshd", "--yes", "--force"]).ok();
    assert!(machine.read("/etc/pam.d/sshd").contains("pam_twofactor.so"));
}

/// The command, to which something happens at the n-th file that gets its name.
fn disturbed(machine: &Machine, inject: &str, number: usize, arguments: &[&str]) -> Run {
    let strace: Program = machine.program("strace");
    let strace = strace.args(&["-f", "-qq", "-o", "/dev/null"]);
    let strace = strace.arg(format!("--inject=renameat:{inject}:when={number}"));
    strace.arg("/usr/local/bin/twofactor").args(arguments).run()
}

const ARGUMENTS: [&str; 6] = ["setup", "--user", "alice", "sshd", "sudo", "--yes"];

#[test]
fn a_setup_that_is_killed_is_put_right() {
    let (machine, _) = installed();
    let before = files();
    let mut killed = 0;
    for number in 1..20 {
        let run = disturbed(&machine, "signal=KILL", number, &ARGUMENTS);
        if run.code == Some(0) {
            break;
        }
        killed += 1;
        if number % 2 == 0 {
            // A second try begins by putting back.
            machine.command(&ARGUMENTS).ok();
            undo(&machine).ok();
        } else if Path::new(JOURNAL).exists() {
            undo(&machine).ok();
        }
        assert_eq!(changed(&before), NONE, "killed at {number}");
    }
    // The note, three PAM files, sshd's settings, the policy, and the note once more.
    assert_eq!(killed, 7);
}

#[test]
fn a_setup_that_fails_or_is_interrupted_puts_back() {
    let (machine, _) = installed();
    let before = files();
    for inject in ["error=ENOSPC", "signal=TERM"] {
        for number in 1..=7 {
            let run = disturbed(&machine, inject, number, &ARGUMENTS);
            if run.code == Some(0) {
                // The signal came after the last thing that could be taken back.
                assert_eq!((inject, number), ("signal=TERM", 7));
                undo(&machine).ok();
            } else {
                assert!(
                    matches!(run.code, Some(1 | 4)),
                    "{inject} {number}: {run:?}"
                );
            }
            assert_eq!(changed(&before), NONE, "{inject} {number}");
            assert!(!Path::new(JOURNAL).exists(), "{inject} {number}");
        }
    }
}

#[test]
fn an_undo_that_is_killed_is_completed() {
    let (machine, _) = installed();
    let before = files();
    for number in 1..=4 {
        machine.command(&ARGUMENTS).ok();
        disturbed(
            &machine,
            "signal=KILL",
            number,
            &["setup", "--undo", "--yes"],
        );
        undo(&machine).ok();
        assert_eq!(changed(&before), NONE, "killed at {number}");
    }
}

#[test]
fn a_file_that_was_edited_stays_as_it_is() {
    let (machine, _) = installed();
    machine.command(&ARGUMENTS).ok();
    let edited = machine.read("/etc/pam.d/sudo") + "# mine\n";
    machine.write_file("/etc/pam.d/sudo", &edited, 0o644);
    let set_up = files();
    let refused = undo(&machine).exits(1);
    assert!(refused.stdout.contains("+# mine\n"), "{}", refused.stdout);
    assert!(
        refused
            .stderr
            .contains("changed since setup wrote it: /etc/pam.d/sudo. Nothing was touched"),
        "{}",
        refused.stderr
    );
    assert_eq!(changed(&set_up), NONE);
    machine.write_file("/etc/pam.d/sudo", edited.replace("# mine\n", ""), 0o644);
    undo(&machine).ok();
}

#[test]
fn other_changes_of_the_policy_survive_an_undo() {
    let (machine, _) = installed();
    machine.command(&ARGUMENTS).ok();
    machine
        .command(&["policy", "set", "window", "2", "--yes"])
        .ok();
    let run = undo(&machine).ok();
    assert!(
        run.stdout.contains("No longer asked  alice"),
        "{}",
        run.stdout
    );
    let policy = machine.read("/etc/security/twofactor.toml");
    assert!(
        policy.contains("enabled = false\n") && policy.contains("window = 2\n"),
        "{policy}"
    );
}

#[test]
fn a_second_setup_adds_to_the_first() {
    let (machine, _) = installed();
    let before = files();
    setup(&machine, &["sudo", "--yes"]).ok();
    setup(&machine, &["sshd", "--yes"]).ok();
    let again = setup(&machine, &["sshd", "--yes"]).ok();
    assert!(
        again.stdout.starts_with("Nothing to change: sshd"),
        "{}",
        again.stdout
    );
    undo(&machine).ok();
    assert_eq!(changed(&before), NONE);
    let nothing = undo(&machine).exits(1);
    assert!(nothing.stderr.contains("there is nothing to take back"));
}

#[test]
fn what_setup_does_not_understand_is_refused() {
    let (machine, _) = installed();
    let sudo = machine.read("/etc/pam.d/sudo");
    machine.write_file(
        "/etc/pam.d/sudo",
        "auth sufficient pam_unix.so\nauth required pam_deny.so\naccount required pam_unix.so\n",
        0o644,
    );
    let refused = setup(&machine, &["sudo", "--yes"]).exits(1);
    assert!(
        refused
            .stderr
            .contains("no place is found in /etc/pam.d/sudo"),
        "{}",
        refused.stderr
    );
    std::fs::rename("/etc/pam.d/sudo", "/etc/pam.d/elsewhere").unwrap();
    machine.write_file("/etc/pam.d/elsewhere", sudo, 0o644);
    symlink("/etc/pam.d/elsewhere", "/etc/pam.d/sudo").unwrap();
    let refused = setup(&machine, &["sudo", "--yes"]).exits(1);
    assert!(
        refused
            .stderr
            .contains("/etc/pam.d/sudo is a link to /etc/pam.d/elsewhere"),
        "{}",
        refused.stderr
    );
    let refused = setup(&machine, &["ssh", "--yes"]).exits(1);
    assert!(
        refused.stderr.ends_with("Did you mean sshd?\n"),
        "{}",
        refused.stderr
    );
    machine.write_file("/etc/authselect/authselect.conf", "", 0o644);
    let refused = setup(&machine, &["sshd", "--yes"]).exits(1);
    assert!(
        refused
            .stderr
            .contains("authselect create-profile twofactor"),
        "{}",
        refused.stderr
    );
}

#[test]
fn settings_of_sshd_that_overrule_are_put_back() {
    let (machine, _) = installed();
    machine.write_file(
        "/etc/ssh/sshd_config.d/00-first.conf",
        "PasswordAuthentication yes\n",
        0o644,
    );
    let before = files();
    let refused = setup(&machine, &["sshd", "--yes"]).exits(1);
    assert!(
        refused.stderr.contains("PasswordAuthentication yes"),
        "{}",
        refused.stderr
    );
    assert!(
        refused
            .stderr
            .ends_with("Everything is as it was before.\n"),
        "{}",
        refused.stderr
    );
    assert_eq!(changed(&before), NONE);
}

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
        setup.expect("n to take everything back.");
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
