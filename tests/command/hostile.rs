//! Names that a directory service, a file or a caller made up to steer the administrator's terminal or shell: every
//! subcommand prints them harmlessly, and what it suggests to type has exactly the intended words.

use std::collections::BTreeSet;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::Path;

use harness::Machine;
use harness::desk::{caller, desk, give_phone, json, json_error, parse};
use harness::enrolled::record_path;
use harness::suggested::{hostile, suggestions};

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

/// What a user's name can be given to, from no device to removal, and what is typed.
const LIFE: [(&str, &str); 44] = [
    ("show -- @", ""),
    ("invite -- @", ""),
    ("status -- @", ""),
    ("unset -- @", ""),
    ("enroll -- @", "\n"),
    ("enroll -- @", "000000\n"),
    ("enroll --no-confirm --png /nowhere/@ -- @", ""),
    ("enroll --no-confirm --device=@ -- @", ""),
    ("enroll --no-confirm --recovery-file @FILE -- @", ""),
    ("enroll --no-confirm -- @", ""),
    (
        "enroll --no-confirm --recovery-file /tmp/no --device=b -- @",
        "",
    ),
    ("enroll --no-confirm --hotp --device=-t -- @", ""),
    ("invite -- @", ""),
    ("show -- @", ""),
    ("show --device=@ -- @", ""),
    ("show --device=phone --uri -- @", ""),
    ("show --device=phone --secret -- @", ""),
    ("show --device=phone --qr=utf8 -- @", ""),
    ("show --device=phone --svg @FILE.svg -- @", ""),
    ("renew --no-confirm -- @", ""),
    ("renew --no-confirm --device=phone -- @", ""),
    ("export uri --yes --user=@", ""),
    (
        "export users-oath --yes --output @FILE --force --user=@",
        "",
    ),
    ("export users-oath --all --yes --output @FILE", ""),
    ("unset --device=@ -- @", ""),
    ("resync -- @ phone 000000 000001", ""),
    ("resync -- @ -t 000000 000001", ""),
    ("unset --device=-t -- @", ""),
    ("recovery-codes --recovery-file @FILE.2 -- @", ""),
    ("verify -- @", "\n"),
    ("verify -- @", "000000\n000000\n"),
    ("verify -- @", "000000\n"),
    ("status -- @", ""),
    ("status", ""),
    ("doctor --user=@", ""),
    ("doctor", ""),
    ("bypass -- @", ""),
    ("unlock -- @", ""),
    ("unset --force -- @", ""),
    ("enroll --no-confirm --interval=@ -- @", ""),
    ("enroll -- @ @", ""),
    ("@", ""),
    ("bypass --for=@ -- @", ""),
    ("unset -- @", ""),
];

/// What is suggested on that way.
const SUGGESTED: [&str; 6] = [
    "twofactor bypass",
    "twofactor enroll",
    "twofactor recovery-codes",
    "twofactor renew",
    "twofactor unlock",
    "twofactor unset",
];

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

#[test]
fn no_user_name_steers_a_terminal_or_a_shell() {
    let machine = machine();
    for name in NAMES {
        let names = [&NAMES[..], &[OPTION]].concat();
        let mut suggested = BTreeSet::new();
        for (words, typed) in LIFE {
            let (text, code) = printed(&machine, &line(&format!("--yes {words}"), name), typed);
            // How to call it right is told in general.
            if code != 2 {
                suggested.extend(suggestions(&machine, &text, &names));
            }
        }
        let all: BTreeSet<String> = SUGGESTED.map(str::to_owned).into();
        assert!(suggested.is_superset(&all), "{name:?}: {suggested:?}");
        assert!(!Path::new("/tmp/x").exists(), "{name:?}");
    }
}

/// What contradicts, and how a machine with an enrolled user comes to it: with its files under `file`, and its uid.
type Spoil = fn(&Machine, &str, &str, usize);

const CONTRADICTIONS: [(&str, Spoil); 6] = [
    ("other-uid", |machine, name, _, uid| {
        let (old, new) = (
            format!("{name}:x:{uid}:"),
            format!("{name}:x:{}:", uid + 500),
        );
        machine.write_file(
            "/etc/passwd",
            machine.read("/etc/passwd").replace(&old, &new),
            0o644,
        );
    }),
    ("renamed", |machine, name, _, uid| {
        let (old, new) = (format!("{name}:x:{uid}:"), format!("another:x:{uid}:"));
        machine.write_file(
            "/etc/passwd",
            machine.read("/etc/passwd").replace(&old, &new),
            0o644,
        );
    }),
    ("unfinished-move", |machine, _, file, _| {
        let path = format!("/var/lib/twofactor/users/{file}.toml");
        let record = machine.read(&path);
        let user = record
            .lines()
            .find(|line| line.starts_with("user = "))
            .unwrap();
        machine.write_file(&path, record.replace(user, "user = \"another\""), 0o600);
    }),
    ("index", |_, _, _, uid| {
        std::fs::remove_file(format!("/var/lib/twofactor/users/+{uid}")).unwrap();
    }),
    ("lost-record", |_, _, file, _| {
        std::fs::remove_file(format!("/var/lib/twofactor/users/{file}.toml")).unwrap();
    }),
    ("leftover", |machine, name, file, _| {
        machine.command(&["unset", "--yes", "--", name]).ok();
        let left = format!("/var/lib/twofactor/state/{file}+");
        std::fs::DirBuilder::new().mode(0o700).create(left).unwrap();
    }),
];

