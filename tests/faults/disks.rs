//! A state directory on a disk that is full, has no inodes left, is read-only, or where the quota is used up. The right code
//! still works if only space is missing, no user is let in wrongly, and a failed change leaves everything as it was.

use std::fs;
use std::path::{Path, PathBuf};

use harness::Machine;
use harness::enrolled;
use harness::pam::{EXACT, code};
use twofactor_core::STATE_DIR;

use harness::enrolled::{
    ON, SERVICE, Token, add_account, add_recovery_codes, auth, enroll_token, record_path, run,
    state_of,
};

/// Makes a file system in a file and mounts it where records and states are.
fn machine_on(make: &str, size: &str) -> Machine {
    let machine = enrolled::machine(ON);
    machine.stack(SERVICE, &format!("auth {EXACT} pam_twofactor.so\n"));
    let shell = format!(
        "set -e
         mknod /dev/loop-control c 10 237
         for number in $(seq 0 63); do mknod /dev/loop$number b 7 $number; done
         truncate -s {size} /run/disk
         {make} /run/disk
         mount -o loop /run/disk {STATE_DIR}
         chmod 0700 {STATE_DIR}"
    );
    machine.run("sh", &["-c", &shell]).ok();
    enrolled::initialize(Path::new(STATE_DIR));
    machine
}

fn ext4() -> Machine {
    machine_on("mkfs.ext4 -q -F -N 64", "4M")
}

fn xfs() -> Machine {
    machine_on("mkfs.xfs -q -f", "320M")
}

/// The one common file system that has its quotas built in. It writes nothing in place, so that every write needs room.
fn btrfs() -> Machine {
    let machine = machine_on("mkfs.btrfs -q", "128M");
    machine.run("btrfs", &["quota", "enable", STATE_DIR]).ok();
    machine
}

/// Users on the disk: alice with a token and recovery codes, bob without anything yet.
struct Users {
    alice: Token,
    recovery: Vec<String>,
}

impl Users {
    fn add(machine: &Machine) -> Self {
        let alice = enroll_token(machine, "alice");
        add_account(machine, "bob");
        let recovery = add_recovery_codes("alice");
        Self { alice, recovery }
    }

    /// Checks what holds while space is missing.
    fn log_in_while_full(&self, machine: &Machine) {
        let alice = &self.alice;
        let record = fs::read(record_path("alice")).unwrap();
        for round in 1..=3 {
            let wrong = run(alice.login().answer(alice.wrong()));
            assert_eq!(wrong.auth, code::CONV_ERR, "asked again, round {round}");
            assert_eq!(state_of("alice").failures, 1);
            assert_eq!(auth(alice.login().answer(alice.code())), code::SUCCESS);
            assert_eq!(state_of("alice").failures, 0);
        }
        let code = &self.recovery[0];
        assert_eq!(auth(alice.login().answer(code)), code::SUCCESS);
        assert_ne!(auth(alice.login().answer(code)), code::SUCCESS, "once only");
        assert_eq!(fs::read(record_path("alice")).unwrap(), record);
        machine.forget_log();
    }

    /// A change needs space: it fails, and everything is as before.
    fn change_in_vain(&self, machine: &Machine, why: &str) {
        let (before, record) = (listing(), fs::read(record_path("alice")).unwrap());
        for arguments in [
            ["enroll", "bob", "--no-confirm", "--yes"],
            ["renew", "alice", "--no-confirm", "--yes"],
        ] {
            let failed = machine.command(&arguments).exits(4);
            assert!(failed.stderr.contains(why), "{failed:?}");
            assert_eq!(listing(), before, "{arguments:?}");
            assert_eq!(fs::read(record_path("alice")).unwrap(), record);
        }
    }

    fn log_in(&self) {
        let login = self.alice.login().answer(self.alice.code());
        assert_eq!(auth(login), code::SUCCESS);
    }

    /// With space again, everything works.
    fn change(&self, machine: &Machine) {
        machine
            .command(&["enroll", "bob", "--no-confirm", "--yes"])
            .ok();
        machine.command(&["recovery-codes", "alice", "--yes"]).ok();
        self.log_in();
    }
}

