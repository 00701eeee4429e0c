//! The places of secrets: in the record, on the screen when they are asked for, and nowhere else.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use data_encoding::BASE32_NOPAD;
use harness::desk::{begin, desk, desk_on, give, give_phone, json, strings};
use harness::enrolled::{record_path, state_path};
use harness::{Machine, Totp};

/// File in which the id of the state directory is noted.
const ID_FILE: &str = "/etc/security/twofactor.id";

/// A secret in every form in which it could lie somewhere: as text, in groups, in hexadecimal digits, as bytes.
fn forms(secret: &str) -> Vec<Vec<u8>> {
    let bytes = BASE32_NOPAD.decode(secret.as_bytes()).unwrap();
    let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    let texts = [
        secret.to_owned(),
        secret.to_lowercase(),
        in_groups(secret),
        hex.to_uppercase(),
        hex,
    ];
    texts
        .into_iter()
        .map(String::into_bytes)
        .chain([bytes])
        .collect()
}

fn in_groups(secret: &str) -> String {
    let letters: Vec<char> = secret.chars().collect();
    let groups: Vec<String> = letters
        .chunks(4)
        .map(|group| group.iter().collect())
        .collect();
    groups.join(" ")
}

/// Every file of the machine that was made or changed in it and holds a secret. What lies in /var it keeps in /run.
fn files_with(machine: &Machine, secret: &str) -> Vec<PathBuf> {
    let escaped = |form: Vec<u8>| {
        form.iter()
            .map(|byte| format!("\\x{byte:02x}"))
            .collect::<String>()
    };
    let pattern: Vec<String> = forms(secret).into_iter().map(escaped).collect();
    let grep = machine
        .program("grep")
        .args(&["-D", "skip", "-rlaP", &pattern.join("|")]);
    let run = grep
        .args(&["/run", "/var/lib/twofactor", "/var/log"])
        .env("LC_ALL", "C")
        .run();
    // 1: in none.
    assert!(
        matches!(run.code, Some(0 | 1)) && run.stderr.is_empty(),
        "{run:?}"
    );
    run.stdout.lines().map(PathBuf::from).collect()
}

#[test]
fn r20_no_option_takes_a_secret() {
    let machine = desk();
    let options = |command: &[&str]| {
        let help = machine
            .command(&[command, &["--help"]].concat())
            .ok()
            .stdout;
        let (usage, rest) = help.split_once("Options:").unwrap();
        let arguments: Vec<String> = usage
            .lines()
            .filter_map(|line| line.strip_prefix("Usage: "))
            .flat_map(str::split_whitespace)
            .filter(|word| {
                word.starts_with('<') || word.starts_with("[C") || word.starts_with("[U")
            })
            .map(str::to_owned)
            .collect();
        let mut names: Vec<String> = rest
            .split_once("Global options:")
            .unwrap()
            .0
            .split_whitespace()
            .filter(|word| word.starts_with("--"))
            .map(str::to_owned)
            .collect();
        names.sort_unstable();
        (arguments, names)
    };
    let enroll = [
        "--algorithm",
        "--device",
        "--dialogue",
        "--digits",
        "--help",
        "--hotp",
        "--interval",
        "--no-confirm",
        "--png",
        "--qr",
        "--recovery-file",
        "--svg",
    ];
    assert_eq!(
        options(&["enroll"]),
        (
            vec!["[USER]".to_owned()],
            enroll.map(str::to_owned).to_vec()
        )
    );
    let renew = [
        "--device",
        "--dialogue",
        "--help",
        "--no-confirm",
        "--png",
        "--qr",
        "--svg",
    ];
    assert_eq!(
        options(&["renew"]),
        (vec!["[USER]".to_owned()], renew.map(str::to_owned).to_vec())
    );
    let secret = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ";
    for wrong in [
        &["enroll", "alice", secret][..],
        &["enroll", "alice", "--secret", secret],
        &["enroll", "alice", "--key", secret],
        &[
            "enroll",
            "alice",
            "--uri",
            "otpauth://totp/a:b?secret=GEZDGNBVGY3TQOJQ",
        ],
        &["renew", "alice", secret],
        &["renew", "alice", "--secret", secret],
    ] {
        machine.command(wrong).exits(2);
    }
    assert!(!record_path("alice").exists());
    let made = ["a", "b", "c"]
        .map(|name| give(&machine, "alice", &["--device", name])["secret"].to_string());
    assert!(made[0] != made[1] && made[1] != made[2] && made[0] != made[2]);
}

#[test]
fn r33_secrets_are_shown_on_request_only() {
    let machine = desk_on();
    let given = give(&machine, "alice", &[]);
    let secret = given["secret"].as_str().unwrap();
    let recovery = strings(&given["recovery_codes"]);
    let bypass = json(machine.command(&["bypass", "alice", "--json"]))["code"].clone();
    let mut secrets = vec![secret.to_owned(), bypass.as_str().unwrap().to_owned()];
    secrets.extend(recovery);
    let wrong = Totp::new(secret).wrong_code();
    let runs = [
        &["status"][..],
        &["status", "alice"],
        &["status", "--json"],
        &["show", "alice"],
        &["show", "alice", "--json"],
        &["policy", "show"],
        &["policy", "show", "--json"],
        &["enroll", "alice"],
        &["verify", "alice"],
        &["enable", "--yes", "--json"],
        &["unlock", "alice", "--json"],
        &["resync", "alice", "phone", "1", "2"],
        &["disable", "--yes"],
        &["unset", "alice"],
    ];
    for arguments in runs {
        let run = machine.twofactor(arguments).input(wrong.as_str()).run();
        let shown = run.stdout + &run.stderr;
        for secret in &secrets {
            let plain = secret.replace('-', "");
            assert!(
                !shown.contains(secret.as_str()) && !shown.contains(&plain),
                "{arguments:?}: {shown}"
            );
        }
        assert!(
            !shown.contains(&in_groups(secret)) && !shown.contains("otpauth"),
            "{arguments:?}"
        );
    }
    let show = machine.command(&["show", "alice"]).ok().stdout;
    assert!(
        show.ends_with("\nKey: hidden; to see it: --secret, --uri, --qr or --png FILE\n"),
        "{show}"
    );
    let device = &json(machine.command(&["show", "alice", "--json"]))["devices"][0];
    assert!(device["secret"].is_null() && device["uri"].is_null());
    let device = &json(machine.command(&["show", "alice", "--secret", "--json"]))["devices"][0];
    assert_eq!(device["secret"], secret);
    let device = &json(machine.command(&["show", "alice", "--uri", "--json"]))["devices"][0];
    assert_eq!(device["uri"], given["uri"]);
}

