//! The sources of files, and the files that may be read.

use std::os::unix::fs::{chown, symlink};

use harness::desk::{desk_on, json, lets_in};
use harness::enrolled::{SECRET, record_path};
use harness::hotp;

use super::{HEX, import, write_state_file};

#[test]
fn files_that_others_could_have_written_are_refused() {
    let machine = desk_on();
    let line = format!("HOTP alice - {HEX}\n");
    machine.write_file("/root/open", &line, 0o622);
    let refused = machine
        .command(&["import", "users-oath", "/root/open", "--yes"])
        .exits(1);
    assert!(
        refused.stderr.contains("chmod go-w /root/open"),
        "{}",
        refused.stderr
    );
    machine.write_file("/root/foreign", &line, 0o600);
    chown("/root/foreign", Some(54_321), None).unwrap();
    let refused = machine
        .command(&["import", "users-oath", "/root/foreign", "--yes"])
        .exits(1);
    assert!(
        refused.stderr.contains("chown root /root/foreign"),
        "{}",
        refused.stderr
    );
    symlink("/root/open", "/root/link").unwrap();
    machine
        .command(&["import", "users-oath", "/root/link", "--yes"])
        .exits(1);
    machine.run("mkfifo", &["/root/fifo"]).ok();
    machine
        .command(&["import", "uri", "/root/fifo", "--yes"])
        .exits(1);
    assert!(!record_path("alice").exists());
}

/// Every kind of import takes standard input, and says of a backup once what it is.
#[test]
fn standard_input_is_a_file_of_every_kind() {
    let machine = desk_on();
    let google = format!("\u{feff}{SECRET}\r\n\" HOTP_COUNTER 5\r\n");
    let kinds: [(&[&str], String); 3] = [
        (&["google-authenticator", "-", "--user", "alice"], google),
        (
            &["users-oath", "-"],
            format!("\u{feff}HOTP\tbob\t-\t{HEX}\r\n"),
        ),
        (
            &["uri", "-", "--user", "alice"],
            "\u{feff}otpauth://totp/x?secret=GEZD+GNBV+GY3T+QOJQ\r\n".to_owned(),
        ),
    ];
    for (kind, text) in &kinds {
        let words = [&["import", "--yes", "--json"], *kind].concat();
        let report = json(machine.twofactor(&words).input(text.as_str()).run());
        assert_eq!(
            (&report["taken"], &report["refused"]),
            (&1.into(), &0.into())
        );
        let backup = "{\n \"encrypted\": true,\n \"data\": \"x\"\n}\n";
        let words = [&["import", "--yes"], *kind].concat();
        let run = machine.twofactor(&words).input(backup).run().exits(1);
        assert_eq!(
            run.stdout
                .matches("is an encrypted backup of Bitwarden. ")
                .count(),
            1
        );
        assert_eq!(run.stdout.matches("  -:1:").count(), 1, "{}", run.stdout);
    }
    assert!(lets_in("alice", &hotp(SECRET, 5, 6)) && lets_in("bob", &hotp(SECRET, 0, 6)));
}

/// A directory that answers for names and lists none: its users are not silently left out.
#[test]
fn a_directory_that_lists_no_user_is_named() {
    let machine = desk_on();
    machine.write_file(
        "/etc/nsswitch.conf",
        "passwd: files [NOTFOUND=continue] sss\ngroup: files\n",
        0o644,
    );
    let all = ["import", "google-authenticator", "--all", "--dry-run"];
    let told = "Not looked at: users of sss, which lists none. To import of one: --user NAME\n";
    let none = machine.command(&all).exits(1);
    assert!(none.stderr.contains(told), "{}", none.stderr);
    write_state_file(&machine, "alice", format!("{SECRET}\n\" HOTP_COUNTER 5\n"));
    let run = machine.command(&all).ok();
    assert!(run.stdout.contains(told), "{}", run.stdout);
    let report = import(&machine, &["google-authenticator", "--all"]);
    assert_eq!(report["unlisted"], serde_json::json!(["sss"]));
    machine.write_file("/etc/nsswitch.conf", "passwd: files\ngroup: files\n", 0o644);
    let run = machine.command(&all).ok();
    assert!(!run.stdout.contains("Not looked at"), "{}", run.stdout);
}

/// The directories are not known then: users could be left out silently.
#[test]
fn an_unreadable_list_of_directories_is_an_error() {
    let machine = desk_on();
    write_state_file(&machine, "alice", format!("{SECRET}\n\" HOTP_COUNTER 5\n"));
    let all = ["import", "google-authenticator", "--all", "--dry-run"];
    machine.command(&all).ok();
    machine.run("rm", &["-f", "/etc/nsswitch.conf"]).ok();
    machine.run("mkdir", &["/etc/nsswitch.conf"]).ok();
    let run = machine.command(&all).exits(4);
    assert!(run.stderr.contains("cannot be read"), "{}", run.stderr);
}
