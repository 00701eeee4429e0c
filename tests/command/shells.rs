//! Completion in bash with bash-completion, zsh and fish, on a terminal: what Tab puts in, as the shell then reads it.

use std::path::{Path, PathBuf};

use harness::desk::{desk_on, give};
use harness::screen::COLUMNS;
use harness::{Machine, Pty};

/// Shown where the shell waits for a line.
const READY: &str = "READY> ";
const SHELLS: [&str; 3] = ["bash", "zsh", "fish"];

/// The names that a shell could take for something else.
const HOSTILE: [&str; 7] = [
    "h1 $(touch hit)",
    "h2`touch hit`",
    "h3;touch hit;",
    "h4'\"!!",
    "h5 ~ * \\ ${HOME}",
    "h6@example.org:x=y",
    "h7&|<>#[a]{b,c}?",
];

/// A desk with a tablet for alice, whose secret is returned, and a directory with the scripts where the shells look for them.
fn machine() -> (Machine, PathBuf, String) {
    let machine = desk_on();
    let tablet = give(&machine, "alice", &["--device", "tablet"]);
    let scratch = machine.scratch();
    for (shell, file) in [
        ("bash", "bash/completions/twofactor"),
        ("zsh", "zsh/_twofactor"),
        ("fish", "fish/completions/twofactor.fish"),
    ] {
        let script = machine.command(&["completions", shell]).ok().stdout;
        let path = scratch.join(file);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        machine.write_file(path, script, 0o644);
    }
    machine.write_file(
        scratch.join("bashrc"),
        format!("PS1='{READY}'\n. /usr/share/bash-completion/bash_completion\nset +o history\n"),
        0o644,
    );
    machine.write_file(
        scratch.join("zsh/.zshrc"),
        format!(
            "PROMPT='{READY}'\nfpath=($ZDOTDIR $fpath)\nautoload -U compinit\ncompinit -u -D\n"
        ),
        0o644,
    );
    machine.write_file(
        scratch.join("fish/config.fish"),
        format!("function fish_prompt; echo -n '{READY}'; end\nset -g fish_greeting\n"),
        0o644,
    );
    std::fs::create_dir(scratch.join("empty")).unwrap();
    (
        machine,
        scratch,
        tablet["secret"].as_str().unwrap().to_owned(),
    )
}

/// The shell on a terminal, in an empty directory.
fn shell(machine: &Machine, scratch: &Path, name: &str) -> Pty {
    shell_on(machine, scratch, name, (200, 50))
}

/// The shell on a terminal of so many columns and lines.
fn shell_on(machine: &Machine, scratch: &Path, name: &str, (columns, lines): (u16, u16)) -> Pty {
    let directory = scratch.join("empty");
    let go = format!("cd {} && exec \"$@\"", directory.display());
    let rcfile = scratch.join("bashrc").display().to_string();
    let call = match name {
        "bash" => vec!["bash", "--noprofile", "--rcfile", &rcfile, "-i"],
        "zsh" => vec!["zsh", "-d", "-i"],
        _ => vec!["fish", "-i"],
    };
    let program = machine.program("sh").args(&["-c", &go, "sh"]).args(&call);
    let program = program
        .env("TERM", "xterm")
        .env("LC_ALL", "C.UTF-8")
        .env("HOME", &directory)
        .env("BASH_COMPLETION_USER_DIR", scratch.join("bash"))
        .env("ZDOTDIR", scratch.join("zsh"))
        .env("XDG_CONFIG_HOME", scratch)
        .env("XDG_DATA_HOME", scratch.join("data"));
    let mut pty = program.pty_of(columns, lines);
    pty.expect(READY);
    pty
}

