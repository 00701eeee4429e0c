//! Tests of what is wrong with the file as a whole: keys, tables, syntax, and the place of each error.

use super::super::super::{DEFAULT_POLICY, parse};
use super::{error, top, within};

#[test]
fn unknown_key_names_its_place_and_the_valid_ones() {
    let keys = "enabled, enforcement, enroll_at_login, enroll_needs_invite, window, tries, prompt, echo, issuer, grace, \
                grace_session, uniform_prompt, notify, new_devices, services, throttle, self_service, fleet, exempt, require";
    assert_eq!(
        error("# policy\nenabled = true\n\nenforcment = \"optional\"\n"),
        format!(
            "line 4, column 1: unknown key \"enforcment\" (did you mean enforcement?); valid keys here: {keys}"
        )
    );
    assert_eq!(
        top("  [trottle]").unwrap_err(),
        format!(
            "line 2, column 4: unknown key \"trottle\" (did you mean throttle?); valid keys here: {keys}"
        )
    );
    assert_eq!(
        within("[new_devices]", "digit = 6").unwrap_err(),
        "line 3, column 1: unknown key \"digit\" (did you mean digits?); valid keys here: digits, interval, algorithm"
    );
    assert_eq!(
        top("throttle.atempts = 6").unwrap_err(),
        "line 2, column 10: unknown key \"atempts\" (did you mean attempts?); valid keys here: attempts, lockout, \
         max_lockout, max_failures, delay"
    );
    assert_eq!(
        within("[[exempt]]", "users = [\"u\"]\nuser = \"v\"").unwrap_err(),
        "line 4, column 1: unknown key \"user\" (did you mean users?); valid keys here: users, groups, services, networks"
    );
}

#[test]
fn first_unknown_key_of_the_file_is_named() {
    let message = error("zz = 1\naa = 1\n");
    assert!(
        message.starts_with("line 1, column 1: unknown key \"zz\";"),
        "{message}"
    );
}

#[test]
fn unknown_key_is_escaped_and_cut() {
    let message = error("\"a\\n\\u001b[2J\" = 1");
    assert!(
        message.starts_with("line 1, column 1: unknown key \"a\\n\\u{1b}[2J\"; valid"),
        "{message}"
    );
    let message = error(&format!("{} = 1", "k".repeat(5000)));
    let cut = format!(
        "line 1, column 1: unknown key \"{}...\"; valid",
        "k".repeat(60)
    );
    assert!(message.starts_with(&cut), "{message}");
}

#[test]
fn duplicate_keys_are_errors() {
    assert_eq!(
        error("enabled = true\nwindow = 1\nwindow = 2\n"),
        "line 3, column 1: key \"window\" is given twice"
    );
    assert_eq!(
        error("enabled = true\n[services]\nsshd = true\n[services]\nsudo = true\n"),
        "line 4, column 2: key \"services\" is given twice"
    );
}

#[test]
fn syntax_errors_have_a_place() {
    for (text, place) in [
        ("enabled = \n", (1, 11)),
        ("enabled = true\nprompt = \"x\n", (2, 12)),
        ("enabled = true\n[services\n", (2, 10)),
    ] {
        let error = parse(text).unwrap_err();
        assert_eq!((error.line, error.column), place, "{text:?}: {error}");
        assert!(!error.message.is_empty());
    }
}

#[test]
fn places_survive_crlf_marks_and_other_scripts() {
    let wrong = "column 14: window is 11; allowed: 0 to 10";
    let key = "unknown key \"x\"; valid";
    assert_eq!(
        error("\u{feff}window =     11\nenabled = true"),
        format!("line 1, {wrong}")
    );
    assert_eq!(
        error("enabled = true\r\n\r\nwindow =     11\r\n"),
        format!("line 3, {wrong}")
    );
    let message = error("\u{feff}x = 1");
    assert!(
        message.starts_with(&format!("line 1, column 1: {key}")),
        "{message}"
    );
    let message = error("# \u{e9}\u{4e2d}\nnew_devices = { \"\u{e9}\u{4e2d}\" = 1 }");
    assert!(
        message.starts_with("line 2, column 17: unknown key \"\u{e9}\u{4e2d}\""),
        "{message}"
    );
    let message = error("exempt = [{ users = [\"\u{e9}\u{1f600}\"], x = 1 }]");
    assert!(
        message.starts_with("line 1, column 29: unknown key \"x\""),
        "{message}"
    );
}

#[test]
fn crlf_and_byte_order_mark_read_like_plain_text() {
    let plain = parse(DEFAULT_POLICY).unwrap();
    assert_eq!(parse(&DEFAULT_POLICY.replace('\n', "\r\n")).unwrap(), plain);
    assert_eq!(parse(&format!("\u{feff}{DEFAULT_POLICY}")).unwrap(), plain);
}

#[test]
fn tables_are_tables() {
    for table in ["new_devices", "services", "throttle"] {
        assert_eq!(
            top(&format!("{table} = 5")).unwrap_err(),
            format!(
                "line 2, column {}: {table} must be a table, [{table}], not a whole number",
                table.len() + 4
            )
        );
        assert_eq!(
            top(&format!("[[{table}]]")).unwrap_err(),
            format!("line 2, column 1: {table} must be a table, [{table}], not a list")
        );
        assert_eq!(top(&format!("[{table}]")), top(""));
    }
    let policy = top("throttle = { attempts = 7 }\nservices.sshd = true").unwrap();
    assert_eq!(
        (policy.throttle.attempts, policy.service_on("sshd")),
        (7, true)
    );
}