fn listing() -> Vec<PathBuf> {
    let parts = ["users", "state"].map(|part| Path::new(STATE_DIR).join(part));
    let entries = parts.iter().flat_map(|part| fs::read_dir(part).unwrap());
    let mut names: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    names.sort();
    names
}

/// Takes every byte, the last ones singly, and every place in the directories.
fn fill(machine: &Machine) {
    let shell = format!(
        "cd {STATE_DIR}
         for size in 1M 4k 512; do dd if=/dev/zero bs=$size 2>&- >> fill; done
         number=0
         while dd if=/dev/zero bs=4k count=1 of=fill$number 2>&-; do number=$((number + 1)); done
         sync -f ."
    );
    machine.run("sh", &["-c", &shell]);
    let full = machine.run(
        "sh",
        &["-c", &format!("head -c 1 /dev/zero > {STATE_DIR}/more")],
    );
    assert!(full.stderr.contains("No space left"), "{full:?}");
    fs::remove_file(Path::new(STATE_DIR).join("more")).ok();
}

fn free(machine: &Machine) {
    let shell = format!("rm -f {STATE_DIR}/fill* {STATE_DIR}/more*");
    machine.run("sh", &["-c", &shell]).ok();
}

fn full_disk(machine: &Machine) {
    let users = Users::add(machine);
    fill(machine);
    users.log_in_while_full(machine);
    users.change_in_vain(machine, "No space left on device");
    users.log_in();
    free(machine);
    users.change(machine);
}

#[test]
fn a_full_ext4_accepts_codes_and_refuses_changes() {
    full_disk(&ext4());
}

#[test]
fn a_full_xfs_accepts_codes_and_refuses_changes() {
    full_disk(&xfs());
}

#[test]
fn without_inodes_codes_work_and_changes_fail() {
    let machine = ext4();
    let users = Users::add(&machine);
    let shell = format!(
        "cd {STATE_DIR}; number=0; while : > fill$number; do number=$((number + 1)); done; sync -f ."
    );
    machine.run("sh", &["-c", &shell]);
    let left = machine.run("df", &["--output=iavail", STATE_DIR]).ok();
    assert_eq!(left.stdout.lines().last().unwrap().trim(), "0");
    users.log_in_while_full(&machine);
    users.change_in_vain(&machine, "No space left on device");
    users.log_in();
    free(&machine);
    users.change(&machine);
}

#[test]
fn a_read_only_disk_refuses_all_codes_alike() {
    let machine = ext4();
    let users = Users::add(&machine);
    let alice = &users.alice;
    let before = state_of("alice");
    machine.run("mount", &["-o", "remount,ro", STATE_DIR]).ok();
    let wrong = run(alice.login().answer(alice.wrong()));
    let right = run(alice.login().answer(alice.code_at(0)));
    assert_eq!(wrong.auth, code::AUTHINFO_UNAVAIL);
    assert_eq!(right, wrong);
    assert_eq!(state_of("alice"), before);
    machine
        .command(&["enroll", "bob", "--no-confirm", "--yes"])
        .exits(4);
    machine.run("mount", &["-o", "remount,rw", STATE_DIR]).ok();
    users.change(&machine);
}

#[test]
fn a_used_up_quota_refuses_all_codes_alike() {
    let machine = btrfs();
    let users = Users::add(&machine);
    let alice = &users.alice;
    let limit = |size: &str| {
        machine.run("sync", &["-f", STATE_DIR]).ok();
        let arguments = ["qgroup", "limit", size, STATE_DIR];
        machine.run("btrfs", &arguments).ok();
    };
    limit("1M");
    let fill = format!("dd if=/dev/zero bs=4k count=1000 of={STATE_DIR}/fill");
    let filled = machine.run("sh", &["-c", &fill]);
    assert!(filled.stderr.contains("quota exceeded"), "{filled:?}");
    let before = state_of("alice");
    let wrong = run(alice.login().answer(alice.wrong()));
    let right = run(alice.login().answer(alice.code_at(0)));
    assert_eq!(wrong.auth, code::AUTHINFO_UNAVAIL);
    assert_eq!(right, wrong);
    assert_eq!(state_of("alice"), before);
    users.change_in_vain(&machine, "quota exceeded");
    limit("none");
    free(&machine);
    users.log_in();
    users.change(&machine);
}
