//! fail2ban, which bans addresses by the filter of `packaging/fail2ban`.

use std::path::Path;

use harness::logins::{enrolled, machine, policy};
use harness::{Machine, PASSWORD, Sshd};

/// The addresses that fail2ban finds in the log, in order, as `fail2ban-regex` prints them.
fn banned(machine: &Machine) -> Vec<String> {
    let unpacked = harness::artefacts::target().join("fail2ban/root");
    let directory = machine.scratch();
    let filter = harness::workspace().join("packaging/fail2ban/pam_twofactor.conf");
    let config = directory.join("config");
    let copy = ["-r", &text(&unpacked.join("etc/fail2ban")), &text(&config)];
    machine.run("cp", &copy).ok();
    std::fs::copy(filter, config.join("filter.d/pam_twofactor.conf")).unwrap();
    let log = directory.join("log");
    machine.write_file(&log, lines(machine), 0o600);
    let run = machine
        .program("python3")
        .env(
            "PYTHONPATH",
            text(&unpacked.join("usr/lib/python3/dist-packages")),
        )
        .args(&[
            &text(&unpacked.join("usr/bin/fail2ban-regex")),
            "-c",
            &text(&config),
            "-o",
            "id",
            &text(&log),
            "pam_twofactor",
        ])
        .run()
        .ok();
    run.stdout.lines().map(str::to_owned).collect()
}

fn text(path: &Path) -> String {
    path.display().to_string()
}

/// The log as rsyslog writes it: the datagrams, with the name of the host after the time.
fn lines(machine: &Machine) -> String {
    let of = |raw: Vec<u8>| {
        let raw = String::from_utf8(raw).unwrap();
        let (_, line) = raw.split_once('>').unwrap();
        let (time, rest) = line.split_at("Nov 28 03:40:13 ".len());
        format!("{time}host {rest}\n")
    };
    machine.log().into_iter().map(|line| of(line.raw)).collect()
}

fn wrong(sshd: &Sshd<'_>, user: &str, address: &str, answers: &[&str]) {
    let session = sshd.login(user).from(address).answers(answers).run();
    assert!(!session.is_in(), "{user} from {address}");
}

#[test]
fn addresses_of_wrong_codes_are_banned() {
    let machine = machine();
    let phone = enrolled(&machine, "alice");
    policy(&machine, "tries = 1", "attempts = 1\nlockout = 900");
    let sshd = machine.sshd("");
    let code = phone.code();
    let answers = [PASSWORD, &code];
    assert!(
        sshd.login("alice")
            .from("127.0.0.2")
            .answers(&answers)
            .run()
            .is_in()
    );
    // A used code, and a password that is wrong.
    wrong(&sshd, "alice", "127.0.0.3", &answers);
    wrong(&sshd, "alice", "127.0.0.4", &["guess"]);
    assert_eq!(banned(&machine), [""; 0]);
    wrong(
        &sshd,
        "alice",
        "127.0.0.5",
        &[PASSWORD, &phone.wrong_code()],
    );
    // While codes have to wait: it was another address that made alice wait.
    wrong(&sshd, "alice", "127.0.0.6", &[PASSWORD, &phone.code()]);
    let refused = "user=alice rhost=127.0.0.6 result=throttled";
    assert!(lines(&machine).contains(refused), "{}", lines(&machine));
    assert_eq!(banned(&machine), ["127.0.0.5"]);
}

#[test]
fn a_user_name_bans_no_other_address() {
    let machine = machine();
    enrolled(&machine, "alice");
    policy(&machine, "enforcement = \"mandatory\"\ntries = 1", "");
    // The code comes first here, so that the module sees names that pam_unix would have refused.
    machine.stack(
        "sshd",
        "auth [success=ok ignore=ignore default=die] pam_twofactor.so\nauth requisite pam_unix.so nodelay\n",
    );
    let sshd = machine.sshd("");
    for name in [
        "x rhost=192.0.2.9 result=wrong",
        "pam_twofactor(sshd:auth): user=x rhost=192.0.2.9 result=wrong",
    ] {
        wrong(&sshd, name, "127.0.0.2", &["000000"]);
    }
    wrong(&sshd, "alice", "127.0.0.3", &["000000"]);
    assert_eq!(banned(&machine), ["127.0.0.3"]);
}
