//! Names that a directory service, a file or a caller made up to steer the administrator's terminal or shell: every
//! subcommand prints them harmlessly, and what it suggests to type has exactly the intended words.

mod all_users;
mod others;
mod output;
mod users;

use harness::Machine;
use harness::desk::desk;
use harness::suggested::hostile;

/// A name of each kind: escapes (C0, C1), directions, what shells expand, quotes, what ends a command, what is an option.
const NAMES: [&str; 8] = [
    "esc\x1b[2J\x1b]0;x\x07y",
    "c1\u{9b}2J\u{85}",
    "rtl\u{202e}\u{2066}\u{200b}x",
    "$(id>x)",
    "`id>x`",
    "it's \"quoted\" \\",
    "a  b; c, (d).",
    "a|b&c>x",
];

/// No name service finds such a name in /etc/passwd; a program that lists the file does.
const OPTION: &str = "-x y";

/// A machine with these accounts, a policy that locks out at the first wrong code, and a user whose file is hostile.
fn machine() -> Machine {
    let machine = desk();
    machine.policy("enabled = true\n[throttle]\ndelay = 0\nattempts = 1\nmax_failures = 1\n");
    let mut passwd = machine.read("/etc/passwd");
    for (number, name) in NAMES.into_iter().chain([OPTION]).enumerate() {
        let id = 3000 + number;
        // GECOS and home hold what the name holds.
        passwd += &format!("{name}:x:{id}:{id}:\x1b[31m{name}\u{202e}:/home/{name}:/bin/sh\n");
    }
    machine.write_file("/etc/passwd", passwd, 0o644);
    machine
}

/// The words of a command line; `@` is the name, `@FILE` a file that is named after it.
fn line(words: &str, name: &str) -> Vec<String> {
    let file = format!("/tmp/{name}");
    let filled = |word: &str| word.replace("@FILE", &file).replace('@', name);
    words.split(' ').map(filled).collect()
}

/// Runs the command, and sees that it prints nothing hostile; what it printed, and its exit code.
fn printed(machine: &Machine, line: &[String], typed: &str) -> (String, i32) {
    let words: Vec<&str> = line.iter().map(String::as_str).collect();
    let run = machine.twofactor(&words).input(typed).run();
    let code = run.code.filter(|code| (0..=4).contains(code));
    let code = code.unwrap_or_else(|| panic!("{line:?}: {run:?}"));
    let text = format!("{}\n{}", run.stdout, run.stderr);
    assert_eq!(hostile(&text), None, "{line:?}");
    (text, code)
}

/// A string of TOML.
fn toml(text: &str) -> String {
    let letters = text.chars().map(|letter| match letter {
        '"' | '\\' => format!("\\{letter}"),
        letter if letter.is_control() => format!("\\u{:04x}", u32::from(letter)),
        letter => letter.to_string(),
    });
    format!("\"{}\"", letters.collect::<String>())
}
