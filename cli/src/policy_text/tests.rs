//! Tests of single settings and of several at once.
use super::*;

const TEXT: &str = "\
# Two-factor login.
enabled = false   # the global switch
window = 1

# Which services.
[services]
default = true
sshd = false      # after a test

[[exempt]]
users = [\"backup\"] # no person
";

#[test]
fn a_changed_value_keeps_its_comment_and_place() {
    let expected = TEXT.replace("enabled = false   #", "enabled = true   #");
    assert_eq!(set(TEXT, "enabled", "true"), Ok(expected));
    let expected = TEXT.replace("sshd = false ", "sshd = true ");
    assert_eq!(set(TEXT, "services.sshd", "true"), Ok(expected));
}

#[test]
fn a_new_setting_goes_to_the_end_of_its_table() {
    let expected = TEXT.replace("window = 1\n", "window = 1\ntries = 5\n");
    assert_eq!(set(TEXT, "tries", "5"), Ok(expected));
    let expected = TEXT.replace("# after a test\n", "# after a test\nsudo = false\n");
    assert_eq!(set(TEXT, "services.sudo", "false"), Ok(expected));
}

#[test]
fn a_new_table_does_not_disturb_the_others() {
    let after = set(TEXT, "throttle.attempts", "7").unwrap();
    assert!(after.starts_with(TEXT.trim_end()), "{after}");
    assert!(after.contains("[throttle]\nattempts = 7\n"), "{after}");
}

#[test]
fn types_follow_from_the_setting() {
    assert!(
        set(TEXT, "issuer", "example.org")
            .unwrap()
            .contains("issuer = \"example.org\"\n")
    );
    assert!(
        set(TEXT, "issuer", "42")
            .unwrap()
            .contains("issuer = \"42\"\n")
    );
    assert!(
        set(TEXT, "issuer", "\"quoted\"")
            .unwrap()
            .contains("issuer = \"quoted\"\n")
    );
    assert!(
        set(TEXT, "prompt", "Code: ")
            .unwrap()
            .contains("prompt = \"Code: \"\n")
    );
    assert!(
        set(TEXT, "enforcement", "mandatory")
            .unwrap()
            .contains("enforcement = \"mandatory\"\n")
    );
    assert!(set(TEXT, "window", "10").unwrap().contains("window = 10\n"));
}

#[test]
fn an_unknown_key_is_refused_with_the_valid_ones() {
    for (key, valid) in [("windows", "window"), ("throttle.tries", "attempts")] {
        let Err(PolicyTextError::Refused(message)) = set(TEXT, key, "1") else {
            panic!("{key}")
        };
        assert!(message.contains(valid), "{message}");
    }
}

#[test]
fn a_value_out_of_range_is_refused() {
    assert!(matches!(
        set(TEXT, "window", "11"),
        Err(PolicyTextError::Refused(_))
    ));
    assert!(matches!(
        set(TEXT, "window", "many"),
        Err(PolicyTextError::Refused(_))
    ));
    assert!(matches!(
        set(TEXT, "enabled", "maybe"),
        Err(PolicyTextError::Refused(_))
    ));
}

#[test]
fn several_settings_are_one_change() {
    let pairs = [
        ("throttle.lockout", "7200"),
        ("issuer", "42"),
        ("throttle.max_lockout", "7200"),
    ];
    let after = set_all(TEXT, pairs).unwrap();
    assert!(after.contains("issuer = \"42\"\n"), "{after}");
    assert!(
        after.contains("lockout = 7200\nmax_lockout = 7200\n"),
        "{after}"
    );
    let invalid = [("window", "2"), ("tries", "99")];
    assert!(matches!(
        set_all(TEXT, invalid),
        Err(PolicyTextError::Refused(message)) if message.contains("tries")
    ));
    let list = [("window", "2"), ("exempt", "true")];
    assert_eq!(
        set_all(TEXT, list),
        Err(PolicyTextError::Table("exempt".into()))
    );
}

#[test]
fn tables_and_malformed_keys_are_no_settings() {
    assert_eq!(
        set(TEXT, "services", "true"),
        Err(PolicyTextError::Table("services".into()))
    );
    for list in LISTS {
        let refused = Err(PolicyTextError::Table(list.into()));
        assert_eq!(set(TEXT, list, "true"), refused);
    }
    assert_eq!(
        set(TEXT, "window.x", "true"),
        Err(PolicyTextError::Table("window.x".into()))
    );
    assert_eq!(
        set(TEXT, "a b", "true"),
        Err(PolicyTextError::Key("a b".into()))
    );
    assert_eq!(
        set(TEXT, "", "true"),
        Err(PolicyTextError::Key(String::new()))
    );
}

#[test]
fn an_invalid_policy_is_named_unless_repaired() {
    let broken = TEXT.replace("window = 1", "window = 99");
    assert!(matches!(
        set(&broken, "tries", "2"),
        Err(PolicyTextError::Before(_))
    ));
    assert_eq!(set(&broken, "window", "1"), Ok(TEXT.to_owned()));
    assert!(matches!(
        set("enabled = ", "enabled", "true"),
        Err(PolicyTextError::Before(_))
    ));
}

#[test]
fn inline_and_dotted_tables_are_edited_in_place() {
    let inline = "enabled = true\nservices = { sshd = false }\n";
    assert_eq!(
        set(inline, "services.sshd", "true"),
        Ok("enabled = true\nservices = { sshd = true }\n".to_owned())
    );
    let dotted = "enabled = true\nservices.sshd = false # x\n";
    assert_eq!(
        set(dotted, "services.sshd", "true"),
        Ok("enabled = true\nservices.sshd = true # x\n".to_owned())
    );
}
