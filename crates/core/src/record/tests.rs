//! Records as text: what is written, what is read, and what is said of text that is no record.

use super::recent_changes::{ChangeChannel, ChangeOrigin, ChangeWord, OriginName};
use super::*;
use crate::device::{CredentialId, DeviceName, MAX_DEVICES, OtpKind};
use crate::otp::{Algorithm, Digits, Interval};
use crate::recovery::CodeScope;
use crate::secret::Secret;

mod unreadable;

const SECRET: &str = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ";

fn sample() -> UserRecord {
    let mut record = UserRecord::new("alice".into(), 1000);
    for (name, kind) in [
        (
            "phone",
            OtpKind::Totp {
                interval: Interval::THIRTY,
            },
        ),
        ("token", OtpKind::Hotp),
    ] {
        record.devices.push(Device {
            id: CredentialId::generate().unwrap(),
            name: name.parse().unwrap(),
            kind,
            algorithm: Algorithm::Sha256,
            digits: Digits::new(8).unwrap(),
            secret: Secret::from_base32(SECRET).unwrap(),
            created: 17,
        });
    }
    record.recovery = Some(RecoverySet::generate(18).unwrap().0);
    record.bypass = Some(OneTimeCode::generate(19).unwrap().0);
    for (time, channel) in [
        ChangeChannel::Daemon,
        ChangeChannel::Command,
        ChangeChannel::Login(OriginName::of(b"sshd").unwrap()),
    ]
    .into_iter()
    .enumerate()
    {
        record.note(RecentChange {
            time: time as u64,
            kind: ChangeWord::DeviceAdded,
            device: (time > 0).then(DeviceName::first),
            origin: ChangeOrigin {
                channel,
                uid: 7,
                terminal: OriginName::of(b"pts/0"),
                address: OriginName::of(b"192.0.2.1").filter(|_| time > 1),
            },
        });
    }
    record
}

#[test]
fn records_round_trip() {
    let record = sample();
    let back = UserRecord::parse(&record.to_toml()).unwrap();
    assert_eq!((back.user.as_str(), back.uid), ("alice", 1000));
    assert_eq!(
        (&back.recovery, &back.bypass),
        (&record.recovery, &record.bypass)
    );
    for (one, two) in back.devices.iter().zip(&record.devices) {
        assert_eq!((one.id, &one.name, one.kind), (two.id, &two.name, two.kind));
        assert_eq!((one.algorithm, one.digits), (two.algorithm, two.digits));
        assert_eq!(one.secret.as_bytes(), two.secret.as_bytes());
        assert_eq!(one.created, two.created);
    }
    assert_eq!(back.devices.len(), 2);
    assert_eq!(back.changes, record.changes);
    assert_eq!(back.changes.len(), 3);
}

#[test]
fn any_user_name_is_read_back() {
    for name in [
        "CORP\\alice",
        "a\"b'c",
        "\u{0}\t\n\r\u{1b}\u{7f}\u{85}",
        "Zo\u{eb} \u{1f600}",
        "",
    ] {
        let record = UserRecord {
            user: name.to_owned(),
            ..sample()
        };
        let back = UserRecord::parse(&record.to_toml()).unwrap();
        assert_eq!(back.user, name);
    }
}