#[test]
fn r33_files_belong_to_root_alone_whatever_the_umask() {
    let machine = desk();
    for umask in ["000", "077", "777"] {
        fs::remove_dir_all("/var/lib/twofactor").unwrap();
        fs::remove_file(ID_FILE).unwrap();
        let line =
            format!("umask {umask}; twofactor init; exec twofactor enroll alice --no-confirm");
        machine.run("sh", &["-c", &line]).ok();
        let base = Path::new("/var/lib/twofactor");
        for (path, mode) in [
            (base.to_owned(), 0o40700),
            (base.join("users"), 0o40700),
            (base.join("state"), 0o40700),
            (record_path("alice"), 0o100600),
            (state_path("alice"), 0o100600),
            (ID_FILE.into(), 0o100644),
        ] {
            let metadata = fs::symlink_metadata(&path).unwrap();
            let found = (metadata.uid(), metadata.gid(), metadata.mode());
            assert_eq!(found, (0, 0, mode), "{} with umask {umask}", path.display());
        }
        machine.command(&["verify", "alice"]).exits(1);
        for program in ["ls", "cat"] {
            let run = machine
                .program(program)
                .arg(record_path("alice"))
                .user("alice")
                .run();
            assert!(
                run.stderr.contains("Permission denied") && run.stdout.is_empty(),
                "{run:?}"
            );
        }
    }
}

#[test]
fn r33_a_secret_lies_in_the_record_alone() {
    let machine = desk_on();
    let phone = give_phone(&machine, "alice");
    let renewed = json(machine.command(&["renew", "alice", "--no-confirm", "--json"]));
    let renewed = renewed["secret"].as_str().unwrap();
    machine.command(&["bypass", "alice"]).ok();
    machine.command(&["recovery-codes", "alice", "--yes"]).ok();
    assert_eq!(
        files_with(&machine, &phone.secret),
        [""; 0].map(PathBuf::from),
        "the old one is gone"
    );
    let found = files_with(&machine, renewed);
    assert!(found.contains(&record_path("alice")), "{found:?}");
    assert!(
        found.iter().all(|path| path.ends_with("users/alice.toml")),
        "{found:?}"
    );
    machine.command(&["unset", "alice", "--yes"]).ok();
    assert_eq!(files_with(&machine, renewed), [""; 0].map(PathBuf::from));
}

#[test]
fn r33_recovery_and_bypass_codes_are_stored_as_hashes() {
    let machine = desk();
    let codes = strings(&give(&machine, "alice", &[])["recovery_codes"]);
    let bypass = json(machine.command(&["bypass", "alice", "--json"]))["code"].clone();
    let record = machine.read(record_path("alice")).to_uppercase();
    for code in codes.iter().map(String::as_str).chain(bypass.as_str()) {
        assert!(!record.contains(code) && !record.contains(&code.replace('-', "")));
    }
}

#[test]
fn r33_no_secret_is_in_arguments_or_environment() {
    let machine = desk();
    let (pty, shown) = begin(&machine, &["enroll", "alice"]);
    let (_other, renewed) = {
        give(&machine, "bob", &[]);
        begin(&machine, &["renew", "bob"])
    };
    let processes = processes();
    let ours = processes
        .iter()
        .filter(|(command, _)| command.starts_with("/usr/local/bin/twofactor\0"));
    assert_eq!(ours.count(), 2, "{processes:?}");
    for (command, environment) in &processes {
        for secret in [&shown.key, &renewed.key] {
            assert!(!command.contains(secret.as_str()) && !environment.contains(secret.as_str()));
        }
    }
    drop(pty);
}

/// Command lines and environments of the processes of the machine.
fn processes() -> Vec<(String, String)> {
    let entries = fs::read_dir("/proc").unwrap().flatten();
    let read = |path: PathBuf| Some(String::from_utf8_lossy(&fs::read(path).ok()?).into_owned());
    entries
        .filter_map(|entry| {
            Some((
                read(entry.path().join("cmdline"))?,
                read(entry.path().join("environ"))?,
            ))
        })
        .filter(|(command, _)| !command.is_empty())
        .collect()
}

/// It asks the kernel before it reads anything.
#[test]
fn r33_the_command_leaves_no_core_dump() {
    let machine = desk();
    let traced = machine.program("strace").args(&[
        "-f",
        "-qq",
        "-e",
        "trace=prctl",
        "-o",
        "/run/trace",
        "/usr/local/bin/twofactor",
        "status",
    ]);
    traced.run().ok();
    let calls = machine.read("/run/trace");
    assert!(
        calls.contains("prctl(PR_SET_DUMPABLE, SUID_DUMP_DISABLE) = 0"),
        "{calls}"
    );
}
