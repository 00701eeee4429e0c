//! `make pictures`: the terminals of README.md and docs, from real programs on a private machine, as SVG drawings.
#![forbid(unsafe_code)]

mod screen_drawing;

use std::fs;

use harness::{Machine, PASSWORD, Pty, Sshd, oathtool, otp};

/// Seconds for which the phone shows one code.
const INTERVAL: u64 = 30;

fn main() {
    let directory = harness::workspace().join("docs/pictures");
    // Read before the machine has directories of its own.
    let architecture =
        fs::read_to_string(harness::workspace().join("docs/internals/architecture.md"));
    let drawings = drawings(&layers(&architecture.unwrap()));
    for (name, title, text) in drawings {
        let svg = screen_drawing::draw(title, &text);
        assert!(svg.len() < 200_000, "{name}: {} bytes", svg.len());
        fs::write(directory.join(name), svg).unwrap();
    }
}

fn drawings(layers: &str) -> Vec<(&'static str, &'static str, String)> {
    let machine = Machine::new();
    machine.add_user("alice");
    for service in ["sshd", "sudo", "sudo-i", "other"] {
        machine.install_stack(service);
    }
    machine.policy("enabled = true\nenroll_at_login = \"offer\"\n[services]\ndefault = false\nsshd = true\nsudo = true\n");
    machine.command(&["init"]).ok();
    machine.write_file("/etc/hosts", "127.0.0.1 localhost server\n", 0o644);
    let sshd = machine.sshd("");
    let settings = "KbdInteractiveAuthentication yes\nPasswordAuthentication no\n";
    machine.write_file("/etc/ssh/sshd_config.d/01-twofactor.conf", settings, 0o644);
    let (enrollment, secret, began) = enrollment(&machine);
    let login = login(&machine, &sshd, &secret, began);
    let doctor = machine.twofactor(&["doctor", "--user", "alice"]);
    let doctor = doctor.pty_of(100, 60).end().shown;
    vec![
        ("enrollment.svg", "twofactor enroll alice", enrollment),
        ("ssh-login.svg", "A login with a code", login),
        (
            "doctor.svg",
            "twofactor doctor",
            format!("# twofactor doctor --user alice\n{doctor}"),
        ),
        (
            "layers.svg",
            "The layers of pam_twofactor",
            layers.to_owned(),
        ),
    ]
}

/// The drawing of the layers in the document, without its indentation.
fn layers(document: &str) -> String {
    let lines = document
        .lines()
        .skip_while(|line| !line.starts_with("    "));
    let drawing = lines.take_while(|line| line.starts_with("    "));
    drawing
        .map(|line| format!("{}\n", line.trim_start()))
        .collect()
}

/// An enrollment on a terminal, the new key, and the time of its first code.
fn enrollment(machine: &Machine) -> (String, String, u64) {
    let enroll = machine.twofactor(&["enroll", "alice", "--qr", "utf8"]);
    let mut terminal = enroll.pty_of(80, 60);
    let shown = terminal.expect("Code the device shows");
    let (_, rest) = shown.split_once("secret=").unwrap();
    let end = rest.find(|letter: char| !letter.is_ascii_alphanumeric());
    let secret = rest.get(..end.unwrap()).unwrap().to_owned();
    let began = otp::unix_time();
    terminal.send_line(&code(&secret, began));
    terminal.answer("second device", "");
    let shown = ended(terminal);
    (format!("# twofactor enroll alice\n{shown}"), secret, began)
}

/// A login with the OpenSSH client: a wrong code, then a right one.
fn login(machine: &Machine, sshd: &Sshd<'_>, secret: &str, began: u64) -> String {
    let known_hosts = format!("UserKnownHostsFile={}", sshd.known_hosts().display());
    let port = sshd.port().to_string();
    let options = ["-F", "none", "-t", "-o", &known_hosts, "-p", &port];
    let client = machine.program("ssh").args(&options);
    let mut terminal = client.args(&["alice@server", "whoami"]).pty_of(80, 24);
    let right = code(secret, began + INTERVAL);
    terminal.answer_hidden("assword: ", PASSWORD);
    terminal.answer("code: ", "12345");
    terminal.answer("code: ", &right);
    let shown = ended(terminal);
    format!("$ ssh alice@server whoami\n{shown}")
}

fn code(secret: &str, at: u64) -> String {
    oathtool(secret, Some(at), 6, INTERVAL, "SHA1")
}

/// Everything that a terminal showed, when its program has ended well.
fn ended(terminal: Pty) -> String {
    let ended = terminal.end();
    assert_eq!(ended.code, Some(0), "{}", ended.shown);
    without_colours(&ended.shown)
}

/// A text without the sequences that set colours. Black blocks on grey, as of a QR code, become light ones on black.
fn without_colours(text: &str) -> String {
    let mut parts = text.split("\x1b[");
    let first = parts.next().unwrap_or_default().to_owned();
    let swapped = |letter| match letter {
        '█' => ' ',
        ' ' => '█',
        '▀' => '▄',
        '▄' => '▀',
        other => other,
    };
    parts.fold(first, |all, part| {
        let (colours, rest) = part.split_once('m').unwrap_or_default();
        if colours == "30;47" {
            all + &rest.chars().map(swapped).collect::<String>()
        } else {
            all + rest
        }
    })
}