/// The name of the files of a user.
fn encoded(name: &str) -> String {
    let letter = |byte: u8| match byte {
        byte if byte.is_ascii_alphanumeric() || b"_-.".contains(&byte) => {
            char::from(byte).to_string()
        }
        byte => format!("%{byte:02X}"),
    };
    name.bytes().map(letter).collect()
}

#[test]
fn no_contradiction_steers_a_terminal_or_a_shell() {
    for (number, name) in NAMES.into_iter().enumerate() {
        let mut suggested = BTreeSet::new();
        for (check, spoil) in CONTRADICTIONS {
            let machine = machine();
            machine
                .command(&["enroll", "--no-confirm", "--", name])
                .ok();
            spoil(&machine, name, &encoded(name), 3000 + number);
            // Of what the users' own findings tell, doctor says no more.
            let told = ["doctor", "init"].map(|command| {
                parse(&machine.command(&[command, "--json"]).stdout)["findings"].to_string()
            });
            let found = told.concat();
            let subject = format!("\"check\":\"{check}\"");
            let quoted = serde_json::to_string(name).unwrap();
            assert!(
                found.contains(&subject) && found.contains(&quoted),
                "{check} {name:?}: {found}"
            );
            let names = [&NAMES[..], &[OPTION, "another"]].concat();
            for words in [
                "doctor",
                "show -- @",
                "rename -- @ another",
                "adopt -- @",
                "adopt --from=@ -- another",
                "init",
            ] {
                let (text, code) = printed(&machine, &line(&format!("--yes {words}"), name), "");
                if code != 2 {
                    suggested.extend(suggestions(&machine, &text, &names));
                }
            }
        }
        for expected in ["twofactor adopt", "twofactor rename", "twofactor unset"] {
            assert!(suggested.contains(expected), "{name:?}: {suggested:?}");
        }
        assert!(!Path::new("/tmp/x").exists(), "{name:?}");
    }
}

/// What takes other things than a user: services, settings, and files with names and contents of others. `@FILE` is a
/// directory of the name with such files in it.
const OTHERS: [&str; 28] = [
    "enable --service @",
    "enable --force --service @",
    "doctor",
    "disable --service @",
    "policy set services.@ true",
    "policy set issuer @",
    "policy set prompt @",
    "policy set @ @",
    "policy show",
    "verify alice",
    "policy check @FILE/group",
    "policy check @FILE/key",
    "policy check @FILE/none",
    "policy check --policy @FILE/open",
    "policy check --policy @FILE/group",
    "status --policy @FILE/key",
    "doctor --policy @FILE/key",
    "doctor --state @FILE/none",
    "status --state @FILE",
    "disable --policy @FILE/key",
    "import users-oath @FILE/oath --dry-run",
    "import users-oath @FILE/open --dry-run",
    "import uri @FILE/uris --dry-run",
    "import uri @FILE/uris --dry-run --user alice",
    "import google-authenticator @FILE/ga --dry-run --user alice",
    "import google-authenticator --all --secret @FILE/%u --dry-run",
    "import @",
    "completions @",
];

/// A policy that asks for codes, up to its services.
const ON: &str = "enabled = true\n[services]\nsshd = false\n";

