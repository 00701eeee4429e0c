//! QR codes as files, read by zbarimg, and URIs with names that need escaping.

use std::os::unix::fs::{MetadataExt, symlink};
use std::path::{Path, PathBuf};

use harness::desk;
use harness::desk::{begin, desk, desk_on, give, give_phone, lets_in};
use harness::enrolled::{logged, record_path};
use harness::screen::{Background, read, scan};
use harness::{Machine, Totp};

/// Directory in which an administrator would put files.
fn place(machine: &Machine, name: &str) -> (PathBuf, String) {
    let path = machine.scratch().join(name);
    let text = path.display().to_string();
    (path, text)
}

/// Text that a phone reads from a drawing that a browser shows.
fn read_drawing(machine: &Machine, svg: &Path) -> Vec<String> {
    let picture = machine.scratch().join("drawn.png");
    let convert = machine.program("rsvg-convert").arg("-o").arg(&picture);
    convert.arg(svg).run().ok();
    read(machine, &picture)
}

fn is_private(path: &Path) -> bool {
    let about = std::fs::symlink_metadata(path).unwrap();
    about.is_file() && about.mode() & 0o7777 == 0o600 && about.uid() == 0
}

fn unescaped(text: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = text.as_bytes();
    while let [first, tail @ ..] = rest {
        if let (b'%', [high, low, after @ ..]) = (*first, tail) {
            let digits = [*high, *low];
            let digits = std::str::from_utf8(&digits).unwrap();
            bytes.push(u8::from_str_radix(digits, 16).unwrap());
            rest = after;
        } else {
            bytes.push(*first);
            rest = tail;
        }
    }
    String::from_utf8(bytes).unwrap()
}

#[test]
fn r30_enroll_writes_a_picture_and_a_drawing() {
    let machine = desk_on();
    let ((png, png_name), (svg, svg_name)) = (place(&machine, "a.png"), place(&machine, "a.svg"));
    let files = ["--png", &png_name, "--svg", &svg_name];
    let (mut pty, shown) = begin(&machine, &[&["enroll", "alice"][..], &files].concat());
    // It is there to be scanned before the code is asked for.
    assert_eq!(read(&machine, &png), [shown.uri.as_str()]);
    assert_eq!(read_drawing(&machine, &svg), [shown.uri.as_str()]);
    pty.send_line(&shown.totp().code());
    let ended = desk::finish(pty);
    assert_eq!(ended.code, Some(0));
    let told = format!(
        "Written: {png_name} (only root can read it). It shows the key: remove it once it was scanned.\n"
    );
    assert!(ended.shown.contains(&told), "{}", ended.shown);
    assert!(is_private(&png) && is_private(&svg));
}

#[test]
fn r30_show_and_renew_write_files_too() {
    let machine = desk();
    let uri = give(&machine, "alice", &[])["uri"]
        .as_str()
        .unwrap()
        .to_owned();
    for (option, name) in [("--png", "b.png"), ("--svg", "b.svg")] {
        let (path, text) = place(&machine, name);
        machine.forget_log();
        let show = machine.command(&["show", "alice", option, &text]).ok();
        // Nothing secret on the screen: the file is what was asked for.
        assert_eq!(
            show.stdout,
            format!(
                "Written: {text} (only root can read it). It shows the key: remove it once it was scanned.\n"
            )
        );
        assert!(is_private(&path));
        let seen = match option {
            "--png" => read(&machine, &path),
            _ => read_drawing(&machine, &path),
        };
        assert_eq!(seen, [uri.as_str()], "{name}");
        assert!(
            !machine
                .log_with("revealed user=alice device=phone")
                .is_empty()
        );
    }
    let (path, text) = place(&machine, "c.png");
    let renew = ["renew", "alice", "--no-confirm", "--json", "--png", &text];
    let report = desk::json(machine.command(&renew));
    assert_eq!(read(&machine, &path), [report["uri"].as_str().unwrap()]);
    assert_ne!(report["uri"], uri);
}

