//! The QR codes on the terminal: drawn as a picture, read by zbarimg, on dark and on light screens.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test"
)]

#[path = "common/desk.rs"]
mod desk;
#[path = "common/enrolled.rs"]
mod enrolled;
#[path = "common/screen.rs"]
mod screen;

use desk::{ASK, Shown, begin, desk, finish, give, give_phone, json, lets_in, parse, terminal};
use harness::Totp;
use screen::Background::{Dark, Light};
use screen::{scan, scan_blurred};

/// The plain parameters of a URI.
fn parameter<'a>(uri: &'a str, name: &str) -> &'a str {
    let query = uri.split_once('?').unwrap().1;
    let found = query
        .split('&')
        .find_map(|pair| pair.strip_prefix(&format!("{name}=")));
    found.unwrap()
}

#[test]
fn r30_phones_read_the_code_on_dark_and_on_light_terminals() {
    let machine = desk();
    for style in ["--qr=utf8", "--qr=ascii"] {
        // The narrowest terminal that is promised to work.
        let mut pty = machine
            .twofactor(&["enroll", "alice", style])
            .pty_of(80, 24);
        let text = pty.expect(ASK);
        let uri = Shown::read(&text).uri;
        assert!(text.contains("Scan this with the authenticator app, or type in the key:\n\n"));
        for background in [Dark, Light] {
            assert_eq!(
                scan(&machine, &text, background),
                [uri.as_str()],
                "{style} {background:?}"
            );
        }
        for line in text.lines() {
            let cells = line.replace("\x1b[0m", "").replace("\x1b[30;47m", "");
            let cells = cells.replace("\x1b[40m", "").replace("\x1b[47m", "");
            assert!(
                cells.starts_with("URI: ") || cells.chars().count() <= 80,
                "{cells:?}"
            );
        }
    }
}

#[test]
fn r30_the_longest_settings_still_fit_eighty_columns() {
    let machine = desk();
    let long = "a-login-name-of-32-characters-ab";
    machine.add_user(long);
    let enroll = [
        "enroll",
        long,
        "--algorithm=SHA512",
        "--digits=8",
        "--interval=3600",
    ];
    let mut pty = machine.twofactor(&enroll).pty_of(80, 24);
    let text = pty.expect(ASK);
    let uri = Shown::read(&text).uri;
    assert!(
        uri.ends_with("&issuer=box&algorithm=SHA512&digits=8&period=3600"),
        "{uri}"
    );
    for background in [Dark, Light] {
        assert_eq!(scan(&machine, &text, background), [uri.as_str()]);
    }
}

#[test]
fn r30_r41_what_a_phone_reads_gives_codes_that_let_one_in() {
    let machine = desk();
    machine.policy("enabled = true\n");
    let (mut pty, _) = begin(&machine, &["enroll", "alice"]);
    let read = scan(&machine, &pty.shown(), Dark);
    let app = Totp::new(parameter(&read[0], "secret"));
    pty.send_line(&app.code());
    assert_eq!(finish(pty).code, Some(0));
    assert!(lets_in("alice", &app.code_after(1)));
    // The same once more, later.
    let show = terminal(&machine, &["show", "alice", "--qr", "utf8"]).end();
    assert_eq!(show.code, Some(0));
    assert_eq!(scan(&machine, &show.shown, Light), read);
}

#[test]
fn r30_without_colours_the_code_is_readable_on_a_dark_terminal() {
    let machine = desk();
    let uri = give(&machine, "alice", &[])["uri"]
        .as_str()
        .unwrap()
        .to_owned();
    for (style, name, value) in [
        ("--qr=utf8", "NO_COLOR", "1"),
        ("--qr=ascii", "NO_COLOR", "1"),
        ("--qr=utf8", "TERM", "dumb"),
    ] {
        let show = machine
            .twofactor(&["show", "alice", style])
            .env(name, value)
            .pty()
            .end();
        assert_eq!(show.code, Some(0));
        assert!(!show.shown.contains('\x1b'), "{name}");
        let scan = if style == "--qr=ascii" {
            scan_blurred
        } else {
            scan
        };
        assert_eq!(scan(&machine, &show.shown, Dark), [uri.as_str()], "{style}");
        // On a light one it is inverted, which not every reader takes: that is said.
        assert_eq!(scan(&machine, &show.shown, Light), [""; 0], "{style}");
        let note = "Drawn without colours, for light letters on a dark screen.\n\
                    On a light screen some apps cannot read it: then use the key instead of the code.\n";
        assert!(show.shown.contains(note), "{}", show.shown);
    }
}

#[test]
fn r30_a_terminal_that_is_too_narrow_says_so_and_the_key_is_still_shown() {
    let machine = desk();
    let mut pty = machine.twofactor(&["enroll", "alice"]).pty_of(30, 24);
    let text = pty.expect(ASK);
    let told = "the QR code needs 35 columns, this terminal has 30\nMake it wider, or use the key instead of the code.\n";
    assert!(text.starts_with(told), "{text}");
    assert_eq!(Shown::read(&text).settings, "TOTP SHA1, 6 digits, 30 s");
    give_phone(&machine, "bob");
    let ended = machine
        .twofactor(&["show", "bob", "--qr=utf8"])
        .pty_of(30, 24)
        .end();
    assert_eq!(
        (ended.code, ended.shown),
        (Some(1), format!("twofactor: {told}"))
    );
}

#[test]
fn r30_a_code_is_drawn_only_when_wanted_and_never_into_json() {
    let machine = desk();
    let (pty, shown) = begin(&machine, &["enroll", "alice", "--qr=none"]);
    assert!(
        pty.shown()
            .starts_with(&format!("Key: {}\n", shown.grouped))
    );
    drop(pty);
    let run = machine.command(&["enroll", "alice", "--no-confirm", "--json"]);
    // A script takes the key from the report; standard error may end up in a log.
    assert_eq!(run.stderr, "");
    assert!(parse(&run.stdout)["uri"].is_string());
    let report = json(machine.command(&["show", "alice", "--qr=utf8", "--json"]));
    assert!(report["devices"][0]["uri"].is_string());
}

#[test]
fn output_into_a_pipe_has_no_escape_sequences() {
    let machine = desk();
    for arguments in [
        &["enroll", "alice", "--no-confirm"][..],
        &[
            "enroll",
            "alice",
            "--no-confirm",
            "--qr=ascii",
            "--device=tablet",
        ],
        &["show", "alice", "--device=phone", "--qr=utf8"],
        &["status"],
        &["enable", "--yes"],
        &["--help"],
    ] {
        let run = machine.command(arguments).ok();
        assert!(!run.stdout.is_empty());
        assert!(
            !(run.stdout + &run.stderr).contains('\x1b'),
            "{arguments:?}"
        );
    }
    for wrong in [&["enroll"][..], &["enroll", "alice"], &["nonsense"]] {
        let run = machine.command(wrong);
        assert!(!(run.stdout + &run.stderr).contains('\x1b'), "{wrong:?}");
    }
}
