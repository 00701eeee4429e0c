//! The program of `notify` is never run in a login.

use crate::app::{ANOTHER, OFFER, Person};
use crate::sshd::{devices, machine_with, runs};
use harness::logins::logged;

#[test]
fn a_device_of_a_login_is_told_by_the_log_alone() {
    let keys = "enroll_at_login = \"offer\"\nnotify = \"/usr/local/sbin/tell\"";
    let machine = machine_with(keys);
    let program = "#!/bin/sh\ncat >>/run/told\n";
    machine.write_file("/usr/local/sbin/tell", program, 0o755);
    let sshd = machine.sshd("");
    let mut person = Person::new(&[(OFFER, "yes"), (ANOTHER, "")]);
    let session = runs(sshd.login("alice"), &mut person);
    assert!(session.is_in(), "{session:?}");
    assert_eq!(devices(&machine, "alice"), 1);
    assert_eq!(
        logged(&machine, "sshd:account"),
        ["user=alice rhost=127.0.0.1 result=enrolled device=phone"]
    );
    drop(sshd);
    assert!(!std::fs::exists("/run/told").unwrap());
    // The control: the command runs it.
    machine.command(&["unlock", "alice"]).ok();
    assert_eq!(machine.read("/run/told").lines().count(), 1);
}
