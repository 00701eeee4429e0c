//! A machine on which everything is right, for `twofactor doctor` to find what a test breaks.

use crate::{Machine, Program, Run};
use serde_json::Value;

use crate::logins::{self, enroll};

/// sshd's settings that the README recommends.
pub const SSHD: &str = "UsePAM yes\nKbdInteractiveAuthentication yes\nPasswordAuthentication no\n";

/// A kernel that says that its clock is kept right; the real one may say anything.
pub const SYNCHRONIZED: &str = "retval=0";
/// An answer of adjtimex(2): no time service keeps the clock right. STA_UNSYNC, 0x40, is in the word at byte 40 of struct timex.
pub const UNSYNCHRONIZED: &str = "retval=5:poke_exit=@arg2=\
    0000000000000000000000000000000000000000000000000000000000000000000000000000000040000000";

/// alice has a phone and recovery codes, bob has nothing; policy, stacks and sshd are as they should be.
pub fn healthy() -> Machine {
    let machine = logins::machine();
    machine.add_user("alice");
    machine.add_user("bob");
    enroll(&machine, "alice", &[]);
    machine.install_stack("other");
    // Whatever else this computer lets people log in with.
    let login = machine.read("/etc/pam.d/login");
    for service in ["cockpit", "gdm-password", "lightdm", "sddm", "xrdp-sesman"] {
        if std::path::Path::new("/etc/pam.d").join(service).exists() {
            machine.stack(service, &login);
        }
    }
    for service in takes_in_a_login(&machine) {
        std::fs::remove_file(std::path::Path::new("/etc/pam.d").join(service)).unwrap();
    }
    sshd(&machine, SSHD);
    machine
}

/// Services of this computer, such as i3lock on Debian, that take in the file of another one, and with it its code.
fn takes_in_a_login(machine: &Machine) -> Vec<String> {
    const LOGINS: [&str; 6] = ["sshd", "login", "su", "su-l", "sudo", "sudo-i"];
    let entries = std::fs::read_dir("/etc/pam.d").unwrap();
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let others = names.filter(|name| !LOGINS.contains(&name.as_str()));
    let takes_in = |name: &String| {
        let text = machine.read(format!("/etc/pam.d/{name}"));
        text.lines().any(|line| {
            let words: Vec<&str> = line.split_whitespace().collect();
            let taken = words
                .windows(2)
                .find(|two| two[0].ends_with("include") || two[0] == "substack");
            taken.is_some_and(|two| LOGINS.contains(&two[1]))
        })
    };
    others.filter(takes_in).collect()
}

/// Writes sshd's configuration.
pub fn sshd(machine: &Machine, settings: &str) {
    let key = "/etc/ssh/test_host_key";
    if !std::path::Path::new(key).exists() {
        let generate = ["-q", "-t", "ed25519", "-N", "", "-C", "", "-f", key];
        machine.run("ssh-keygen", &generate).ok();
    }
    machine.write_file(
        "/etc/ssh/sshd_config",
        format!("HostKey {key}\nPermitRootLogin yes\n{settings}"),
        0o644,
    );
}

/// The command, with this answer of the kernel about its clock.
pub fn with_clock(machine: &Machine, inject: &str, arguments: &[&str]) -> Program {
    let strace = machine.program("strace").args(&["-qq", "-o", "/dev/null"]);
    let strace = strace.arg(format!("--inject=adjtimex,clock_adjtime:{inject}"));
    strace.arg("/usr/local/bin/twofactor").args(arguments)
}

/// `twofactor doctor`, with more arguments, on a machine whose clock is kept right.
pub fn doctor(machine: &Machine, arguments: &[&str]) -> Run {
    let all = [&["doctor"], arguments].concat();
    with_clock(machine, SYNCHRONIZED, &all).run()
}

/// Its report.
///
/// # Panics
/// When the exit code is not the one for these findings.
pub fn report(machine: &Machine, arguments: &[&str]) -> Value {
    let run = doctor(machine, &[arguments, &["--json"]].concat());
    let report: Value = serde_json::from_str(&run.stdout)
        .unwrap_or_else(|error| panic!("{error}: {} {}", run.stdout, run.stderr));
    let expected = i32::from(report["problems"].as_u64().unwrap() > 0);
    run.exits(expected);
    report
}

/// Its findings, as `level check subject`.
pub fn found(machine: &Machine) -> Vec<String> {
    all(&report(machine, &[]))
}

/// The findings of a report, as `level check subject`.
pub fn all(report: &Value) -> Vec<String> {
    let findings = report["findings"].as_array().unwrap().iter();
    let word = |finding: &Value, key: &str| finding[key].as_str().unwrap().to_owned();
    findings
        .map(|finding| {
            let parts = ["level", "check", "subject"].map(|key| word(finding, key));
            parts.join(" ")
        })
        .collect()
}

/// Cause and fix of a finding.
///
/// # Panics
/// When there is none of that kind.
pub fn finding(report: &Value, check: &str) -> (String, String) {
    let findings = report["findings"].as_array().unwrap();
    let found = findings
        .iter()
        .find(|finding| finding["check"] == check)
        .unwrap_or_else(|| panic!("no {check} in {findings:#?}"));
    let text = |key: &str| found[key].as_str().unwrap().to_owned();
    (text("cause"), text("fix"))
}

/// The ways of a user at a service, each as `method: asks = result why`.
pub fn ways(report: &Value, service: &str, user: &str) -> Vec<String> {
    let logins = report["logins"].as_array().unwrap();
    let login = logins
        .iter()
        .find(|login| login["service"] == service && login["user"] == user)
        .unwrap_or_else(|| panic!("no {service} of {user} in {logins:#?}"));
    let ways = login["ways"].as_array().unwrap().iter();
    ways.map(|way| {
        let asks: Vec<&str> = way["asks"]
            .as_array()
            .unwrap()
            .iter()
            .map(|ask| ask.as_str().unwrap())
            .collect();
        format!(
            "{}: {} = {} {}",
            way["method"].as_str().unwrap_or("pam"),
            asks.join("+"),
            way["result"].as_str().unwrap(),
            way["why"].as_str().unwrap_or("-")
        )
    })
    .collect()
}