/// Files that hold the name, in a directory of that name.
fn files(machine: &Machine, name: &str) {
    let quoted = toml(name);
    let at = |file: &str| format!("/tmp/{name}/{file}");
    let key = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ";
    let group = format!("enabled = true\n[[exempt]]\ngroups = [{quoted}]\n");
    machine.write_file(at("group"), group, 0o644);
    machine.write_file(at("key"), format!("enabled = true\n{quoted} = 1\n"), 0o644);
    machine.write_file(at("open"), "enabled = true\n", 0o666);
    let oath = format!(
        "HOTP/T30\t{}\t-\t3132333435363738393031323334353637383930\n{name}\n",
        name.replace(' ', "_")
    );
    machine.write_file(at("oath"), oath, 0o600);
    let encoded: String = name.bytes().map(|byte| format!("%{byte:02X}")).collect();
    let uris = format!(
        "otpauth://totp/{encoded}?secret={key}&{name}=1\nnonsense {name}\notpauth://{name}\n"
    );
    machine.write_file(at("uris"), uris, 0o600);
    machine.write_file(at("ga"), format!("{key}\n\" {name}\n\" TOTP_AUTH\n"), 0o600);
    machine.write_file(at("alice"), format!("{name}\n"), 0o600);
    let stack = format!(
        "auth required /lib/{name}.so\nauth required pam_twofactor.so {name} policy=/tmp/{name}\n"
    );
    machine.write_file(format!("/etc/pam.d/{name}"), stack, 0o666);
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

#[test]
fn no_file_or_service_steers_a_terminal_or_a_shell() {
    for name in NAMES.into_iter().chain([OPTION]) {
        let machine = desk();
        give_phone(&machine, "alice");
        files(&machine, name);
        let path = |file: &str| format!("/tmp/{name}/{file}");
        let directory = format!("/tmp/{name}");
        let (_, caller) = caller(&machine);
        // There is no PAM file of that service.
        let missing = format!("no{name}");
        let files = [path("open"), directory, format!("/etc/pam.d/{name}")];
        let meant = files.iter().map(String::as_str);
        let meant: Vec<&str> = meant.chain([name, &missing, &caller]).collect();
        // Services with unprintable names are not taken.
        let named = hostile(name).is_none();
        let policy = if named {
            format!("{}\n{} = true\n{} = true\n", ON, toml(name), toml(&missing))
        } else {
            ON.to_owned()
        };
        let mut suggested = BTreeSet::new();
        for words in OTHERS {
            machine.policy(&policy);
            let (text, code) = printed(&machine, &line(&format!("--yes {words}"), name), "");
            assert_ne!(text.trim(), "", "{words}");
            if code != 2 {
                suggested.extend(suggestions(&machine, &text, &meant));
            }
        }
        assert!(suggested.contains("chmod"), "{name:?}: {suggested:?}");
        let disable = suggested.contains("twofactor disable");
        assert_eq!(disable, named, "{name:?}: {suggested:?}");
        assert!(!Path::new("/tmp/x").exists(), "{name:?}");
    }
}

/// What only a terminal gets: QR codes with colours, help with bold letters, and lines that are for other programs.
#[test]
fn a_terminal_gets_colours_and_no_other_sequence() {
    let machine = machine();
    for name in NAMES {
        let give = ["enroll", "--no-confirm", "--", name];
        machine.command(&give).ok();
        let mut seen = String::new();
        for words in [
            "enroll --device=b -- @",
            "show --qr=ascii -- @",
            "export uri --yes --user=@",
            "export users-oath --yes --user=@",
            "doctor",
            "status",
            "unset @ @",
            "--help",
        ] {
            let words = line(words, name);
            let words: Vec<&str> = words.iter().map(String::as_str).collect();
            let mut pty = machine.twofactor(&words).pty();
            // The end of the input answers every question.
            pty.send(b"\x04");
            seen += &pty.end().shown;
        }
        for colours in [
            "\x1b[30;47m",
            "\x1b[40m",
            "\x1b[47m",
            "\x1b[0m",
            "\x1b[1m",
            "\x1b[4m",
        ] {
            assert!(seen.contains(colours), "{colours:?}");
            seen = seen.replace(colours, "");
        }
        assert_eq!(hostile(&seen), None);
    }
}

/// Programs get what is: JSON holds the very names, and so do the lines of an export in a pipe.
#[test]
fn programs_read_the_very_names() {
    let machine = machine();
    for name in NAMES {
        let report = json(machine.command(&["enroll", "--json", "--no-confirm", "--", name]));
        assert_eq!(report["user"], name);
        let quoted = serde_json::to_string(name).unwrap();
        for words in [
            "status --json",
            "show --json -- @",
            "export uri --json --yes --user=@",
        ] {
            let words = line(words, name);
            let words: Vec<&str> = words.iter().map(String::as_str).collect();
            let run = machine.command(&words).ok();
            assert_eq!(hostile(&run.stdout), None, "{words:?}");
            assert!(
                parse(&run.stdout).to_string().contains(&quoted),
                "{words:?}"
            );
        }
        let failure = json_error(
            machine.command(&["show", "--json", "--device", name, "--", name]),
            1,
        );
        assert!(
            failure["message"].as_str().unwrap().starts_with(name),
            "{failure}"
        );
        let lines = machine
            .command(&["export", "users-oath", "--all", "--yes"])
            .stdout;
        let takes = !name.contains(char::is_whitespace);
        assert_eq!(lines.contains(&format!("\t{name}\t")), takes, "{lines}");
    }
}

/// Records are written by hand, too.
#[test]
fn a_device_name_of_a_foreign_record_is_refused_without_effect() {
    let machine = desk();
    give_phone(&machine, "alice");
    let path = record_path("alice");
    for name in NAMES {
        let record = machine
            .read(&path)
            .replace("name = \"phone\"", &format!("name = {}", toml(name)));
        machine.write_file(
            &path,
            record.replace("writer = \"", "writer = \"\\u001b[2J"),
            0o600,
        );
        for words in [
            "show alice",
            "status",
            "doctor",
            "unlock alice",
            "export uri --all --yes",
        ] {
            let (text, code) = printed(&machine, &line(words, name), "");
            assert!(code != 0 && text.contains("alice"), "{words}: {text}");
        }
        machine.command(&["unset", "alice", "--yes"]).ok();
        give_phone(&machine, "alice");
    }
}
