//! Exports of Google Authenticator, built byte by byte from the format's description, whole and broken.

use super::*;

const KEY: &[u8] = b"12345678901234567890";

/// A field of bytes.
fn bytes(number: u8, content: &[u8]) -> Vec<u8> {
    let mut field = vec![number << 3 | 2];
    let mut length = content.len();
    while length > 127 {
        field.push((length & 127) as u8 | 128);
        length >>= 7;
    }
    field.push(length as u8);
    field.extend(content);
    field
}

/// A field of a small number.
fn small(number: u8, value: u8) -> Vec<u8> {
    vec![number << 3, value]
}

fn device_of(parts: &[Vec<u8>]) -> Vec<u8> {
    bytes(1, &parts.concat())
}

/// As the app writes it: SHA1, six digits, TOTP.
fn usual(name: &str, issuer: &str) -> Vec<u8> {
    device_of(&[
        bytes(1, KEY),
        bytes(2, name.as_bytes()),
        bytes(3, issuer.as_bytes()),
        small(4, 1),
        small(5, 1),
        small(6, 2),
    ])
}

/// Version, parts, which part, and the number of the export.
fn tail(parts: u8) -> Vec<u8> {
    tail_of(parts, 0, 99)
}

fn tail_of(parts: u8, part: u8, export: u8) -> Vec<u8> {
    [
        small(2, 1),
        small(3, parts),
        small(4, part),
        small(5, export),
    ]
    .concat()
}

fn uri(payload: &[u8]) -> String {
    let data = BASE64.encode(payload);
    let data = data
        .replace('+', "%2B")
        .replace('/', "%2F")
        .replace('=', "%3D");
    format!("offline?data={data}")
}

fn all(payload: &[u8]) -> Vec<Result<LabelledToken, String>> {
    read(&uri(payload)).0
}

fn reason(payload: &[u8]) -> String {
    let mut found = all(payload);
    assert_eq!(found.len(), 1);
    found.remove(0).unwrap_err()
}

#[test]
fn every_device_of_an_export_is_read() {
    let hotp = device_of(&[
        bytes(1, b"1234567890"),
        bytes(2, b"Corp:bob"),
        small(4, 3),
        small(5, 2),
        small(6, 1),
        vec![7 << 3, 0xac, 0x02],
        bytes(8, b"some-unique-id"),
    ]);
    let payload = [usual("alice", "Example"), hotp, tail(1)].concat();
    let found: Vec<LabelledToken> = all(&payload).into_iter().map(Result::unwrap).collect();
    assert_eq!(found.len(), 2);
    let interval = Interval::THIRTY;
    assert_eq!(found[0].token.kind, OtpKind::Totp { interval });
    assert_eq!(found[0].token.secret.as_bytes(), KEY);
    assert_eq!(
        (found[0].account.as_str(), found[0].issuer.as_str()),
        ("alice", "Example")
    );
    assert!(found[0].notes.is_empty());
    assert_eq!((found[1].token.kind, found[1].next), (OtpKind::Hotp, 300));
    assert_eq!(
        (found[1].token.algorithm, found[1].token.digits.value()),
        (Algorithm::Sha512, 8)
    );
    assert_eq!(
        (found[1].account.as_str(), found[1].issuer.as_str()),
        ("bob", "Corp")
    );
}

#[test]
fn both_alphabets_are_read_with_and_without_padding() {
    // Bytes whose base64 has both characters that differ, and padding.
    let payload = [usual("a\u{3ff}\u{3ff}?>", "Exampl"), tail(1)].concat();
    let plain = BASE64.encode(&payload);
    for data in [
        plain.clone(),
        plain.trim_end_matches('=').to_owned(),
        BASE64URL.encode(&payload),
        BASE64URL_NOPAD.encode(&payload),
        plain.replace('+', " "),
        plain.replace('+', "%2b").replace('=', "%3d"),
    ] {
        let (found, _) = read(&format!("offline?data={data}"));
        assert!(found.len() == 1 && found[0].is_ok(), "{data}");
    }
    for bad in [
        "", "data", "data=", "data=*", "data=A", "other=1", "data=%zz",
    ] {
        let (found, _) = read(&format!("offline?{bad}"));
        assert!(found.len() == 1 && found[0].is_err(), "{bad}");
    }
    assert!(read("offline").0[0].is_err());
}

