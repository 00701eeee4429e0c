//! `make demo`: two-factor login from end to end through a real sshd, for people to watch.
//!
//! With INTERACTIVE=1 the person at the terminal then scans the QR code and logs in. Ends with 0 only if everything was as
//! expected, and if files and mounts of the real machine are as they were before.
#![forbid(unsafe_code)]

use std::collections::BTreeMap;
use std::env;
use std::fs;
use std::io::IsTerminal as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use harness::{Machine, PASSWORD, SshAnswer, Sshd, artefacts, oathtool, otp};

const USER: &str = "alice";
/// Seconds for which the phone shows one code.
const INTERVAL: u64 = 30;

fn main() -> ExitCode {
    let before = RealMachine::look();
    let shown = std::panic::catch_unwind(show);
    step("The machine is as it was before");
    let after = RealMachine::look();
    say(&format!(
        "{} files have the same content, owner, mode and time: {}",
        before.files.len(),
        before.files == after.files
    ));
    say(&format!(
        "The same file systems are mounted: {}",
        before.mounts == after.mounts
    ));
    if shown.is_ok() && before == after {
        step("Everything went as expected. README.md says how to set this up for real.");
        ExitCode::SUCCESS
    } else {
        step("The demo did not go as expected.");
        ExitCode::FAILURE
    }
}

fn show() {
    let machine = Machine::new();
    machine.add_user(USER);
    let key = machine.add_key(USER);
    machine.install_stack("sshd");
    machine.policy("enabled = false\n");
    machine.command(&["init"]).ok();
    let sshd = machine.sshd("");
    // The settings of that sshd, where the command looks for them.
    machine.write_file(
        "/etc/ssh/sshd_config.d/01-twofactor.conf",
        "KbdInteractiveAuthentication yes\nPasswordAuthentication no\n",
        0o644,
    );

    step("1. A private machine: the user alice, a real sshd, and the module in its PAM stack");
    say(&format!(
        "sshd listens on port {} with PasswordAuthentication no and KbdInteractiveAuthentication yes.",
        sshd.port()
    ));
    say(
        "/etc/pam.d/sshd is pam.d/sshd of this directory. The policy is switched off, as after an installation.",
    );

    step("2. Installed, but switched off: a login is what it always was");
    login(&sshd, None, &[("Password: ", PASSWORD)], LoginEnd::In);

    step(
        "3. The administrator enrolls alice; her phone is played by oathtool and types a code to confirm",
    );
    let phone = enroll(&machine);

    step("4. The administrator turns it on for sshd");
    say("# twofactor enable --service sshd --yes");
    let enabled = machine.command(&["enable", "--service", "sshd", "--yes"]);
    indent(&enabled.ok().stdout);

    step("5. alice logs in with password and code");
    // The confirmation has used up the code of its time; the next one is accepted already, as phones may be fast.
    let code = phone.code_after(1);
    let (password, question) = (("Password: ", PASSWORD), "Verification code: ");
    login(&sshd, None, &[password, (question, &code)], LoginEnd::In);

    step(
        "6. A person looked over her shoulder: the same code does not work twice, and guesses do not either",
    );
    let answers = [
        password,
        (question, &code),
        (question, "12345"),
        (question, &code),
        ("Press Enter to go on: ", ""),
    ];
    login(&sshd, None, &answers, LoginEnd::Refused);

    step("7. A wrong password: no code is asked for");
    login(&sshd, None, &[("Password: ", "wrong")], LoginEnd::Refused);

    step("8. A login by key is not asked");
    login(&sshd, Some(&key), &[], LoginEnd::In);

    step("9. The log");
    let log = machine.log_with("pam_twofactor").join("\n");
    indent(&log);
    for result in ["accepted", "used", "wrong"] {
        assert!(log.contains(&format!("result={result}")), "{result}");
    }
    if env::var_os("INTERACTIVE").is_some_and(|value| value == "1") {
        let_try(&machine, &sshd);
    }
}

#[derive(Debug, PartialEq, Eq)]
enum LoginEnd {
    In,
    Refused,
}

/// Logs in with these answers to exactly these questions, shows it, and checks how it ends.
fn login(sshd: &Sshd, key: Option<&Path>, answers: &[(&str, &str)], outcome: LoginEnd) {
    say(&format!(
        "$ ssh -p {} {USER}@127.0.0.1 'echo \"I am $USER\"'",
        sshd.port()
    ));
    let mut left = answers.iter();
    let answer = |prompt: &str| {
        let Some((_, answer)) = left.next() else {
            return SshAnswer::HangUp;
        };
        let is_password = *answer == PASSWORD;
        let stars = "*".repeat(answer.len());
        indent(&format!(
            "{prompt}{}",
            if is_password { stars.as_str() } else { answer }
        ));
        SshAnswer::from(*answer)
    };
    let mut login = sshd.login(USER).remote("echo \"I am $USER\"");
    if let Some(key) = key {
        login = login.key(key);
    }
    let session = login.answer_with(answer).run();
    indent(&session.stderr);
    indent(&session.stdout);
    let is_in = session.stdout == format!("I am {USER}\n");
    assert_eq!(is_in, outcome == LoginEnd::In, "how the login ended");
    // Before a question the client shows what the module says.
    let asked = session.prompts.iter().map(|prompt| prompt.lines().last());
    let expected = answers.iter().map(|(question, _)| Some(*question));
    assert!(asked.eq(expected), "asked was: {:?}", session.prompts);
}

