//! The package while something is left that `twofactor setup` can take back.

use harness::Machine;

use super::clean::*;

const JOURNAL: &str = "/var/lib/twofactor/setup.json";
const DROP_IN: &str = "/etc/ssh/sshd_config.d/01-twofactor.conf";

/// A clean root with the package, in which ssh was set up by the command.
fn set_up() -> Machine {
    let machine = clean_root();
    install(&machine, &package());
    PackageToken::of(&machine, "alice");
    let setup = ["setup", "sshd", "--user", "alice", "--yes"];
    machine.command(&setup).ok();
    assert_eq!(naming(), ["sshd"]);
    assert!(std::fs::exists(JOURNAL).unwrap() && std::fs::exists(DROP_IN).unwrap());
    machine
}

/// The words of a removal that is refused.
fn refused(machine: &Machine, verb: &str) -> String {
    let run = apt(machine, &[verb, "libpam-twofactor"]).run();
    assert_eq!(run.code, Some(100), "{run:?}");
    assert!(module_file().exists() && std::fs::exists("/usr/bin/twofactor").unwrap());
    (run.stdout + &run.stderr).replace('\r', "")
}

#[test]
fn a_setup_is_taken_back_before_the_removal() {
    let machine = set_up();
    let files = [JOURNAL, DROP_IN, "/etc/pam.d/sshd", POLICY];
    let before = files.map(|path| machine.read(path));
    for verb in ["remove", "purge"] {
        let said = refused(&machine, verb);
        assert!(said.contains("\n    twofactor setup --undo\n"), "{said}");
        assert!(said.contains("Nothing has been changed"), "{said}");
        assert_eq!(files.map(|path| machine.read(path)), before);
    }
    machine.command(&["setup", "--undo", "--yes"]).ok();
    assert_eq!(naming(), Vec::<String>::new());
    assert!(!std::fs::exists(DROP_IN).unwrap());
    apt(&machine, &["remove", "libpam-twofactor"]).run().ok();
    assert!(!module_file().exists());
}

#[test]
fn a_setup_prevents_no_upgrade() {
    let machine = set_up();
    let before = [JOURNAL, DROP_IN, "/etc/pam.d/sshd", POLICY].map(|path| machine.read(path));
    let file = package().display().to_string();
    apt(&machine, &["install", "--reinstall", &file]).run().ok();
    let after = [JOURNAL, DROP_IN, "/etc/pam.d/sshd", POLICY].map(|path| machine.read(path));
    assert_eq!(after, before);
    machine.command(&["setup", "--undo", "--yes"]).ok();
}

#[test]
fn a_setup_that_is_forgotten_leaves_its_lines() {
    let machine = set_up();
    let forget = ["setup", "--undo", "--forget", "--yes"];
    machine.command(&forget).ok();
    // The stack would refuse all users without the module.
    let said = refused(&machine, "remove");
    assert!(said.contains("\n    /etc/pam.d/sshd\n"), "{said}");
    machine
        .run("sed", &["-i", "/pam_twofactor/d", "/etc/pam.d/sshd"])
        .ok();
    apt(&machine, &["remove", "libpam-twofactor"]).run().ok();
}