/// The words of a line after Tab was typed at its end: printf shows them in place of the command.
fn completed(pty: &mut Pty, typed: &str) -> Vec<String> {
    pty.send(format!("{typed}\t").as_bytes());
    // To the beginning of the line, and back to its end.
    pty.send(b"\x01printf '<%s>\\n' \x05 END\r");
    let shown = pty.expect("<END>\n");
    pty.expect(READY);
    let lines = shown
        .lines()
        .skip_while(|line| !line.ends_with("<twofactor>"));
    let words = lines.skip(1).filter_map(|line| line.strip_prefix('<'));
    let words = words.map(|line| line.strip_suffix('>').unwrap_or(line).to_owned());
    words.filter(|word| word != "END").collect()
}

/// Adds an account that can log in.
fn add_account(machine: &Machine, name: &str, uid: usize) {
    let passwd = machine.read("/etc/passwd");
    let line = format!("{name}:x:{uid}:{uid}::/:/bin/sh\n");
    machine.write_file("/etc/passwd", passwd + &line, 0o644);
}

#[test]
fn each_shell_completes_names_of_this_machine() {
    let (machine, scratch, _) = machine();
    machine.stack("zzservice", "auth required pam_deny.so\n");
    let file = scratch.join("empty/policy-to-check.toml");
    machine.write_file(file, "", 0o644);
    let sizes = COLUMNS.map(|columns| (columns, 24));
    for (shell_name, size) in SHELLS
        .into_iter()
        .flat_map(|name| sizes.map(|size| (name, size)))
    {
        let mut pty = shell_on(&machine, &scratch, shell_name, size);
        for (typed, words) in [
            ("enrol", &["enroll"][..]),
            ("policy ch", &["policy", "check"]),
            ("unset ali", &["unset", "alice"]),
            (
                "unset alice --device tab",
                &["unset", "alice", "--device", "tablet"],
            ),
            (
                "unset alice --device=tab",
                &["unset", "alice", "--device=tablet"],
            ),
            ("resync alice t", &["resync", "alice", "tablet"]),
            ("enable zzs", &["enable", "zzservice"]),
            (
                "disable --service zzs",
                &["disable", "--service", "zzservice"],
            ),
            (
                "policy set throttle.att",
                &["policy", "set", "throttle.attempts"],
            ),
            (
                "policy set services.zzs",
                &["policy", "set", "services.zzservice"],
            ),
            ("enroll bob --recov", &["enroll", "bob", "--recovery-file"]),
            ("enroll bob --qr as", &["enroll", "bob", "--qr", "ascii"]),
            (
                "policy check policy-to",
                &["policy", "check", "policy-to-check.toml"],
            ),
            (
                "--state /nonexistent unset alice --device tab",
                &[
                    "--state",
                    "/nonexistent",
                    "unset",
                    "alice",
                    "--device",
                    "tab",
                ],
            ),
        ] {
            let line = format!("twofactor {typed}");
            assert_eq!(
                completed(&mut pty, &line),
                words,
                "{shell_name} {size:?}: {typed}"
            );
        }
    }
}

/// The name as an account can have it: a colon would end the field.
fn user(name: &str) -> String {
    name.replace(':', "")
}

/// The name as a service can have it: with a tilde it is a copy that an editor left.
fn service(name: &str) -> String {
    name.replace('~', "")
}

#[test]
fn no_shell_expands_what_was_completed() {
    let (machine, scratch, _) = machine();
    for (number, name) in HOSTILE.into_iter().enumerate() {
        add_account(&machine, &user(name), 2000 + number);
        machine.write_file(Path::new("/etc/pam.d").join(service(name)), "", 0o644);
    }
    let directory = scratch.join("empty");
    for shell_name in SHELLS {
        let mut pty = shell(&machine, &scratch, shell_name);
        for name in HOSTILE {
            let begun = &name[..2];
            for (command, name) in [("unset", user(name)), ("enable", service(name))] {
                let line = format!("twofactor {command} {begun}");
                assert_eq!(completed(&mut pty, &line), [command, &name], "{shell_name}");
            }
        }
        // Within quotes, and after what a shell would run.
        for (typed, word) in [
            ("'h1", HOSTILE[0]),
            ("\"al", "alice"),
            ("h6@ex", "h6@example.orgx=y"),
        ] {
            let words = completed(&mut pty, &format!("twofactor unset {typed}"));
            assert_eq!(words, ["unset", word], "{shell_name}: {typed}");
        }
        // The line is killed before it runs.
        pty.send(b"twofactor unset $(touch hit) al\t\x15");
        let words = completed(&mut pty, "twofactor unset ali");
        assert_eq!(words, ["unset", "alice"], "{shell_name}");
        let left: Vec<_> = std::fs::read_dir(&directory).unwrap().flatten().collect();
        assert!(
            left.iter().all(|it| it.file_name() != "hit"),
            "{shell_name}"
        );
    }
}