/// The notes of each device in a file of these parts: how many, which, and of which export.
fn notes(parts: &[(u8, u8, u8)]) -> Vec<Vec<String>> {
    let lines = parts.iter().map(|(all, part, export)| {
        let payload = [usual("alice", ""), tail_of(*all, *part, *export)].concat();
        format!("otpauth-migration://{}\n", uri(&payload))
    });
    let moment = crate::import_formats::ImportMoment { now: 0, window: 1 };
    let parsed =
        crate::import_formats::uri_list::parse(lines.collect::<String>().as_bytes(), "-", moment);
    assert_eq!(parsed.refused, []);
    let notes = parsed.items.into_iter().map(|item| item.notes);
    notes
        .map(|notes| notes.into_iter().map(ImportNote::into_owned).collect())
        .collect()
}

#[test]
fn only_missing_parts_of_an_export_are_asked_for() {
    let missing = |all, missing| {
        vec![format!(
            "is of an export with {all} QR codes, of which {missing} must still be imported"
        )]
    };
    assert_eq!(notes(&[(1, 0, 9)]), [[""; 0]]);
    assert_eq!(notes(&[(3, 0, 9)]), [missing(3, 2)]);
    assert_eq!(notes(&[(2, 1, 9), (2, 0, 9)]), [[""; 0]; 2]);
    // One part twice, and a part of another export, are no second part.
    assert_eq!(
        notes(&[(2, 1, 9), (2, 1, 9)]),
        [missing(2, 1), missing(2, 1)]
    );
    assert_eq!(
        notes(&[(2, 0, 9), (2, 1, 8)]),
        [missing(2, 1), missing(2, 1)]
    );
    assert_eq!(
        notes(&[(2, 0, 9), (2, 1, 9), (2, 0, 7)]),
        [vec![], vec![], missing(2, 1)]
    );
    // Numbers that fit nothing.
    assert_eq!(notes(&[(2, 5, 9)]), [missing(2, 2)]);
}

#[test]
fn one_bad_device_does_not_stop_the_others() {
    let short = device_of(&[bytes(1, b"12345"), small(6, 2)]);
    let md5 = device_of(&[bytes(1, KEY), small(4, 4)]);
    let odd = device_of(&[bytes(1, KEY), small(5, 9)]);
    let kind = device_of(&[bytes(1, KEY), small(6, 7)]);
    let name = device_of(&[bytes(1, KEY), bytes(2, b"\xff")]);
    let high = device_of(&[
        bytes(1, KEY),
        small(6, 1),
        vec![7 << 3, 255, 255, 255, 255, 255, 255, 255, 255, 255, 1],
    ]);
    let payload = [short, md5, usual("alice", ""), odd, kind, name, high].concat();
    let fine: Vec<bool> = all(&payload).iter().map(Result::is_ok).collect();
    assert_eq!(fine, [false, false, true, false, false, false, false]);
}

#[test]
fn whatever_is_cut_off_or_does_not_fit_is_an_error() {
    let whole = [usual("alice", "Example"), tail(1)].concat();
    for length in 0..usual("alice", "Example").len() {
        reason(&whole[..length]);
    }
    for broken in [
        &b"\x0a"[..],
        b"\x0a\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01x",
        b"\x0a\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02",
        b"\x0a\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01",
        b"\x02\x00",
        b"\x0b",
        b"\x0f\x00",
        b"\x09\x00",
        b"\x0d\x00\x00",
        b"\x10\x01",
    ] {
        reason(broken);
    }
    // Fields that nothing here uses are passed over.
    let other = [
        usual("alice", ""),
        vec![9 << 3 | 1, 0, 0, 0, 0, 0, 0, 0, 0],
        vec![9 << 3 | 5, 0, 0, 0, 0],
    ]
    .concat();
    assert!(all(&other)[0].is_ok());
}

#[test]
fn numbers_are_read_to_their_last_bit() {
    for (encoded, value) in [
        (&b"\x00"[..], Some(0)),
        (b"\x7f", Some(127)),
        (b"\x80\x01", Some(128)),
        (b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", Some(u64::MAX)),
        (b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02", None),
        (b"\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80", None),
        (b"\x80", None),
        (b"", None),
    ] {
        let mut rest = encoded;
        assert_eq!(varint(&mut rest), value, "{encoded:?}");
    }
}