/// A phone with the authenticator app, from the moment of its first code.
struct DemoPhone {
    secret: String,
    confirmed: u64,
}

impl DemoPhone {
    fn code_after(&self, steps: u64) -> String {
        let at = self.confirmed + steps * INTERVAL;
        oathtool(&self.secret, Some(at), 6, INTERVAL, "SHA1")
    }
}

/// `twofactor enroll` on a terminal.
fn enroll(machine: &Machine) -> DemoPhone {
    say(&format!("# twofactor enroll {USER}"));
    let mut terminal = machine
        .twofactor(&["enroll", USER, "--qr", qr_style()])
        .pty_of(80, 60);
    let shown = terminal.expect("Code the device shows");
    let (_, secret) = shown.split_once("secret=").expect("a key in the URI");
    let end = secret.find(|letter: char| !letter.is_ascii_alphanumeric());
    let phone = DemoPhone {
        secret: secret.chars().take(end.unwrap_or(secret.len())).collect(),
        confirmed: otp::unix_time(),
    };
    terminal.send_line(&phone.code_after(0));
    terminal.answer("second device", "");
    let ended = terminal.end();
    assert_eq!(ended.code, Some(0), "{}", ended.shown);
    indent(&ended.shown);
    phone
}

/// The person at the terminal scans the code and logs in.
fn let_try(machine: &Machine, sshd: &Sshd) {
    step("Your turn: scan the QR code with your authenticator app and type the code that it shows");
    machine.command(&["unlock", USER, "--yes"]).ok();
    say(&format!("# twofactor renew {USER}"));
    let renewed = Command::new("/usr/local/bin/twofactor")
        .args(["renew", USER, "--qr", qr_style()])
        .status();
    assert!(renewed.is_ok_and(|status| status.success()), "renew");
    let known_hosts = format!("UserKnownHostsFile={}", sshd.known_hosts().display());
    let port = sshd.port().to_string();
    let mut line = String::new();
    loop {
        step(&format!(
            "Log in. Password: {PASSWORD}  Verification code: the next one that the app shows"
        ));
        say(&format!("$ ssh -p {port} {USER}@127.0.0.1"));
        machine.forget_log();
        let options = [
            "-F",
            "none",
            "-o",
            &known_hosts,
            "-o",
            "PubkeyAuthentication=no",
        ];
        let mut client = Command::new("ssh");
        client
            .args(options)
            .args(["-p", &port, &format!("{USER}@127.0.0.1")]);
        client.status().expect("ssh");
        indent(&machine.log_with("pam_twofactor").join("\n"));
        say("Press Enter to log in again, Ctrl-D to end the demo.");
        line.clear();
        if std::io::stdin()
            .read_line(&mut line)
            .is_ok_and(|length| length == 0)
        {
            return;
        }
    }
}

fn qr_style() -> &'static str {
    let names = ["LC_ALL", "LC_CTYPE", "LANG"];
    let locale = names
        .iter()
        .find_map(|name| env::var(name).ok().filter(|value| !value.is_empty()));
    let is_utf8 =
        locale.is_some_and(|locale| locale.to_uppercase().replace('-', "").ends_with("UTF8"));
    if is_utf8 { "utf8" } else { "ascii" }
}

/// A headline.
fn step(text: &str) {
    let is_bold = std::io::stdout().is_terminal() && env::var_os("NO_COLOR").is_none();
    let (bold, plain) = if is_bold {
        ("\x1b[1m", "\x1b[0m")
    } else {
        ("", "")
    };
    println!("\n{bold}{text}{plain}");
}

fn say(text: &str) {
    println!("   {text}");
}

fn indent(text: &str) {
    text.lines().for_each(say);
}

/// The real machine: the directories that the demo shows to its processes in a changed form.
#[derive(PartialEq, Eq)]
struct RealMachine {
    files: BTreeMap<PathBuf, FileFacts>,
    mounts: String,
}

/// Owner, group, mode with type, time of the last change and content of a file.
type FileFacts = (u32, u32, u32, (i64, i64), Vec<u8>);

impl RealMachine {
    fn look() -> Self {
        let mut files = BTreeMap::new();
        for directory in ["/etc", "/usr/local/bin", "/var/lib/twofactor"] {
            add(Path::new(directory), &mut files);
        }
        add(&artefacts::security_directory(), &mut files);
        let mounts = fs::read_to_string("/proc/self/mounts").unwrap();
        Self { files, mounts }
    }
}

fn add(path: &Path, files: &mut BTreeMap<PathBuf, FileFacts>) {
    let Ok(metadata) = fs::symlink_metadata(path) else {
        return;
    };
    let content = if metadata.is_file() && path.starts_with("/etc") {
        fs::read(path).unwrap()
    } else {
        Vec::new()
    };
    let time = (metadata.ctime(), metadata.ctime_nsec());
    let seen = (
        metadata.uid(),
        metadata.gid(),
        metadata.mode(),
        time,
        content,
    );
    files.insert(path.to_owned(), seen);
    if metadata.is_dir() {
        for entry in fs::read_dir(path).unwrap() {
            add(&entry.unwrap().path(), files);
        }
    }
}