#[test]
fn a_record_is_written_in_the_form_that_is_documented() {
    let text = "# Secrets of one user, kept by twofactor. Change it with twofactor, not by hand.
format = 1
writer = \"twofactor VERSION\"
user = \"alice\"
uid = 1000

[[device]]
id = \"8f0c2d61a94e7b35\"
name = \"phone\"
kind = \"totp\"
algorithm = \"SHA1\"
digits = 6
interval = 30
secret = \"GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ\"
created = 1763776000

[[device]]
id = \"8f0c2d61a94e7b36\"
name = \"token\"
kind = \"hotp\"
algorithm = \"SHA512\"
digits = 8
secret = \"GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ\"
created = 0

[recovery]
id = \"8f0c2d61a94e7b37\"
form = \"digits\"
salt = \"000102030405060708090a0b0c0d0e0f\"
codes = [\"HASH\", \"HASH\"]
created = 18446744073709551615

[bypass]
id = \"8f0c2d61a94e7b38\"
salt = \"000102030405060708090a0b0c0d0e0f\"
code = \"HASH\"
expires = 1763862400
";
    let text = text
        .replace("VERSION", crate::VERSION)
        .replace("HASH", &"0f".repeat(32));
    assert_eq!(*UserRecord::parse(&text).unwrap().to_toml(), text);
}

#[test]
fn devices_are_found_by_name() {
    let mut record = UserRecord::new("alice".into(), 1000);
    assert!(!record.is_enrolled() && record.device("token").is_none());
    record.invite = Some(OneTimeCode::generate(19).unwrap().0);
    let [phone, token] = [0, 1].map(|position| sample().devices[position].clone());
    record.enroll(phone);
    record.enroll(token.clone());
    assert!(record.is_enrolled() && record.invite.is_none());
    assert_eq!(record.device("token").map(|found| found.id), Some(token.id));
    assert!(record.device("other").is_none());
}

#[test]
fn an_invitation_is_open_until_it_expires() {
    let mut record = sample();
    assert!(!record.is_invited(0) && record.clone().into_invitation().is_none());
    let invite = OneTimeCode::generate(19).unwrap().0;
    record.invite = Some(invite.clone());
    assert!(record.is_invited(18) && !record.is_invited(19));
    let alone = record.into_invitation().unwrap();
    assert_eq!(alone.bypass, Some(invite));
    assert!(!alone.is_enrolled() && alone.recovery.is_none() && alone.invite.is_none());
    assert_eq!((alone.user.as_str(), alone.uid), ("alice", 1000));
}

#[test]
fn damage_is_not_taken_for_another_format() {
    let text = sample().to_toml().replace("kind = \"hotp\"", "kind = 3");
    let error = UserRecord::parse(&text).unwrap_err().to_string();
    assert!(error.starts_with("is not a valid record (line "), "{error}");
}

#[test]
fn a_record_without_a_device_is_an_invitation() {
    let mut record = UserRecord::new("alice".into(), 1000);
    let cut_short = Err("has no device".to_owned());
    let read = |record: &UserRecord| {
        let text = record.to_toml();
        UserRecord::parse(&text)
            .map(|it| it.invite)
            .map_err(|error| error.to_string())
    };
    assert_eq!(read(&record), cut_short);
    record.invite = Some(OneTimeCode::generate(19).unwrap().0);
    assert_eq!(read(&record), Ok(record.invite.clone()));
    record.recovery = Some(RecoverySet::generate(18).unwrap().0);
    assert_eq!(read(&record), cut_short);
    let mut enrolled = sample();
    enrolled.invite = record.invite.clone();
    assert_eq!(
        read(&enrolled),
        Err("has an invitation beside its devices".to_owned())
    );
}

#[test]
fn only_scratch_codes_name_their_form() {
    let mut record = sample();
    assert!(!record.to_toml().contains("form ="));
    let set = RecoverySet::from_scratch_codes(["12345678", "87654321"], 7).unwrap();
    record.recovery = Some(set);
    let text = record.to_toml();
    assert!(text.contains("form = \"digits\"\n") && !text.contains("12345678"));
    assert_eq!(UserRecord::parse(&text).unwrap().recovery, record.recovery);
    let other = text.replace("\"digits\"", "\"words\"");
    assert!(UserRecord::parse(&other).is_err());
}

#[test]
fn a_full_record_fits_the_file_limit() {
    let mut record = sample();
    let device = record.devices[0].clone();
    record.devices = (0..MAX_DEVICES)
        .map(|n| Device {
            id: CredentialId::generate().unwrap(),
            name: format!("{n:-<32}").parse().unwrap(),
            ..device.clone()
        })
        .collect();
    assert!(record.to_toml().len() < 64 * 1024);
    assert_eq!(
        UserRecord::parse(&record.to_toml()).unwrap().devices.len(),
        MAX_DEVICES
    );
}

#[test]
fn a_bypass_code_says_what_it_is_for() {
    let mut record = sample();
    let scope = |record: &UserRecord| {
        let read = UserRecord::parse(&record.to_toml());
        read.map(|it| it.bypass.unwrap().scope)
    };
    assert_eq!(scope(&record), Ok(CodeScope::Login));
    for other in [CodeScope::ThisHost, CodeScope::NewDevice] {
        record.bypass = record.bypass.map(|it| it.with_scope(other));
        assert_eq!(scope(&record), Ok(other));
    }
    let text = record.to_toml();
    for (from, to) in [
        ("scope = \"new-device\"", "scope = \"all\""),
        ("[bypass]", "[recovery]"),
    ] {
        assert!(UserRecord::parse(&text.replace(from, to)).is_err(), "{to}");
    }
    // An invitation has no scope.
    let mut invited = UserRecord::new("alice".into(), 1000);
    invited.invite = Some(OneTimeCode::generate(19).unwrap().0);
    let scoped = format!("{}scope = \"new-device\"\n", *invited.to_toml());
    assert!(UserRecord::parse(&scoped).is_err());
}

#[test]
fn a_change_that_is_not_understood_is_left_out() {
    let record = sample();
    let text = record.to_toml();
    for (from, to, left) in [
        ("kind = \"device-added\"", "kind = \"code-shown\"", 2),
        ("through = \"daemon\"", "through = \"page\"", 2),
        ("through = \"command\"", "through = \"login\"", 2),
        ("[[change]]", "[[change]]\nsession = 5", 2),
        ("[[change]]", "[[change]]\n[[change]]", 3),
        ("uid = 7", "uid = \"7\"", 2),
    ] {
        let changed = text.replacen(from, to, 1);
        assert_ne!(changed, *text, "{from}");
        let read = UserRecord::parse(&changed).unwrap();
        assert_eq!((read.devices.len(), read.changes.len()), (2, left), "{to}");
    }
    // However many there are.
    let known = record.changes.last().unwrap();
    let many = format!("{}{}", *text, "[[change]]\nkind = \"x\"\n".repeat(2000));
    let read = UserRecord::parse(&many).unwrap();
    assert_eq!((read.changes.len(), read.changes.last()), (3, Some(known)));
    assert!(UserRecord::parse(&text.replace("[[change]]", "[[changes]]")).is_err());
}
