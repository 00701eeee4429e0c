//! A state directory on a disk that is full under the daemon that runs: codes are judged in the room that they have, each change is
//! refused as a whole, and works once there is room.

use std::fs;
use std::path::{Path, PathBuf};

use harness::enrolled::{add_account, initialize, record_path, state_of};
use harness::logins::{ASK_CODE, Phone, enroll, enrolled, machine};
use harness::twofactord::{Daemon, DaemonConversation};
use harness::{Machine, PASSWORD};
use serde_json::{Value, json};
use twofactor_core::STATE_DIR;

use super::changes::{BEGIN, CONFIRM, RENEW, UNSET, VERIFY, alice, devices, phone as pending};
use super::own_changes::{ASK_DEVICE_CODE, after_login, alice as command, ended};

const UNAVAILABLE: &str = "io.twofactor.Unavailable";

/// alice has two devices and recovery codes, bob an invitation alone; the directory has a file system of its own.
struct SmallDisk {
    machine: Machine,
    phone: Phone,
    invitation: Value,
    daemon: Daemon,
}

impl SmallDisk {
    fn new() -> Self {
        let machine = machine();
        let mount = [
            "-t",
            "tmpfs",
            "-o",
            "mode=0700,size=512k",
            "small",
            STATE_DIR,
        ];
        machine.run("mount", &mount).ok();
        initialize(Path::new(STATE_DIR));
        let phone = enrolled(&machine, "alice");
        enroll(&machine, "alice", &["--device", "old"]);
        add_account(&machine, "bob");
        let invite = machine.command(&["--json", "invite", "bob"]).ok().stdout;
        let invite: Value = serde_json::from_str(&invite).unwrap();
        let daemon = machine.daemon();
        Self {
            machine,
            phone,
            invitation: invite["code"].clone(),
            daemon,
        }
    }

    /// Takes every byte.
    fn fill(&self) {
        let fill = format!("cat /dev/zero > {STATE_DIR}/fill");
        let filled = self.machine.run("sh", &["-c", &fill]);
        assert!(filled.stderr.contains("No space left"), "{filled:?}");
    }

    fn free(&self) {
        fs::remove_file(Path::new(STATE_DIR).join("fill")).unwrap();
    }

    fn verify(&self, code: &str) -> Value {
        let own = json!({"user": "alice", "code": code});
        let reply = self.machine.call_daemon("alice", VERIFY, &own).unwrap();
        reply["result"].clone()
    }

    /// bob's first device, up to the last step.
    fn begun_by_bob(&self) -> (DaemonConversation, Result<Value, String>) {
        let mut talk = self.machine.talk_to_daemon("bob");
        let begin = json!({"user": "bob", "code": self.invitation});
        let reply = talk.call(BEGIN, &begin);
        (talk, reply)
    }

    /// New recovery codes, as the command makes them after a login.
    fn new_codes(&self, proofs: [&str; 2], code: i32) -> String {
        let command = "/usr/local/bin/twofactor -y recovery-codes";
        let mut codes = after_login(&self.machine, command);
        codes.answer("Password: ", PASSWORD);
        codes.answer(ASK_CODE, proofs[0]);
        codes.answer(ASK_DEVICE_CODE, proofs[1]);
        ended(codes, code).shown
    }
}

/// The names of all files, and the content of the records.
fn kept() -> (Vec<PathBuf>, Vec<String>) {
    let parts = ["users", "state"].map(|part| Path::new(STATE_DIR).join(part));
    let entries = parts.iter().flat_map(|part| fs::read_dir(part).unwrap());
    let mut names: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    names.sort();
    let records = ["alice", "bob"].map(|user| fs::read_to_string(record_path(user)).unwrap());
    (names, records.into())
}

#[test]
fn codes_are_judged_on_a_full_disk() {
    let disk = SmallDisk::new();
    disk.fill();
    let (phone, machine) = (&disk.phone, &disk.machine);
    let before = kept();
    assert_eq!(devices(machine), ["phone", "old"]);
    let gate = machine.call_daemon("alice", "io.twofactor.Gate", &json!({"user": "alice"}));
    assert_eq!(gate, Ok(json!({"state": "ask"})));
    assert_eq!(disk.verify(&phone.wrong_code()), "wrong");
    assert_eq!(state_of("alice").daemon.in_a_row, 1);
    assert_eq!(disk.verify(&phone.recovery[0]), "accepted");
    assert_eq!(disk.verify(&phone.recovery[0]), "spent");
    assert_eq!(kept(), before);
    disk.free();
    assert_eq!(disk.verify(&phone.recovery[0]), "repeated");
    assert_eq!(disk.verify(&phone.recovery[1]), "accepted");
}

