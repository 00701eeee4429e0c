//! Text that is no record: its error names the place, and never what is secret.

use super::*;

#[test]
fn another_format_names_its_writer() {
    let text = "format = 2\nwriter = \"twofactor 9.1\"\nsomething = \"new\"\n";
    assert_eq!(
        UserRecord::parse(text).unwrap_err().to_string(),
        "has format 2, written by twofactor 9.1; this program reads format 1"
    );
    let plain = sample().to_toml().replace("format = 1", "format = 3");
    assert!(
        UserRecord::parse(&plain)
            .unwrap_err()
            .to_string()
            .starts_with("has format 3")
    );
}

#[test]
fn errors_name_the_place_and_never_the_secret() {
    let text = sample().to_toml();
    let broken = text.replace(SECRET, &format!("{SECRET}\" oops"));
    let message = UserRecord::parse(&broken).unwrap_err().to_string();
    assert!(
        message.starts_with("is not a valid record (line "),
        "{message}"
    );
    for (from, to) in [
        (SECRET, "GEZD1NBVGY3TQOJQ"),
        ("digits = 8", "digits = 9"),
        ("interval = 30", "interval = 4"),
        ("interval = 30", "digits_ = 30"),
        ("SHA256", "MD5"),
        ("\"totp\"", "\"hotp\""),
        ("\"hotp\"", "\"totp\""),
        ("\"hotp\"", "\"steam\""),
        ("\"token\"", "\"phone\""),
        ("\"token\"", "\"to ken\""),
        ("uid = 1000", "uid = -1"),
    ] {
        let changed = text.replacen(from, to, if from == SECRET { 2 } else { 1 });
        assert_ne!(changed, *text, "{from}");
        let message = UserRecord::parse(&changed).unwrap_err().to_string();
        assert!(!message.contains("GEZD"), "{message}");
    }
}

#[test]
fn salts_have_their_length_in_lower_case_hex() {
    let mut record = sample();
    let set = record.recovery.as_mut().unwrap();
    set.salt.fill(0xab);
    let salt = "ab".repeat(set.salt.len());
    let text = record.to_toml();
    assert!(text.contains(&format!("salt = \"{salt}\"")));
    let shorter = salt.strip_suffix("ab").unwrap();
    for wrong in [
        salt.to_uppercase(),
        shorter.to_owned(),
        format!("{shorter}a"),
        format!("{shorter}ag"),
        format!("{salt}ab"),
        String::new(),
    ] {
        assert_eq!(
            UserRecord::parse(&text.replace(&salt, &wrong))
                .unwrap_err()
                .to_string(),
            "has a malformed hash or salt",
            "{wrong}"
        );
    }
}

#[test]
fn only_devices_that_count_time_have_an_interval() {
    let text = sample().to_toml();
    for (from, to, expected) in [
        ("\"totp\"", "\"hotp\"", "has a hotp device with an interval"),
        (
            "\"hotp\"",
            "\"totp\"",
            "has a totp device without an interval",
        ),
    ] {
        let changed = text.replacen(from, to, 1);
        let message = UserRecord::parse(&changed).unwrap_err().to_string();
        assert_eq!(message, expected);
    }
}

#[test]
fn what_does_not_belong_there_is_told_by_its_place() {
    let text = sample().to_toml();
    for (from, to, line) in [
        ("writer =", "unknown = 1\nwriter =", 3),
        ("writer = ", "writer = 1 #", 3),
        ("uid = 1000", "uid = 4294967296", 5),
        ("uid = 1000", "", 1),
        ("user = \"alice\"", "user = [\"alice\"]", 4),
        ("kind = \"totp\"", "kind = \"steam\"", 10),
        ("digits = 8", "digits = 264", 12),
        ("digits = 8", "digits = \"8\"", 12),
        ("interval = 30", "interval = 3.0", 13),
        ("created = 17", "", 7),
        ("created = 17", "created = 17\ncolour = 1", 16),
        ("[recovery]", "[[recovery]]", 26),
        ("codes = [", "codes = [1, ", 29),
        ("[bypass]\n", "[bypass]\nform = \"digits\"\n", 33),
    ] {
        let changed = text.replacen(from, to, 1);
        assert_ne!(changed, *text, "{from}");
        let message = UserRecord::parse(&changed).unwrap_err().to_string();
        let expected = format!("is not a valid record (line {line}, ");
        assert!(message.starts_with(&expected), "{from}: {message}");
    }
}

#[test]
fn empty_and_truncated_files_are_errors() {
    assert!(UserRecord::parse("").is_err());
    let text = sample().to_toml();
    let cut = text.find("[[device]]").unwrap();
    assert_eq!(
        UserRecord::parse(&text[..cut]).unwrap_err().to_string(),
        "has no device"
    );
    assert!(UserRecord::parse(&text[..cut - 20]).is_err());
}
