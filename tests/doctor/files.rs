//! `twofactor doctor` on machines whose files, accounts, disk or clock were broken on purpose.

use std::fs;
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::Path;

use harness::Machine;
use harness::desk;
use harness::enrolled::{change_record, policy_path, record_path, set_state, state_path};
use harness::patient::{all, doctor, finding, found, healthy, report, ways, with_clock};
use twofactor_core::STATE_DIR;
use twofactor_core::state::COUNTER_UNKNOWN;

const LOGIN: &str = "login";

fn mode(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

/// Doctor finds this and nothing else, says why alice is refused, and names this step.
fn refuses_alice(machine: &Machine, check: &str, step: &str) {
    let report = report(machine, &[]);
    assert_eq!(all(&report), [format!("problem {check} alice")]);
    let (cause, fix) = finding(&report, check);
    assert!(cause.starts_with("alice is refused: "), "{cause}");
    assert!(fix.contains(step), "{fix}");
    assert_eq!(
        ways(&report, LOGIN, "alice"),
        ["pam: password = refused unusable"]
    );
}

#[test]
fn records_that_cannot_be_used_are_found_with_what_mends_them() {
    let machine = healthy();
    let path = record_path("alice");
    let good = fs::read(&path).unwrap();
    mode(&path, 0o644);
    refuses_alice(&machine, "record", "chmod go-rwx");
    mode(&path, 0o600);
    chown(&path, Some(1), None).unwrap();
    refuses_alice(&machine, "record", "chown root:root");
    chown(&path, Some(0), None).unwrap();
    fs::write(&path, "format = 1\n").unwrap();
    refuses_alice(&machine, "record", "twofactor unset alice");
    let text = String::from_utf8(good.clone()).unwrap();
    let uid = text
        .lines()
        .find(|line| line.starts_with("uid = "))
        .unwrap();
    fs::write(&path, text.replace(uid, "uid = 4242")).unwrap();
    refuses_alice(&machine, "record", "twofactor unset alice");
    fs::remove_file(&path).unwrap();
    fs::create_dir(&path).unwrap();
    refuses_alice(&machine, "record", "twofactor unset alice");
    fs::remove_dir(&path).unwrap();
    fs::write(&path, good).unwrap();
    mode(&path, 0o600);
    assert_eq!(found(&machine), [""; 0]);
}

#[test]
fn states_that_cannot_be_used_are_mended_by_what_doctor_says() {
    let machine = healthy();
    let path = state_path("alice");
    let fix = || {
        machine.command(&["unlock", "alice", "--yes"]).ok();
        // The recovery codes are gone with the state.
        assert_eq!(found(&machine), ["warning single-device alice"]);
        machine.command(&["recovery-codes", "alice", "--yes"]).ok();
        assert_eq!(found(&machine), [""; 0]);
    };
    fs::write(&path, [7; 1024]).unwrap();
    refuses_alice(&machine, "state", "twofactor unlock alice");
    fix();
    fs::remove_file(&path).unwrap();
    refuses_alice(&machine, "state", "twofactor unlock alice");
    fix();
    set_state("alice", |state| state.devices.clear());
    refuses_alice(&machine, "state", "twofactor unlock alice");
    fix();
}

#[test]
fn users_who_are_kept_out_or_soon_will_be_are_found() {
    let machine = healthy();
    set_state("alice", |state| {
        state.failures = 6;
        state.last_failure = twofactor_store::sys::clock::now().unwrap();
    });
    let locked = report(&machine, &[]);
    assert_eq!(all(&locked), ["warning locked-out alice"]);
    assert_eq!(
        ways(&locked, LOGIN, "alice"),
        ["pam: password = refused locked-out"]
    );
    set_state("alice", |state| state.failures = 100);
    let locked = report(&machine, &[]);
    assert_eq!(all(&locked), ["problem locked-until-unlock alice"]);
    assert!(
        finding(&locked, "locked-until-unlock")
            .1
            .contains("twofactor unlock alice")
    );
    machine.command(&["unlock", "alice"]).ok();
    change_record("alice", |record| record.recovery = None);
    let single = report(&machine, &[]);
    assert_eq!(all(&single), ["warning single-device alice"]);
    assert!(
        finding(&single, "single-device")
            .1
            .contains("twofactor recovery-codes alice")
    );
    let token = [
        "enroll",
        "alice",
        "--device",
        "token",
        "--hotp",
        "--no-confirm",
    ];
    machine.command(&token).ok();
    assert_eq!(found(&machine), [""; 0]);
    set_state("alice", |state| {
        for device in &mut state.devices {
            device.next = COUNTER_UNKNOWN;
        }
    });
    let lost = report(&machine, &[]);
    assert_eq!(all(&lost), ["warning resync alice"]);
    assert_eq!(finding(&lost, "resync").1, "twofactor resync alice token");
}

#[test]
fn records_of_vanished_users_are_found() {
    let machine = healthy();
    machine.remove_user("alice");
    let report = report(&machine, &[]);
    assert_eq!(all(&report), ["problem vanished alice"]);
    machine.command(&["unset", "alice", "--yes"]).ok();
    assert_eq!(found(&machine), [""; 0]);
}

#[test]
fn two_names_of_one_user_are_found() {
    let machine = healthy();
    let passwd = machine.read("/etc/passwd");
    let line = passwd
        .lines()
        .find(|line| line.starts_with("alice:"))
        .unwrap();
    let twin = line.replacen("alice", "twin", 1);
    machine.write_file("/etc/passwd", format!("{passwd}{twin}\n"), 0o644);
    let report = report(&machine, &[]);
    assert_eq!(all(&report), ["warning shared-uid alice, twin"]);
    // The device of alice is that of twin, too.
    assert_eq!(ways(&report, LOGIN, "twin"), ways(&report, LOGIN, "alice"));
    assert_eq!(ways(&report, LOGIN, "twin"), ["pam: password+code = in -"]);
}

#[test]
fn a_policy_that_cannot_be_used_is_found() {
    let machine = healthy();
    let good = fs::read(policy_path()).unwrap();
    let policy = |check: &str| {
        let report = report(&machine, &[]);
        let found = all(&report);
        assert_eq!(
            found,
            [format!("problem policy {}", policy_path().display())]
        );
        let (cause, fix) = finding(&report, "policy");
        let refused = cause.contains("verybody is refused at ") && cause.contains("login, ");
        assert!(refused, "{cause}");
        assert!(fix.contains(check), "{fix}");
        assert!(report["enabled"].is_null());
        assert_eq!(
            ways(&report, LOGIN, "bob"),
            ["pam: password = refused unusable"]
        );
    };
    machine.policy("enabled = yes\n");
    policy("twofactor policy check");
    fs::write(policy_path(), &good).unwrap();
    mode(policy_path(), 0o666);
    policy("chmod go-w");
    fs::remove_file(policy_path()).unwrap();
    policy("twofactor enable");
}

#[test]
fn names_in_exemptions_that_are_not_there_are_found() {
    let machine = healthy();
    let good = machine.read(policy_path());
    let entry = "[[exempt]]\ngroups = [\"no-such-group\"]\n[[exempt]]\nusers = [\"ghost\"]\n";
    machine.policy(&format!("{good}\n{entry}"));
    let told = report(&machine, &[]);
    assert_eq!(
        all(&told),
        [
            "warning exempt-name no-such-group",
            "warning exempt-name ghost"
        ]
    );
    let (cause, fix) = finding(&told, "exempt-name");
    assert!(cause.contains("does not exist"), "{cause}");
    assert!(fix.contains("make the group"), "{fix}");
    let off = good.replace("enabled = true", "enabled = false");
    machine.policy(&format!("{off}\n{entry}"));
    assert_eq!(all(&report(&machine, &[])), [""; 0], "nothing is asked");
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
fn r6_doctor_reports_what_the_kernel_says_of_the_clock() {
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
fn with_many_users_the_table_is_cut_and_says_so() {
    let machine = healthy();
    let passwd = machine.read("/etc/passwd");
    let more: String = (0..60)
        .map(|number| format!("u{number}:x:{0}:{0}::/home:/bin/sh\n", 20_000 + number))
        .collect();
    machine.write_file("/etc/passwd", passwd + &more, 0o644);
    let report = report(&machine, &[]);
    let left_out = report["users_left_out"].as_u64().unwrap();
    assert!(left_out >= 33, "{left_out}");
    assert_eq!(ways(&report, LOGIN, "alice").len(), 1);
    assert_eq!(ways(&report, LOGIN, "root").len(), 1);
    let text = doctor(&machine, &[]).ok().stdout;
    assert!(text.contains("users not shown. To ask about one: twofactor doctor --user NAME"));
}

#[test]
fn what_stands_in_for_a_pam_file_that_cannot_be_read_is_found() {
    let machine = healthy();
    machine.stack("other", "@include common-auth\n@include common-account\n");
    let report = report(&machine, &[]);
    assert_eq!(
        all(&report),
        ["warning other-without-code /etc/pam.d/other"]
    );
    let (_, fix) = finding(&report, "other-without-code");
    assert!(
        fix.contains("the example `other` of the directory pam.d"),
        "{fix}"
    );
    // Where no service asks for a code, it takes nothing away.
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
