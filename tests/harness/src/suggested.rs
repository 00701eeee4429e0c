//! The command that a person who copies a suggested command into a shell would run, read by sh(1) itself; and which
//! characters no terminal should get.

use crate::Machine;

/// Programs whose calls are suggested.
const PROGRAMS: [&str; 5] = ["twofactor", "getent", "userdel", "chmod", "chown"];
/// Subcommands whose suggestions name a user.
const OF_USERS: [&str; 10] = [
    "adopt",
    "bypass",
    "enroll",
    "recovery-codes",
    "rename",
    "renew",
    "resync",
    "unlock",
    "unset",
    "verify",
];

/// The first character of a text that does something else than to be seen, and what is around it. Newlines and tabs are
/// none.
pub fn hostile(text: &str) -> Option<String> {
    let steers = |letter: char| {
        (letter.is_control() && !"\n\t".contains(letter))
            || matches!(letter, '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
                | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
    };
    let (at, _) = text
        .chars()
        .enumerate()
        .find(|(_, letter)| steers(*letter))?;
    let around = text.chars().skip(at.saturating_sub(60)).take(120);
    Some(format!("{:?}", around.collect::<String>()))
}

/// The first words of every suggestion in a text that should name one of `names`, such as `twofactor unset`.
///
/// # Panics
/// When a shell makes other words of one, or does something else.
pub fn suggestions(machine: &Machine, text: &str, names: &[&str]) -> Vec<String> {
    let mut found = Vec::new();
    for line in text.lines() {
        for (at, program) in calls(line) {
            let rest = &line[at..];
            let mut words = rest.split(' ');
            let second = words.nth(1).unwrap_or("");
            let third = words.next().unwrap_or("");
            let general = ["", "USER", "NAME"].contains(&third.trim_end_matches([',', '.']));
            let named = OF_USERS.contains(&second) || third == "--service";
            if general || (program == "twofactor" && !named) {
                continue;
            }
            let read = readings(machine, rest);
            let meant =
                |words: &Vec<String>| words.iter().any(|word| names.contains(&word.as_str()));
            assert!(read.iter().any(meant), "{rest:?} is read as {read:#?}");
            found.push(match program {
                "twofactor" => format!("{program} {second}"),
                _ => program.to_owned(),
            });
        }
    }
    found
}

/// Places where calls begin in a line.
fn calls(line: &str) -> Vec<(usize, &'static str)> {
    let of = |program: &'static str| {
        let places = line.match_indices(program);
        places.filter_map(move |(at, _)| {
            let before = line[..at].chars().next_back();
            let after = line[at + program.len()..].chars().next();
            let begins = before.is_none_or(|letter| " (".contains(letter));
            (begins && after == Some(' ')).then_some((at, program))
        })
    };
    PROGRAMS.into_iter().flat_map(of).collect()
}

/// Readings by a shell of the text up to each of its spaces and marks: somewhere there the command ends.
fn readings(machine: &Machine, text: &str) -> Vec<Vec<String>> {
    let ends = text
        .char_indices()
        .filter(|(_, letter)| " ,.;:)".contains(*letter));
    let mut parts: Vec<&str> = ends.map(|(at, _)| &text[..at]).collect();
    parts.push(text);
    let functions: Vec<String> = PROGRAMS
        .iter()
        .map(|program| format!("{program}() {{ printf '%s\\002' \"$@\"; }}\n"))
        .collect();
    let script = format!(
        "{}cd /tmp || exit\nfor part; do ( eval \"$part\" ) 2>/dev/null; printf '\\003'; done",
        functions.concat()
    );
    let run = machine.program("sh").args(&["-c", &script, "sh"]);
    let shown = run.args(&parts).run().stdout;
    let of_part = |part: &str| -> Vec<String> {
        let words = part.split_terminator('\x02');
        words.map(str::to_owned).collect()
    };
    shown.split_terminator('\x03').map(of_part).collect()
}
