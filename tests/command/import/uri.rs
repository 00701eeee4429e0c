//! otpauth URIs, the export of an app, and backups that hold such URIs.

use harness::desk::{desk_on, json, lets_in};
use harness::enrolled::SECRET;
use harness::{Totp, hotp};

use super::{import, items, partial};

#[test]
fn uris_come_from_files_and_standard_input_only() {
    let machine = desk_on();
    let uri = format!(
        "otpauth://hotp/Example:alice?secret={}&counter=7&issuer=Example",
        SECRET.to_lowercase()
    );
    let typed = machine
        .command(&["import", "uri", &uri, "--user", "alice", "--yes"])
        .exits(2);
    assert!(
        !typed.stderr.contains("gezd") && typed.stdout.is_empty(),
        "{}",
        typed.stderr
    );
    let stdin = machine
        .twofactor(&["import", "uri", "--yes", "--json"])
        .input(format!("{uri}\n"));
    let report = json(stdin.run());
    assert_eq!(report["items"][0]["device"], "Example");
    assert!(!lets_in("alice", &hotp(SECRET, 6, 6)) && lets_in("alice", &hotp(SECRET, 7, 6)));

    let other = "otpauth://totp/x%40y:stranger?secret=GEZDGNBVGY3TQOJQ===";
    machine.write_file("/root/uris", format!("{other}\nnonsense\n{uri}\n"), 0o600);
    let report = partial(&machine, &["uri", "/root/uris", "--user", "bob"]);
    let rows: Vec<(u64, String)> = items(&report)
        .into_iter()
        .map(|row| (row.1, row.2))
        .collect();
    assert_eq!(
        rows,
        [
            (1, "taken".into()),
            (3, "taken".into()),
            (2, "refused".into())
        ]
    );
    let names: Vec<&str> = (0..2)
        .map(|n| report["items"][n]["device"].as_str().unwrap())
        .collect();
    assert_eq!(names, ["x-y", "Example"]);
    // A label that names no user here.
    let report = partial(&machine, &["uri", "/root/uris"]);
    let reason = report["items"].to_string();
    assert!(
        reason.contains("names no user of this machine (stranger)"),
        "{reason}"
    );
    machine.command(&["import", "uri", "--yes"]).exits(1);
}

/// Two devices, exported by the app: SHA1, six digits, TOTP `alice` and HOTP `bob` with counter 4.
#[test]
fn an_export_of_the_app_is_taken_whole() {
    let machine = desk_on();
    let device = |name: &str, tail: &[u8]| {
        let key = b"12345678901234567890";
        let mut inner = [
            &[0x0a, 20][..],
            key,
            &[0x12, name.len() as u8],
            name.as_bytes(),
        ]
        .concat();
        inner.extend_from_slice(&[0x20, 1, 0x28, 1]);
        inner.extend_from_slice(tail);
        [&[0x0a, inner.len() as u8][..], &inner].concat()
    };
    let mut payload = device("alice", &[0x30, 2]);
    payload.extend(device("bob", &[0x30, 1, 0x38, 4]));
    payload.extend([0x10, 1, 0x18, 1, 0x20, 0]);
    machine.write_file("/root/payload", &payload, 0o600);
    let base64 = machine.run("base64", &["-w0", "/root/payload"]).ok().stdout;
    let data = base64
        .replace('+', "%2B")
        .replace('/', "%2F")
        .replace('=', "%3D");
    machine.write_file(
        "/root/uri",
        format!("otpauth-migration://offline?data={data}\n"),
        0o600,
    );
    let report = import(&machine, &["uri", "/root/uri"]);
    assert_eq!(report["taken"], 2);
    let phone = Totp::new(SECRET);
    phone.settle(5);
    assert!(lets_in("alice", &phone.code()));
    assert!(lets_in("bob", &hotp(SECRET, 4, 6)));
}

/// The advice about a backup of Bitwarden or KeePassXC works.
#[test]
fn the_uris_within_a_backup_are_taken_as_told() {
    let machine = desk_on();
    let uri = format!("otpauth://hotp/x:y?secret={SECRET}&counter=3&issuer=x");
    for (user, backup) in [
        (
            "alice",
            format!(
                "{{\n  \"encrypted\": false,\n  \"items\": [{{\"login\": {{\"totp\": \"{uri}\"}}}}]\n}}\n"
            ),
        ),
        (
            "bob",
            format!("\"Group\",\"Title\",\"TOTP\",\"Icon\"\n\"Root\",\"x\",\"{uri}\",\"0\"\n"),
        ),
    ] {
        machine.write_file("/tmp/backup", backup, 0o600);
        let refused = machine.command(&["import", "uri", "/tmp/backup", "--user", user]);
        let refused = refused.exits(1).stdout;
        let told = refused.lines().find_map(|line| line.split_once(": grep "));
        let told = format!("grep {}", told.unwrap().1);
        let told = told.replace("FILE", "/tmp/backup").replace("USER", user);
        machine.run("sh", &["-c", &told]).ok();
        assert!(lets_in(user, &hotp(SECRET, 3, 6)), "{told}");
    }
}
