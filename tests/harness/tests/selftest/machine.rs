//! The harness itself: real logins work and fail as they should, the log is caught, and nothing is left behind.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use harness::pam::{self, Drive, code};
use harness::{HOST_NAME, Machine, PASSWORD, SyslogLine, Totp, hotp, oathtool, otp};

pub(super) const UNIX: &str = "auth required pam_unix.so nodelay\naccount required pam_unix.so\nsession required pam_unix.so\n";

#[test]
fn login_runs_on_a_terminal() {
    let machine = Machine::new();
    machine.add_user("alice");
    machine.set_password("root");
    machine.stack("login", UNIX);
    for (user, prompt) in [("alice", "$ "), ("root", "# ")] {
        let mut login = machine.pty("login", &[]);
        login
            .answer("login: ", user)
            .answer("Password: ", "wrong")
            .expect("Login incorrect");
        login.answer("login: ", user).answer("Password: ", PASSWORD);
        login.answer(prompt, "echo this is $(id -un) on $(tty)");
        login.expect(&format!("this is {user} on /dev/pts/"));
        login.answer(prompt, "exit");
        assert_eq!(login.end().code, Some(0));
    }
}

#[test]
fn su_and_sudo_are_run_by_an_ordinary_user() {
    let machine = Machine::new();
    machine.add_user("alice");
    machine.add_user("bob");
    machine.stack("su", UNIX);
    machine.stack("su-l", UNIX);
    machine.stack("sudo", UNIX);
    machine.allow_sudo("alice");
    let mut su = machine
        .program("su")
        .args(&["-", "bob", "-c", "id -un"])
        .user("alice")
        .pty();
    su.answer("Password: ", PASSWORD).expect("bob\n");
    assert_eq!(su.end().code, Some(0));
    let mut su = machine
        .program("su")
        .args(&["bob", "-c", "id -un"])
        .user("alice")
        .pty();
    su.answer("Password: ", "wrong")
        .expect("Authentication failure");
    assert_eq!(su.end().code, Some(1));
    // One terminal for both, since sudo remembers the terminal on which the password was typed.
    let mut sudo = machine
        .program("sh")
        .args(&["-c", "sudo id -un; echo between; sudo id -un"])
        .user("alice")
        .pty();
    sudo.answer("password for alice: ", PASSWORD)
        .expect("root\nbetween\nroot\n");
    assert_eq!(sudo.end().code, Some(0));
}

#[test]
fn groups_and_removed_users_are_seen_by_the_system() {
    let machine = Machine::new();
    machine.add_user("alice");
    let group = machine.add_group("robots");
    machine.add_to_group("alice", "robots");
    let groups = machine
        .program("id")
        .arg("-Gn")
        .user("alice")
        .run()
        .ok()
        .stdout;
    assert_eq!(groups, "alice robots\n");
    assert_eq!(
        machine.run("getent", &["group", "robots"]).ok().stdout,
        format!("robots:x:{group}:alice\n")
    );
    machine.remove_user("alice");
    machine.run("id", &["alice"]).exits(1);
}

#[test]
fn the_log_holds_what_programs_sent_to_syslog() {
    let machine = Machine::new();
    let send = |text| {
        let options = ["--socket", "/dev/log", "-p", "authpriv.notice"];
        let words = [options.as_slice(), &["-t", "prog", text]].concat();
        machine.run("logger", &words).ok();
    };
    send("first: one");
    machine.forget_log();
    send("second: two");
    let lines = machine.log();
    let raw = lines[0].raw.clone();
    let line = |raw| SyslogLine {
        facility: "authpriv".into(),
        severity: "notice",
        program: "prog".into(),
        message: "second: two".into(),
        raw,
    };
    assert_eq!(lines, [line(raw)]);

    machine.add_user("alice");
    let stacks = pam::stack("x", "auth required pam_unix.so nodelay");
    assert_eq!(
        Drive::new(stacks.path())
            .service("x")
            .user("alice")
            .answer("wrong")
            .run()
            .auth,
        code::AUTH_ERR
    );
    let line = machine.wait_for_log("authentication failure");
    assert_eq!(
        (line.program.as_str(), line.facility.as_str(), line.severity),
        ("pamdrive", "authpriv", "notice")
    );
    assert!(
        line.message
            .starts_with("pam_unix(x:auth): authentication failure;"),
        "{line:?}"
    );
    assert!(line.message.ends_with("user=alice"), "{line:?}");
}

