//! `twofactor doctor` on machines whose directories, disk, module, PAM files or clock were broken on purpose.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use harness::Machine;
use harness::desk;
use harness::enrolled::policy_path;
use harness::patient::{all, finding, found, healthy, report, ways, with_clock};
use twofactor_core::STATE_DIR;

pub(super) const LOGIN: &str = "login";

pub(super) fn mode(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

#[test]
fn a_state_directory_that_is_missing_or_open_is_found() {
    let machine = healthy();
    mode(Path::new(STATE_DIR), 0o755);
    let open = report(&machine, &[]);
    assert_eq!(all(&open), [format!("problem state-directory {STATE_DIR}")]);
    assert!(finding(&open, "state-directory").1.contains("chmod go-rwx"));
    fs::remove_dir_all(STATE_DIR).unwrap();
    let missing = report(&machine, &[]);
    assert_eq!(
        all(&missing),
        [format!("problem state-directory {STATE_DIR}")]
    );
    assert!(
        finding(&missing, "state-directory")
            .1
            .contains("twofactor init --force")
    );
}

/// Puts a small file system under the state directory, with alice's files on it.
fn small(machine: &Machine, options: &str) {
    machine.run("cp", &["-a", STATE_DIR, "/srv/kept"]).ok();
    machine
        .run("mount", &["-t", "tmpfs", "-o", options, "small", STATE_DIR])
        .ok();
    machine.run("cp", &["-a", "/srv/kept/.", STATE_DIR]).ok();
    mode(Path::new(STATE_DIR), 0o700);
}

#[test]
fn a_full_disk_is_found() {
    let machine = healthy();
    small(&machine, "size=64k");
    assert_eq!(found(&machine), [""; 0]);
    // As much as fits.
    fs::write(format!("{STATE_DIR}/users/filler"), [0; 128 << 10]).unwrap_err();
    let full = report(&machine, &[]);
    assert_eq!(all(&full), [format!("problem disk {STATE_DIR}/users")]);
    assert!(finding(&full, "disk").0.contains("is on a full disk"));
    let litter = fs::read_dir(format!("{STATE_DIR}/users")).unwrap().count();
    assert_eq!(
        litter, 3,
        "alice's record, her entry of the index, the filler"
    );
}

#[test]
fn a_disk_without_room_for_another_file_is_found() {
    let machine = healthy();
    small(&machine, "size=1m,nr_inodes=10");
    let mut number = 0;
    while fs::write(format!("{STATE_DIR}/users/filler{number}"), "").is_ok() {
        number += 1;
    }
    let full = report(&machine, &[]);
    assert_eq!(all(&full), [format!("problem disk {STATE_DIR}/users")]);
    assert!(finding(&full, "disk").0.contains("no free inodes"));
}

#[test]
fn a_read_only_disk_is_found() {
    let machine = healthy();
    small(&machine, "size=1m");
    machine.run("mount", &["-o", "remount,ro", STATE_DIR]).ok();
    let report = report(&machine, &[]);
    let found = all(&report);
    assert!(
        found.contains(&format!("problem disk {STATE_DIR}/users")),
        "{found:?}"
    );
    let (cause, fix) = finding(&report, "disk");
    assert!(cause.contains("is on a read-only file system"), "{cause}");
    assert!(fix.contains("remount,rw"), "{fix}");
}

#[test]
fn a_module_that_is_missing_or_open_is_found() {
    let machine = healthy();
    let module = report(&machine, &[]);
    assert_eq!(all(&module), [""; 0]);
    let path = machine
        .run("sh", &["-c", "ls /lib/*/security/pam_twofactor.so"])
        .ok()
        .stdout;
    let path = Path::new(path.trim());
    // libpam of Ubuntu looks in /usr/lib, to which /lib is a link.
    let told = |report: &serde_json::Value| {
        let found = all(report).into_iter();
        found
            .map(|line| line.replace(" /usr/lib/", " /lib/"))
            .collect::<Vec<_>>()
    };
    mode(path, 0o777);
    let open = report(&machine, &[]);
    assert_eq!(
        told(&open),
        [format!("problem module-file {}", path.display())]
    );
    assert!(finding(&open, "module-file").1.contains("chmod go-w"));
    fs::remove_file(path).unwrap();
    let missing = report(&machine, &[]);
    assert_eq!(
        told(&missing),
        [format!("problem module-file {}", path.display())]
    );
    assert_eq!(
        ways(&missing, LOGIN, "bob"),
        ["pam: password = refused module-missing"]
    );
    fs::write(path, "no module").unwrap();
    mode(path, 0o644);
    let text = report(&machine, &[]);
    assert_eq!(
        told(&text),
        [format!("problem module-file {}", path.display())]
    );
    assert_eq!(
        ways(&text, LOGIN, "alice"),
        ["pam: password = refused module-missing"]
    );
    // By its path, from elsewhere.
    let elsewhere = machine
        .read("/etc/pam.d/login")
        .replace("pam_twofactor.so", "/opt/pam_twofactor.so");
    machine.stack("login", &elsewhere);
    let found = found(&machine);
    assert!(
        found.contains(&"problem module-file /opt/pam_twofactor.so".to_owned()),
        "{found:?}"
    );
}

#[test]
fn pam_files_that_others_can_change_are_found() {
    let machine = healthy();
    mode(Path::new("/etc/pam.d/common-auth"), 0o666);
    let report = report(&machine, &[]);
    assert_eq!(
        all(&report),
        ["problem pam-file-open /etc/pam.d/common-auth"]
    );
}

#[test]
fn r6_the_clock_is_reported_as_the_kernel_sees_it() {
    let machine = healthy();
    // STA_UNSYNC, 0x40, in the word at byte 40 of struct timex.
    let unsynchronized = format!("retval=5:poke_exit=@arg2={}40000000", "00".repeat(40));
    for (answer, word, exit, expected) in [
        ("retval=0", "synchronized", 0, None),
        (
            unsynchronized.as_str(),
            "unsynchronized",
            1,
            Some("problem clock clock"),
        ),
        ("error=EPERM", "unknown", 0, Some("warning clock clock")),
    ] {
        let run = with_clock(&machine, answer, &["doctor", "--json"])
            .run()
            .exits(exit);
        let report = desk::parse(&run.stdout);
        assert_eq!(report["clock"], word);
        let expected: Vec<&str> = expected.into_iter().collect();
        assert_eq!(all(&report), expected);
    }
    // The real kernel says one of the three.
    let real = desk::parse(&machine.command(&["doctor", "--json"]).stdout);
    let word = real["clock"].as_str().unwrap();
    assert!(
        ["synchronized", "unsynchronized", "unknown"].contains(&word),
        "{word}"
    );
}

#[test]
fn the_stand_in_for_an_unreadable_file_is_found() {
    let machine = healthy();
    machine.stack("other", "@include common-auth\n@include common-account\n");
    let report = report(&machine, &[]);
    assert_eq!(
        all(&report),
        ["warning other-without-code /etc/pam.d/other"]
    );
    let (_, fix) = finding(&report, "other-without-code");
    // The place of the examples is not the same on all machines that run this.
    assert!(
        fix.contains("copy ") && fix.ends_with(" over /etc/pam.d/other"),
        "{fix}"
    );
    // If no service asks for a code, it takes nothing away.
    let policy = machine.read(policy_path());
    machine.policy("enabled = false\n");
    assert_eq!(found(&machine), [""; 0]);
    // With the one of pam.d, also for a service that has no auth lines of its own and asks for nothing.
    machine.policy(&policy);
    machine.install_stack("other");
    machine.stack(
        "sessions",
        "account required pam_permit.so\nsession required pam_permit.so\n",
    );
    assert_eq!(found(&machine), [""; 0]);
}