/// Runs `complete` and returns what it offers, which is never an error.
fn offered(machine: &Machine, user: &str, words: &[&str]) -> Vec<String> {
    let program = machine.twofactor(&["complete", "zsh", "--"]).args(words);
    let run = program.user(user).run().ok();
    assert_eq!(run.stderr, "", "{words:?}");
    let lines = run.stdout.lines().skip(1);
    lines.map(str::to_owned).collect()
}

#[test]
fn completing_reveals_no_secret_and_never_fails() {
    let (machine, _, secret) = machine();
    let unset = ["unset", "alice", "--device", ""];
    assert_eq!(offered(&machine, "root", &unset), ["tablet"]);
    // Only root can read the names of devices.
    assert_eq!(offered(&machine, "bob", &unset), [""; 0]);
    assert!(offered(&machine, "bob", &["unset", "a"]).contains(&"alice".to_owned()));
    assert!(offered(&machine, "bob", &["policy", "set", "wi"]).contains(&"window".to_owned()));
    let before = machine.log().len();
    for words in [
        &[""][..],
        &["show", ""],
        &["show", "alice", ""],
        &["show", "alice", "--device", ""],
        &["show", "alice", "--"],
        &["resync", "alice", ""],
        &["resync", "alice", "tablet", ""],
        &["export", "uri", "--user", ""],
    ] {
        let all = offered(&machine, "root", words).join("\n");
        assert!(!all.contains(&secret) && !all.contains("secret="), "{all}");
    }
    assert_eq!(machine.log().len(), before);
    for damage in [
        "echo broken >/var/lib/twofactor/users/alice.toml",
        "rm /etc/security/twofactor.id",
        "rm -r /var/lib/twofactor",
    ] {
        machine.run("sh", &["-c", damage]).ok();
        assert_eq!(offered(&machine, "root", &unset), [""; 0], "{damage}");
        assert!(offered(&machine, "root", &["unset", "al"]).contains(&"alice".to_owned()));
    }
    assert_eq!(
        offered(&machine, "root", &["unset", "nosuchuser", "--device", ""]),
        [""; 0]
    );
}

#[test]
fn a_hundred_thousand_users_can_be_completed() {
    let (machine, scratch, _) = machine();
    let mut passwd = machine.read("/etc/passwd");
    for number in 0..100_000 {
        passwd += &format!(
            "student{number:05}:x:{0}:{0}::/:/bin/sh\n",
            2000 + number % 60_000
        );
    }
    machine.write_file("/etc/passwd", passwd, 0o644);
    let some = offered(&machine, "root", &["unset", "s"]);
    assert!(some.len() <= 1000, "{}", some.len());
    // What all have in common is what these have in common.
    assert_eq!(some.first().unwrap(), "student00000");
    assert_eq!(some.last().unwrap(), "student99999");
    let few = offered(&machine, "root", &["unset", "student7777"]);
    assert_eq!(few.len(), 10);
    for shell_name in SHELLS {
        let mut pty = shell(&machine, &scratch, shell_name);
        let words = completed(&mut pty, "twofactor unset student1234");
        assert_eq!(words, ["unset", "student1234"], "{shell_name}");
        let words = completed(&mut pty, "twofactor unset student12345");
        assert_eq!(words, ["unset", "student12345"], "{shell_name}");
    }
}
