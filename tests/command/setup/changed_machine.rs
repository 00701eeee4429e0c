//! Setups and undos on machines that lack something: sshd, a unit of it, a directory, a file system to write to.

use std::path::Path;

use harness::{Machine, Run};

use super::{ARGUMENTS, DROP_IN, JOURNAL, NONE, changed, files, installed, setup, undo};

/// Takes sshd away, as the removal of its package does.
fn remove_sshd(machine: &Machine) {
    let script = "mkdir /run/upper /run/work && \
         mount -t overlay overlay -o lowerdir=/usr/sbin,upperdir=/run/upper,workdir=/run/work /usr/sbin && \
         rm /usr/sbin/sshd";
    machine.run("sh", &["-c", script]).ok();
}

fn mount_etc(machine: &Machine, option: &str) {
    let options = format!("remount,{option}");
    machine.run("mount", &["-o", &options, "/etc"]).ok();
}

fn dry_run(machine: &Machine) -> Run {
    setup(machine, &["sudo", "--dry-run"])
}

#[test]
fn an_undo_ends_where_sshd_was_removed() {
    let (machine, _) = installed();
    let before = files();
    machine.command(&ARGUMENTS).ok();
    remove_sshd(&machine);
    undo(&machine).ok();
    assert_eq!(changed(&before), NONE);
    assert!(!Path::new(JOURNAL).exists());
}

#[test]
fn an_undo_passes_over_files_of_a_purged_package() {
    let (machine, _) = installed();
    let before = files();
    machine.command(&ARGUMENTS).ok();
    remove_sshd(&machine);
    for path in ["/etc/pam.d/sshd", "/etc/ssh"] {
        machine.run("rm", &["-r", path]).ok();
    }
    undo(&machine).ok();
    let sudo = Path::new("/etc/pam.d/sudo");
    assert_eq!(
        std::fs::read(sudo).unwrap(),
        before.get(sudo).unwrap().2,
        "the file of sudo"
    );
    assert!(!Path::new(DROP_IN).exists() && !Path::new(JOURNAL).exists());
    assert!(!Path::new("/etc/pam.d/sshd").exists());
}

#[test]
fn a_setup_of_a_read_only_etc_changes_nothing() {
    let (machine, _) = installed();
    let before = files();
    mount_etc(&machine, "ro");
    let refused = machine.command(&ARGUMENTS).exits(4);
    assert!(
        refused.stderr.contains("Read-only file system")
            && refused.stderr.contains("for writing")
            && refused.stderr.contains("Everything is as it was before."),
        "{}",
        refused.stderr
    );
    assert!(!Path::new(JOURNAL).exists());
    mount_etc(&machine, "rw");
    assert_eq!(changed(&before), NONE);
}

#[test]
fn a_setup_makes_the_directory_of_the_state() {
    let (machine, _) = installed();
    let gone = ["-r", "/var/lib/twofactor", "/etc/security/twofactor.id"];
    machine.run("rm", &gone).ok();
    dry_run(&machine).ok();
    assert!(!Path::new("/var/lib/twofactor").exists());
    setup(&machine, &["sudo", "--yes"]).ok();
    assert!(Path::new(JOURNAL).exists());
}

#[test]
fn a_note_that_cannot_be_read_can_be_forgotten() {
    let (machine, _) = installed();
    machine.command(&ARGUMENTS).ok();
    machine.write_file(JOURNAL, "{", 0o600);
    let refused = undo(&machine).exits(3);
    assert!(
        refused.stderr.contains("setup --undo --forget"),
        "{}",
        refused.stderr
    );
    let forget = ["setup", "--undo", "--forget", "--yes"];
    machine.command(&forget).ok();
    assert!(!Path::new(JOURNAL).exists());
    machine.command(&forget).exits(1);
}

#[test]
fn a_login_variant_asks_by_the_file_that_it_includes() {
    let (machine, _) = installed();
    let before = files();
    setup(&machine, &["su-l", "--yes"]).ok();
    let changed: Vec<_> = changed(&before)
        .into_iter()
        .filter(|path| path.starts_with("/etc/pam.d"))
        .collect();
    assert_eq!(changed, [Path::new("/etc/pam.d/su")]);
}
