//! The program of `notify` in the unit of the daemon, with all its limits.

use std::time::Duration;

use harness::BootedSystem;

use super::ready::*;

const PROGRAM: &str = "/usr/local/sbin/factor-changed";
const SERVICE: &str = "twofactord.service";
/// Hands the line to the journal, as docs/automation.md shows it.
const SCRIPT: &str = "#!/bin/sh\nexec logger -t factor-changed -p authpriv.notice\n";

/// The lines of a program in the journal.
fn journal(system: &BootedSystem, tag: &str) -> String {
    let words = ["--no-pager", "--output=cat", "--identifier", tag];
    system.run("journalctl", &words).ok().stdout
}

/// Waits for what the system does, two minutes at most.
pub(super) fn await_until(is_there: &dyn Fn() -> bool) {
    for _ in 0..1200 {
        if is_there() {
            return;
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    panic!("it does not come");
}

#[test]
fn the_unit_runs_the_program_and_ends_when_idle() {
    let (machine, mut system, _token) = in_use();
    machine.write_file(PROGRAM, SCRIPT, 0o755);
    machine.write_file("/usr/local/bin/enroll", super::logins::ENROLL, 0o755);
    let set = ["policy", "set", "notify", PROGRAM, "--yes"];
    system.run("twofactor", &set).ok();
    console_login(system.console(), "bob", None);
    system.console().send_line("enroll");
    system.console().expect("\"result\":\"stored\"\n");
    console_logout(system.console());
    await_until(&|| journal(&system, "factor-changed").contains("\"event\":\"enroll\""));
    let told = journal(&system, "factor-changed");
    assert_eq!(told.lines().count(), 1, "{told}");
    assert!(
        told.contains("\"user\":\"bob\"") && told.contains("\"service\":\"twofactord\""),
        "{told}"
    );
    let log = journal(&system, "twofactord");
    assert!(!log.contains("not-notified"), "{log}");
    // Without a connection it ends, and the next change finds the program again.
    await_until(&|| system.property(SERVICE, "ActiveState") == "inactive");
    assert_eq!(system.property(SERVICE, "Result"), "success");
    let log = journal(&system, "twofactord");
    assert!(!log.contains("not-notified"), "{log}");
}