#[test]
fn an_existing_file_is_never_overwritten() {
    let machine = desk();
    give_phone(&machine, "bob");
    let (old, name) = place(&machine, "old");
    machine.write_file(&old, "old", 0o644);
    let (link, link_name) = place(&machine, "link");
    let nowhere = machine.scratch().join("nowhere");
    symlink(&nowhere, &link).unwrap();
    for name in [&name, &link_name] {
        let told = format!(
            "twofactor: {name}: exists already, and is not overwritten\n\
             Give another name, or remove that file first. Nothing was changed.\n"
        );
        for arguments in [
            &["enroll", "alice", "--no-confirm", "--png", name][..],
            &["enroll", "alice", "--no-confirm", "--svg", name],
            &["renew", "bob", "--no-confirm", "--png", name],
            &["show", "bob", "--png", name],
        ] {
            assert_eq!(
                machine.command(arguments).exits(1).stderr,
                told,
                "{arguments:?}"
            );
        }
    }
    assert_eq!(machine.read(&old), "old");
    assert!(!nowhere.exists() && !record_path("alice").exists());
    let run = machine.command(&["show", "bob", "--png", "/no/such/place.png"]);
    assert_eq!(
        run.exits(1).stderr,
        "twofactor: /no/such/place.png: there is no such directory\n\
         Make the directory first. Nothing was changed.\n"
    );
}

#[test]
fn a_device_that_is_not_stored_leaves_no_file() {
    let machine = desk();
    let (png, name) = place(&machine, "d.png");
    let (mut pty, _) = begin(&machine, &["enroll", "alice", "--png", &name]);
    assert!(png.exists());
    pty.send_line("");
    assert_eq!(pty.end().code, Some(1));
    assert!(!png.exists());
    // The first file is taken back when the second cannot be made.
    give_phone(&machine, "bob");
    let run = machine.command(&["show", "bob", "--png", &name, "--svg", "/no/such.svg"]);
    run.exits(1);
    assert!(!png.exists());
    // A full disk.
    let full = machine.command(&["show", "bob", "--png", "/dev/full"]);
    full.exits(1);
}

#[test]
fn a_signal_leaves_no_file() {
    let machine = desk();
    give_phone(&machine, "bob");
    let before = machine.read(record_path("bob"));
    let (picture, png) = place(&machine, "e.png");
    let (list, sheet) = place(&machine, "e.txt");
    let ctrl_c = |mut pty: harness::Pty, files: &[&Path]| {
        for file in files {
            assert!(file.exists(), "{}", file.display());
        }
        pty.send(b"\x03");
        let ended = pty.end();
        assert_eq!(ended.code, Some(1), "{}", ended.shown);
        assert!(ended.shown.contains("interrupted"), "{}", ended.shown);
        assert!(!picture.exists() && !list.exists());
    };
    let enroll = ["enroll", "alice", "--png", &png, "--recovery-file", &sheet];
    let (pty, _) = begin(&machine, &enroll);
    ctrl_c(pty, &[&picture, &list]);
    assert!(!record_path("alice").exists());
    let (pty, _) = begin(&machine, &["renew", "bob", "--png", &png]);
    ctrl_c(pty, &[&picture]);
    let codes = ["recovery-codes", "bob", "--recovery-file", &sheet];
    let mut pty = desk::terminal(&machine, &codes);
    pty.expect("Replace the recovery codes of bob? [y/N] ");
    ctrl_c(pty, &[&list]);
    assert_eq!(machine.read(record_path("bob")), before);
}

