//! Programs start with the signals of a fresh login, wherever the tests were started from.

use std::process::Command;

use harness::Machine;

const AGAIN: &str = "HARNESS_WITH_IGNORED_SIGNALS";

const STATUS: [&str; 2] = ["SigIgn", "/proc/self/status"];

#[test]
fn a_program_ignores_no_signal_that_the_test_ignores() {
    if std::env::var_os(AGAIN).is_some() {
        let own = std::fs::read_to_string(STATUS[1]).unwrap();
        // SIGHUP, SIGINT, SIGQUIT and, by Rust itself, SIGPIPE.
        assert_eq!(ignored(&own), 0x1007);
        let machine = Machine::new();
        assert_eq!(ignored(&machine.run("grep", &STATUS).ok().stdout), 0);
        assert_eq!(ignored(&machine.pty("grep", &STATUS).end().shown), 0);
        println!("seen");
        return;
    }
    let test = std::env::current_exe().unwrap();
    let run = Command::new("sh")
        .args(["-c", "trap '' HUP INT QUIT; exec \"$@\"", "sh"])
        .arg(test)
        .args([
            "--exact",
            "signals::a_program_ignores_no_signal_that_the_test_ignores",
        ])
        .arg("--nocapture")
        .env(AGAIN, "1")
        .output()
        .unwrap();
    let shown = String::from_utf8_lossy(&run.stdout);
    assert!(run.status.success() && shown.contains("seen"), "{run:?}");
}

/// The ignored signals of a process, one bit for each of 1 to 31; those above are the C library's.
fn ignored(status: &str) -> u64 {
    let line = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    u64::from_str_radix(line.unwrap().trim(), 16).unwrap() & 0x7fff_ffff
}
