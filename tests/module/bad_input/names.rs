//! Login names from the network: whatever they hold, they belong to no user, make no file, and fill one log line.

use harness::Machine;
use harness::pam::{Drive, code};

use harness::enrolled::{
    IGNORED, ON, SERVICE, auth, enroll_token, login, machine, run, write_record,
};
use harness::snapshot::Snapshot;

const MANDATORY: &str = "enabled = true\nenforcement = \"mandatory\"\n";

/// Names that no account has, and how the log shows them.
fn strange_names() -> Vec<(Vec<u8>, String)> {
    let mut names: Vec<(Vec<u8>, String)> = [
        ("", ""),
        (".", "."),
        ("..", ".."),
        ("/", "/"),
        ("../../../etc/passwd", "../../../etc/passwd"),
        ("../alice", "../alice"),
        ("users/alice", "users/alice"),
        ("alice/", "alice/"),
        ("alice.toml", "alice.toml"),
        (".alice.toml.new", ".alice.toml.new"),
        ("%61lice", "%61lice"),
        ("%", "%"),
        ("%s%n%s%n", "%s%n%s%n"),
        ("%00", "%00"),
        ("alice\n", "alice\\x0a"),
        (
            "a\nuser=alice rhost= result=accepted",
            "a\\x0auser\\x3dalice\\x20rhost\\x3d\\x20result\\x3daccepted",
        ),
        ("\u{1b}[2Jx\r\u{7f}\u{9b}", "\\x1b[2Jx\\x0d\\x7f\\xc2\\x9b"),
        (" alice", "\\x20alice"),
        ("alice ", "alice\\x20"),
        ("\"quoted\\\"", "\\x22quoted\\x5c\\x22"),
        ("älice", "\\xc3\\xa4lice"),
    ]
    .iter()
    .map(|(name, shown)| (name.as_bytes().to_vec(), (*shown).to_owned()))
    .collect();
    names.push((b"\xff\xfealice".to_vec(), "\\xff\\xfealice".to_owned()));
    names.push((vec![b'x'; 10_000], format!("{}...", "x".repeat(128))));
    names.push((
        b"/..".repeat(3_334),
        format!("{}...", &"/..".repeat(43)[..128]),
    ));
    names.push((vec![b'\n'; 10_000], format!("{}...", "\\x0a".repeat(128))));
    names
}

/// Runs logins with a name; nothing may be asked or written, and the log line must be whole and printable.
fn refused(machine: &Machine, drive: Drive, code: i32, line: &str) {
    machine.forget_log();
    let before = Snapshot::take();
    let outcome = run(drive);
    assert_eq!((outcome.auth, outcome.prompts.len()), (code, 0), "{line}");
    assert_eq!(before.changed(), [""; 0], "{line}");
    let lines = machine.log();
    let ours: Vec<_> = lines
        .iter()
        .filter(|line| line.message.starts_with("pam_twofactor("))
        .collect();
    assert_eq!(ours.len(), 1, "{line}");
    assert_eq!(
        ours[0].message,
        format!("pam_twofactor({SERVICE}:auth): {line}")
    );
    assert!(
        ours[0].raw.iter().all(|byte| (0x20..0x7f).contains(byte)),
        "{line}"
    );
}

#[test]
fn strange_names_are_treated_like_the_unenrolled() {
    let machine = machine(ON);
    enroll_token(&machine, "alice");
    for (name, shown) in strange_names() {
        let line = format!("user={shown} rhost= result=unenrolled");
        refused(&machine, login(&name), IGNORED, &line);
    }
    machine.policy(MANDATORY);
    for (name, shown) in strange_names() {
        let line = format!("user={shown} rhost= result=device-required");
        refused(&machine, login(&name), code::AUTH_ERR, &line);
    }
}

#[test]
fn uniform_prompt_hides_that_names_are_strange() {
    let machine = machine(&format!("{MANDATORY}uniform_prompt = true\ntries = 1\n"));
    let alice = enroll_token(&machine, "alice");
    let real = run(alice.login().answer("000"));
    assert_eq!(real.auth, code::MAXTRIES);
    for (name, _) in strange_names() {
        let before = Snapshot::take();
        let outcome = run(login(&name).answer("000"));
        assert_eq!(
            (outcome.auth, &outcome.messages),
            (real.auth, &real.messages)
        );
        assert_eq!(before.changed(), [""; 0]);
    }
}

#[test]
fn strange_hosts_and_services_are_escaped() {
    let machine = machine(ON);
    for (rhost, shown) in [
        (
            &b"x\nuser=root result=accepted"[..],
            "x\\x0auser\\x3droot\\x20result\\x3daccepted",
        ),
        (b"\x1b]0;x\x07", "\\x1b]0;x\\x07"),
        (b"%s%n\xff", "%s%n\\xff"),
        (&[b'9'; 200], &format!("{}...", "9".repeat(128))),
    ] {
        let line = format!("user=bob rhost={shown} result=unenrolled");
        refused(&machine, login("bob").rhost(rhost), IGNORED, &line);
    }
}

/// Names that accounts can have, though they are no plain file names.
#[test]
fn unusual_accounts_have_their_own_files() {
    let machine = machine(ON);
    for (name, file) in [
        ("CORP\\alice", "CORP%5Calice"),
        ("alice@example.org", "alice%40example.org"),
        ("a%41", "a%2541"),
        (".hidden", "%2Ehidden"),
        ("..", "%2E."),
        ("ünï", "%C3%BCn%C3%AF"),
        ("two words", "two%20words"),
        ("a/b", "a%2Fb"),
    ] {
        let token = enroll_token(&machine, name);
        for path in [format!("users/{file}.toml"), format!("state/{file}")] {
            let path = format!("{}/{path}", twofactor_core::STATE_DIR);
            assert!(std::path::Path::new(&path).is_file(), "{path}");
        }
        assert_eq!(
            auth(token.login().answer(token.code())),
            code::SUCCESS,
            "{name}"
        );
        assert_eq!(
            auth(token.login().answer(token.code_at(0)).answer_null()),
            code::CONV_ERR
        );
    }
}

#[test]
fn r42_an_alias_of_a_uid_needs_the_same_code() {
    let machine = machine(ON);
    machine.add_user_with_id("one", 61_000);
    machine.add_user_with_id("two", 61_000);
    let one = twofactor_core::account::Account {
        name: "one".to_owned(),
        uid: 61_000,
        gid: 61_000,
    };
    let kind = twofactor_core::device::OtpKind::Hotp;
    write_record(&one, vec![harness::enrolled::device("token", kind)]);
    assert_eq!(auth(login("one")), code::CONV_ERR, "asked");
    assert_eq!(auth(login("two")), code::CONV_ERR, "asked as well");
}