#[test]
fn r32_escaped_device_names_come_back() {
    let machine = desk_on();
    // It would end the issuer in a label (Key URI Format).
    machine
        .command(&["policy", "set", "issuer", "one:two", "--yes"])
        .exits(2);
    let issuers = [
        "Example Company",
        "ops@example.org",
        "Käse & Größe 北京 100%",
        "CORP\\\\unit",
    ];
    for (number, issuer) in issuers.into_iter().enumerate() {
        let device = format!("d{number}");
        machine.policy(&format!("enabled = true\nissuer = \"{issuer}\"\n"));
        let issuer = issuer.replace("\\\\", "\\");
        let (path, name) = place(&machine, &format!("{device}.png"));
        let report = give(&machine, "alice", &["--device", &device, "--png", &name]);
        let seen = read(&machine, &path).remove(0);
        assert_eq!(seen, report["uri"].as_str().unwrap());
        assert!(
            seen.is_ascii() && !seen.contains([' ', '+', '\\', '"']),
            "{seen}"
        );
        let (label, query) = seen
            .strip_prefix("otpauth://totp/")
            .unwrap()
            .split_once('?')
            .unwrap();
        let (first, account) = label.split_once(':').unwrap();
        assert_eq!((unescaped(first), account), (issuer.clone(), "alice"));
        let parameters: Vec<(&str, String)> = query
            .split('&')
            .map(|pair| pair.split_once('=').unwrap())
            .map(|(key, value)| (key, unescaped(value)))
            .collect();
        // A parameter that has its default value is left out.
        let key = report["secret"].as_str().unwrap().to_owned();
        assert_eq!(parameters, [("secret", key.clone()), ("issuer", issuer)]);
        assert!(lets_in("alice", &Totp::new(&key).code()));
        // Again from the terminal.
        let show = machine.twofactor(&["show", "alice", "--device", &device, "--qr=utf8"]);
        let shown = show.pty_of(80, 60).end().shown;
        assert_eq!(scan(&machine, &shown, Background::Dark), [seen]);
    }
}

#[test]
fn r32_escaped_login_names_come_back() {
    let machine = desk_on();
    let names = ["alice@example.org", "CORP\\alice", "alice smith", "käse"];
    for (user, uid) in names.into_iter().zip(30_000..) {
        let passwd = machine.read("/etc/passwd");
        let line = format!("{user}:x:{uid}:{uid}::/nonexistent:/bin/sh\n");
        machine.write_file("/etc/passwd", passwd + &line, 0o644);
        let (path, place) = place(&machine, &format!("{uid}.png"));
        give(&machine, user, &["--png", &place]);
        let seen = read(&machine, &path).remove(0);
        // The sign of `alice@example.org` may stand in a label (Key URI Format).
        let label = seen.strip_prefix("otpauth://totp/box:").unwrap();
        let (account, _) = label.split_once('?').unwrap();
        assert!(account.is_ascii() && !account.contains([' ', ':', '\\']));
        assert_eq!(unescaped(account), user);
    }
}

#[test]
fn r30_the_code_fits_on_24_lines_with_its_question() {
    let machine = desk();
    // At most 41 modules and a narrow zone around them fit.
    let long = "a-login-name-of-32-characters-ab";
    machine.add_user(long);
    for (issuer, user, fits) in [
        ("box.example.org", "alice", true),
        (&"i".repeat(32), "alice", true),
        (&"i".repeat(64), "alice", true),
        (&"i".repeat(64), long, false),
    ] {
        machine.policy(&format!("enabled = true\nissuer = \"{issuer}\"\n"));
        let mut pty = machine.twofactor(&["enroll", user]).pty_of(80, 24);
        let text = pty.expect(desk::ASK);
        let lines: Vec<&str> = text.lines().collect();
        let screen = lines[lines.len().saturating_sub(24)..].join("\n");
        let uri = desk::Shown::read(&text).uri;
        let seen = scan(&machine, &screen, Background::Dark);
        let note =
            " lines, this terminal has 24.\nMake it higher, or use the key instead of the code.\n";
        if fits {
            assert_eq!(seen, [uri.as_str()], "{issuer}");
        } else {
            // Then the key stands above the question.
            assert!(screen.contains("Key: ") && screen.contains("URI: "));
        }
        assert_eq!(text.contains(note), !fits, "{text}");
        drop(pty);
    }
    // Plain characters take a line for each row of modules, which no such screen has.
    let enroll = machine.twofactor(&["enroll", "alice", "--qr=ascii"]);
    let mut pty = enroll.pty_of(132, 24);
    assert!(pty.expect(desk::ASK).contains("The QR code needs "));
    let seen = logged(&machine);
    assert!(seen.is_empty());
}