#[test]
fn nothing_is_left_behind() {
    let sleep = format!("sleep 9{:08}", std::process::id());
    let before = real_machine();
    {
        let machine = Machine::new();
        machine.add_user("alice");
        machine.stack("sshd", UNIX);
        machine.write_file("/tmp/harness-leak-probe", "", 0o600);
        assert_eq!(
            machine.run("hostname", &[]).ok().stdout,
            format!("{HOST_NAME}\n")
        );
        let sshd = machine.sshd("");
        let remote = format!("setsid -f {sleep} >/dev/null 2>&1 </dev/null; echo it-is-in");
        let session = sshd.login("alice").answer(PASSWORD).remote(&remote).run();
        assert!(session.is_in());
        machine.run("pgrep", &["-fx", &sleep]).ok();
        assert_eq!(processes(&sleep).len(), 1);
    }
    assert_eq!(real_machine(), before);
    assert_eq!(processes(&sleep).len(), 0);
    assert!(!Path::new("/tmp/harness-leak-probe").exists());
}

#[test]
fn a_killed_test_leaves_nothing() {
    const HOLD: &str = "HARNESS_HOLD_UNTIL_KILLED";
    if let Some(seconds) = std::env::var_os(HOLD) {
        let machine = Machine::new();
        machine.add_user("alice");
        let _sshd = machine.sshd("");
        let sleeper = machine
            .program("setsid")
            .args(&["-f", "sleep"])
            .arg(seconds)
            .run();
        assert_eq!(sleeper.code, Some(0));
        println!("ready");
        std::thread::sleep(Duration::from_secs(100));
        panic!("this process was not killed");
    }
    let before = real_machine();
    let seconds = format!("8{:08}", std::process::id());
    let sleep = format!("sleep {seconds}");
    let mut victim = Command::new(std::env::current_exe().unwrap());
    victim
        .args([
            "--exact",
            "machine::a_killed_test_leaves_nothing",
            "--nocapture",
        ])
        .env(HOLD, &seconds);
    let mut victim = victim
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let ready = BufReader::new(victim.stdout.take().unwrap())
        .lines()
        .any(|line| line.unwrap().contains("ready"));
    // The process that was forked may not be the sleep yet.
    let running = (0..5000)
        .map(|_| processes(&sleep).len())
        .inspect(|_| std::thread::sleep(Duration::from_millis(2)))
        .find(|found| *found > 0);
    victim.kill().unwrap();
    victim.wait().unwrap();
    assert_eq!((ready, running), (true, Some(1)));
    let gone = (0..5000).any(|_| {
        std::thread::sleep(Duration::from_millis(2));
        processes(&sleep).is_empty()
    });
    assert!(gone, "{:?}", processes(&sleep));
    assert_eq!(real_machine(), before);
}

#[test]
fn a_second_machine_sees_nothing_of_the_first() {
    for _ in 0..2 {
        let machine = Machine::new();
        machine.run("id", &["only-here"]).exits(1);
        machine.add_user("only-here");
        machine.run("id", &["only-here"]).ok();
        assert_eq!(machine.log(), []);
    }
}

#[test]
fn codes_come_from_oathtool() {
    // RFC 4226 appendix D and RFC 6238 appendix B.
    let secret = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ";
    assert_eq!(hotp(secret, 0, 6), "755224");
    assert_eq!(
        otp::hotp_codes(secret, 1, 3, 6),
        ["287082", "359152", "969429"]
    );
    assert_eq!(oathtool(secret, Some(59), 8, 30, "SHA1"), "94287082");
    let totp = Totp::new(secret);
    totp.settle(5);
    let code = totp.code();
    assert_eq!(code, oathtool(secret, None, 6, 30, "SHA1"));
    assert_ne!(totp.wrong_code(), code);
}

/// Things that a machine could have changed of the real one: mounts, interfaces, users, working directory.
fn real_machine() -> [String; 5] {
    let read = |path: &str| std::fs::read_to_string(path).unwrap();
    let directory = std::env::current_dir().unwrap().display().to_string();
    let network = read("/proc/thread-self/net/fib_trie");
    [
        read("/proc/thread-self/mounts"),
        network,
        read("/etc/passwd"),
        read("/proc/sys/kernel/hostname"),
        directory,
    ]
}

/// The processes with exactly this command line.
fn processes(command: &str) -> Vec<String> {
    let list = Command::new("pgrep")
        .args(["-fx", command])
        .output()
        .unwrap();
    String::from_utf8_lossy(&list.stdout)
        .lines()
        .map(str::to_owned)
        .collect()
}
