//! The QR codes on the terminal: drawn as a picture, read by zbarimg, on dark and on light screens.

use harness::Totp;
use harness::desk::{
    ASK, IN_ONE_PIECE, Shown, begin, desk, finish, give, give_phone, json, lets_in, parse, terminal,
};
use harness::screen::Background::{Dark, Light};
use harness::screen::{COLUMNS, assert_fits, scan, scan_blurred};

/// The plain parameters of a URI.
fn parameter<'a>(uri: &'a str, name: &str) -> &'a str {
    let query = uri.split_once('?').unwrap().1;
    let found = query
        .split('&')
        .find_map(|pair| pair.strip_prefix(&format!("{name}=")));
    found.unwrap()
}

#[test]
fn r30_phones_read_dark_and_light_terminals() {
    let machine = desk();
    for style in ["--qr=utf8", "--qr=ascii"] {
        // The narrowest terminal that is promised to work.
        let mut pty = machine
            .twofactor(&["enroll", "alice", style])
            .pty_of(80, 24);
        let text = pty.expect(ASK);
        let uri = Shown::read(&text).uri;
        assert!(
            text.contains("Scan this with the authenticator app, or type in the key below it:\n\n")
        );
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
fn r30_r41_codes_of_a_scanned_key_let_in() {
    let machine = desk();
    machine.policy("enabled = true\n");
    let (mut pty, _) = begin(&machine, &["enroll", "alice"]);
    let read = scan(&machine, &pty.shown(), Dark);
    let app = Totp::new(parameter(&read[0], "secret"));
    pty.send_line(&app.code());
    assert_eq!(finish(pty).code, Some(0));
    assert!(lets_in("alice", &app.code_after(1)));
    // Once more, later.
    let show = terminal(&machine, &["show", "alice", "--qr", "utf8"]).end();
    assert_eq!(show.code, Some(0));
    assert_eq!(scan(&machine, &show.shown, Light), read);
}

#[test]
fn r30_dark_terminals_work_without_colours() {
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
fn r30_a_narrow_terminal_still_shows_the_key() {
    let machine = desk();
    let mut pty = machine.twofactor(&["enroll", "alice"]).pty_of(30, 24);
    let text = pty.expect(ASK);
    let told = "the QR code needs 35 columns,\nthis terminal has 30\nMake it wider, or use the key\ninstead of the code.\n";
    assert!(text.starts_with(told), "{text}");
    assert_eq!(Shown::read(&text).settings, "TOTP SHA1, 6 digits, 30 s");
    give_phone(&machine, "bob");
    let ended = machine
        .twofactor(&["show", "bob", "--qr=utf8"])
        .pty_of(30, 24)
        .end();
    assert_eq!(ended.code, Some(1));
    assert!(
        ended.shown.ends_with(
            "twofactor: the QR code needs\n35 columns, this terminal has\n30\nMake it wider, or use the key\ninstead of the code.\n"
        ),
        "{}",
        ended.shown
    );
    assert_eq!(
        Shown::read(&ended.shown).settings,
        "TOTP SHA1, 6 digits, 30 s"
    );
}

/// The part of a text that a terminal of 24 lines with 80 columns still shows; lines that are too long take several.
fn screenful(text: &str) -> String {
    screenful_of(80, text)
}

/// The part for a terminal with so many columns.
fn screenful_of(columns: usize, text: &str) -> String {
    let plain = text.replace("\x1b[0m", "").replace("\x1b[30;47m", "");
    let rows = |line: &str| line.chars().count().div_ceil(columns).max(1);
    let mut room = 24;
    let lines: Vec<&str> = plain.lines().collect();
    let seen = lines.iter().rev().take_while(|line| {
        room -= rows(line) as isize;
        room >= 0
    });
    let first = lines.len() - seen.count();
    let colours: Vec<&str> = text.lines().skip(first).collect();
    colours.join("\n")
}

/// The text with a blank for each end of a line.
fn unbroken(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

const LONG_HOST: &str = "server-17.frankfurt.customers.example-hosting.com";

#[test]
fn r30_long_names_still_fit_a_terminal_of_24_lines() {
    let machine = desk();
    machine.run("hostname", &[LONG_HOST]).ok();
    let user = "firstname.lastname";
    machine.add_user(user);
    let whole = give(&machine, user, &[])["uri"]
        .as_str()
        .unwrap()
        .to_owned();
    assert!(whole.contains(&format!("&issuer={LONG_HOST}")), "{whole}");
    for (arguments, end) in [
        (vec!["enroll", user, "--device=b"], ASK),
        (vec!["renew", user, "--device=phone"], ASK),
    ] {
        let mut pty = machine.twofactor(&arguments).pty_of(80, 24);
        let text = pty.expect(end);
        let uri = Shown::read(&text).uri;
        assert!(!uri.contains("&issuer="), "{uri}");
        let screen = screenful(&text);
        for background in [Dark, Light] {
            assert_eq!(
                scan(&machine, &screen, background),
                [uri.as_str()],
                "{screen}"
            );
        }
        assert!(
            screen.contains(end) && screen.contains("\nKey: "),
            "{screen}"
        );
        assert!(!text.contains("Make it higher"), "{text}");
    }
    // A larger terminal has room for the whole.
    let mut pty = machine
        .twofactor(&["enroll", user, "--device=b"])
        .pty_of(80, 40);
    let uri = Shown::read(&pty.expect(ASK)).uri;
    assert!(uri.contains(&format!("&issuer={LONG_HOST}")), "{uri}");
    // The short host name is the last resort, and the issuer of a policy stays.
    let longest = "a-login-name-that-is-as-long-as-it-can-be";
    machine.add_user(longest);
    let shown = || {
        let mut pty = machine.twofactor(&["enroll", longest]).pty_of(80, 24);
        pty.expect(ASK)
    };
    let text = shown();
    let uri = Shown::read(&text).uri;
    assert!(
        uri.starts_with(&format!("otpauth://totp/server-17:{longest}?")),
        "{uri}"
    );
    assert_eq!(scan(&machine, &screenful(&text), Dark), [uri.as_str()]);
    machine.policy(&format!("enabled = true\nissuer = \"{LONG_HOST}\"\n"));
    let text = shown();
    assert!(text.contains("Make it higher, or use the key"), "{text}");
    // If the code has no room, key and URI are what is seen last.
    let shown = Shown::read(&screenful(&text));
    assert!(shown.uri.contains(LONG_HOST));
}

#[test]
fn r30_a_terminal_without_utf8_gets_plain_characters() {
    let machine = desk();
    let uri = give(&machine, "alice", &[])["uri"]
        .as_str()
        .unwrap()
        .to_owned();
    for locale in ["C", "de_DE.ISO-8859-1", ""] {
        let show = machine.twofactor(&["show", "alice", "--qr=auto"]);
        let ended = show.env("LC_ALL", locale).pty().end();
        assert!(ended.shown.is_ascii() && ended.code == Some(0), "{locale}");
        for background in [Dark, Light] {
            assert_eq!(
                scan(&machine, &ended.shown, background),
                [uri.as_str()],
                "{locale}"
            );
        }
        assert_eq!(Shown::read(&ended.shown).uri, uri);
        // By itself, and with the key below where 24 lines are too few for it.
        let enroll = machine.twofactor(&["enroll", "bob"]).env("LC_ALL", locale);
        let text = enroll.pty_of(80, 24).expect(ASK);
        assert!(text.is_ascii(), "{text}");
        let (shown, seen) = (Shown::read(&text), Shown::read(&screenful(&text)));
        assert_eq!(shown, seen);
        // Told otherwise, it does as told.
        let show = machine.twofactor(&["show", "alice", "--qr=utf8"]);
        let ended = show.env("LC_ALL", locale).pty().end();
        assert!(ended.shown.contains('█'), "{locale}");
    }
}

#[test]
fn r30_half_blocks_depend_on_utf8_alone() {
    let machine = desk();
    give_phone(&machine, "alice");
    let show = "stty iutf8; twofactor show alice --qr=auto";
    let terminal = machine.program("sh").args(&["-c", show]).env("LC_ALL", "C");
    assert!(terminal.pty().end().shown.contains('█'));
    // Into a pipe it goes as the locale says, and as half blocks where there is none.
    for (locale, blocks) in [("C", false), ("", true), ("C.UTF-8", true)] {
        let show = machine.twofactor(&["show", "alice", "--qr=auto"]);
        let run = show.env("LC_ALL", locale).run().ok();
        assert_eq!(run.stdout.contains('█'), blocks, "{locale}");
        assert_eq!(run.stdout.is_ascii(), !blocks, "{locale}");
    }
}

#[test]
fn r30_a_code_is_drawn_when_wanted_and_not_in_json() {
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
fn r30_a_code_leaves_room_for_key_and_question() {
    let machine = desk();
    let mut pty = machine.twofactor(&["enroll", "alice"]).pty_of(40, 24);
    let text = pty.expect(ASK);
    let (uri, screen) = (Shown::read(&text).uri, screenful_of(40, &text));
    for background in [Dark, Light] {
        assert_eq!(scan(&machine, &screen, background), [uri.as_str()]);
    }
    assert!(
        screen.contains("\nKey: ") && unbroken(&screen).ends_with(ASK.trim_end()),
        "{screen}"
    );
}

#[test]
fn r30_i_inverts_the_code_and_is_no_guess() {
    for columns in COLUMNS {
        inverts_the_code(columns);
    }
}

fn inverts_the_code(columns: u16) {
    let machine = desk();
    let enroll = machine.twofactor(&["enroll", "alice"]).env("NO_COLOR", "1");
    let mut pty = enroll.pty_of(columns, 24);
    let first = pty.expect(ASK);
    let shown = Shown::read(&first);
    assert_fits(&first, columns, &IN_ONE_PIECE);
    let end = format!("Does not scan? Type i. {ASK}");
    assert!(unbroken(&first).ends_with(end.trim_end()), "{first}");
    assert_eq!(
        scan(&machine, &screenful_of(columns.into(), &first), Dark),
        [shown.uri.as_str()]
    );
    assert_eq!(scan(&machine, &first, Light), [""; 0]);
    // More often than codes may be wrong.
    for (time, background) in [Light, Dark, Light, Dark, Light, Dark]
        .into_iter()
        .enumerate()
    {
        pty.send_line(if time % 2 == 0 { "i" } else { " I" });
        let again = pty.expect(ASK);
        assert_eq!(Shown::read(&again), shown);
        let screen = screenful_of(columns.into(), &again);
        assert_eq!(
            scan(&machine, &screen, background),
            [shown.uri.as_str()],
            "{screen}"
        );
    }
    pty.send_line(&shown.totp().code());
    assert_eq!(finish(pty).code, Some(0));
}

#[test]
fn r30_i_inverts_with_colours_and_needs_a_picture() {
    let machine = desk();
    let mut pty = machine.twofactor(&["enroll", "bob"]).pty_of(80, 24);
    pty.answer(ASK, "i");
    let again = pty.expect(ASK);
    assert!(!again.contains('\x1b'), "{again}");
    assert_eq!(
        scan(&machine, &again, Light),
        [Shown::read(&again).uri.as_str()]
    );
    // Without a picture it is an answer like others.
    let mut pty = machine
        .twofactor(&["enroll", "bob", "--qr=none"])
        .pty_of(80, 24);
    assert!(!pty.expect(ASK).contains("Does not scan?"));
    pty.send_line("i");
    pty.expect("A code has 6 digits.");
    // Without colours and without UTF-8 on a light screen: letters for what is dark.
    let enroll = machine.twofactor(&["enroll", "bob"]);
    let mut pty = enroll
        .env("NO_COLOR", "1")
        .env("LC_ALL", "C")
        .pty_of(80, 60);
    pty.answer(ASK, "i");
    let again = pty.expect(ASK);
    assert!(again.is_ascii() && !again.contains('\x1b'), "{again}");
    let uri = Shown::read(&again).uri;
    assert_eq!(scan_blurred(&machine, &again, Light), [uri.as_str()]);
}