#[test]
fn changes_are_refused_whole_on_a_full_disk() {
    let disk = SmallDisk::new();
    let (phone, machine) = (&disk.phone, &disk.machine);
    let mut proofs = phone.recovery.iter();
    let mut proof = || proofs.next().unwrap().as_str();
    let mut talk = machine.talk_to_daemon("alice");
    let begin = json!({"device": "tablet", "code": proof()});
    let tablet = pending(&alice(&mut talk, BEGIN, begin));
    let mut other = machine.talk_to_daemon("alice");
    let renew = json!({"device": "old", "code": proof()});
    let renewed = pending(&alice(&mut other, RENEW, renew));
    let before = kept();
    disk.fill();
    let own = |code: &str| json!({"user": "alice", "code": code});
    let unavailable = || Err(UNAVAILABLE.to_owned());
    assert_eq!(talk.call(CONFIRM, &own(&tablet.code())), unavailable());
    assert_eq!(other.call(CONFIRM, &own(&renewed.code())), unavailable());
    let unset = json!({"user": "alice", "device": "old", "code": proof()});
    assert_eq!(talk.call(UNSET, &unset), unavailable());
    let codes = disk.new_codes([proof(), &phone.code()], 4);
    let told = "twofactord gave no answer, and may have made the change: ";
    assert!(codes.contains(told), "{codes}");
    // A device that only waits takes no room.
    let (mut bobs, begun) = disk.begun_by_bob();
    let first = pending(&begun.unwrap()["change"]);
    let confirm = json!({"user": "bob", "code": first.code()});
    assert_eq!(bobs.call(CONFIRM, &confirm), unavailable());
    let begin = json!({"device": "watch", "code": proof()});
    pending(&alice(&mut talk, BEGIN, begin));
    assert_eq!(kept(), before);
    let log = disk.daemon.log();
    assert!(log.contains("No space left on device"), "{log}");
    disk.free();
    assert_eq!(kept(), before);
    all_works(&disk, &mut proof);
}

/// Each change that was refused, once more.
fn all_works<'p>(disk: &SmallDisk, proof: &mut impl FnMut() -> &'p str) {
    let machine = &disk.machine;
    let mut talk = machine.talk_to_daemon("alice");
    for (method, device, result) in [(BEGIN, "tablet", "stored"), (RENEW, "old", "stored")] {
        let new = pending(&alice(
            &mut talk,
            method,
            json!({"device": device, "code": proof()}),
        ));
        let stored = alice(&mut talk, CONFIRM, json!({"code": new.code()}));
        assert_eq!(stored["result"], result, "{method}: {stored}");
    }
    let unset = json!({"device": "old", "code": proof()});
    assert_eq!(alice(&mut talk, UNSET, unset)["result"], "removed");
    assert_eq!(devices(machine), ["phone", "tablet"]);
    let (mut bobs, begun) = disk.begun_by_bob();
    let new = pending(&begun.unwrap()["change"]);
    let confirm = json!({"user": "bob", "code": new.code()});
    let stored = bobs.call(CONFIRM, &confirm).unwrap();
    assert_eq!(stored["change"]["result"], "stored", "{stored}");
    let codes = disk.new_codes([proof(), &disk.phone.code_after(1)], 0);
    assert!(codes.contains("they are not shown again:"), "{codes}");
}

/// The command says in one sentence what is known, and then what to do.
#[test]
fn the_command_says_how_to_see_what_is_stored() {
    let disk = SmallDisk::new();
    disk.fill();
    let before = kept();
    let unset = ["unset", "--device=old", "--yes"];
    let run = command(
        &disk.machine,
        &unset,
        &format!("{}\n", disk.phone.recovery[0]),
    );
    let told = "twofactor: twofactord gave no answer, and may have made the change: ";
    assert!(run.stderr.contains(told), "{}", run.stderr);
    let next = "To see what is stored: twofactor status\n";
    assert!(run.stderr.contains(next), "{}", run.stderr);
    assert_eq!(run.code, Some(4), "{}", run.stderr);
    assert_eq!(kept(), before);
}
