//! Tests of each key outside `[[exempt]]`: what it means, its bounds, and the error beyond them.

use super::super::super::{DEFAULT_POLICY, parse};
use super::super::table_keys::{ALGORITHM, EXEMPT_KEYS, NEW_DEVICES_KEYS, THROTTLE_KEYS};
use super::super::*;
use super::{error, top, within};
use crate::otp::{Algorithm, Digits, Interval};
use crate::policy::{
    ExemptEntry, FirstDevice, FleetPolicy, NewDevices, OutageRule, RequireEntry, SelfService,
    ServiceTable, ThrottlePolicy,
};

#[test]
fn every_key_is_read() {
    let policy = parse(
        "enabled = true\nenforcement = \"mandatory\"\nenroll_at_login = \"offer\"\n\
         enroll_needs_invite = true\nwindow = 2\n\
         tries = 4\nprompt = \"Code: \"\necho = true\nissuer = \"Example, Inc.\"\ngrace = 60\n\
         grace_session = 90\nuniform_prompt = true\nnotify = \"/usr/local/sbin/tell\"\n\
         [new_devices]\ndigits = 8\ninterval = 60\nalgorithm = \"SHA512\"\n\
         [services]\ndefault = false\nsshd = true\n\
         [throttle]\nattempts = 3\nlockout = 10\nmax_lockout = 20\nmax_failures = 50\ndelay = 1\n\
         [self_service]\nmanage = false\nfirst_device = \"invite\"\nunset_last = false\n\
         verifiers = [\"postgres\"]\n\
         [fleet]\nenabled = true\non_outage = \"deny\"\noutage_local_for = 60\noutage_recovery = true\n\
         local_services = [\"lightdm\"]\ndeadline_ms = 500\n\
         [[exempt]]\nusers = [\"u\"]\n\
         [[require]]\ngroups = [\"g\"]\n",
    )
    .unwrap();
    assert_eq!(
        policy,
        Policy {
            enabled: true,
            enforcement: Enforcement::Mandatory,
            enroll_at_login: EnrollAtLogin::Offer,
            enroll_needs_invite: true,
            window: 2,
            tries: 4,
            prompt: "Code: ".to_owned(),
            echo: EchoMode::Shown,
            issuer: Some("Example, Inc.".to_owned()),
            grace: 60,
            grace_session: 90,
            uniform_prompt: true,
            notify: Some("/usr/local/sbin/tell".to_owned()),
            new_devices: NewDevices {
                digits: Digits::new(8).unwrap(),
                interval: Interval::new(60).unwrap(),
                algorithm: Algorithm::Sha512,
            },
            services: ServiceTable {
                default: false,
                named: [("sshd".to_owned(), true)].into()
            },
            throttle: ThrottlePolicy {
                attempts: 3,
                lockout: 10,
                max_lockout: 20,
                max_failures: 50,
                delay: 1,
            },
            self_service: SelfService {
                manage: false,
                first_device: FirstDevice::Invite,
                unset_last: false,
                verifiers: vec!["postgres".to_owned()],
            },
            fleet: FleetPolicy {
                enabled: true,
                on_outage: OutageRule::Deny,
                outage_local_for: 60,
                outage_recovery: true,
                local_services: vec!["lightdm".to_owned()],
                deadline_ms: 500,
            },
            exempt: vec![ExemptEntry::new(vec!["u".to_owned()], vec![], vec![], vec![]).unwrap()],
            require: vec![RequireEntry::new(vec![], vec!["g".to_owned()], None).unwrap()],
        }
    );
}

#[test]
fn enabled_is_required() {
    let missing = "line 1, column 1: key \"enabled\" is missing; write enabled = true or enabled = \
                   false in the first line";
    assert_eq!(error(""), missing);
    assert_eq!(error("# nothing\nwindow = 1\n"), missing);
    assert!(parse("enabled = true").unwrap().enabled);
    assert!(!parse("enabled = false").unwrap().enabled);
    assert_eq!(
        error("enabled = \"yes\""),
        "line 1, column 11: enabled must be true or false, not a string"
    );
    assert_eq!(
        error("enabled = 1"),
        "line 1, column 11: enabled must be true or false, not a whole number"
    );
}

#[test]
fn words_are_exact() {
    for (word, meaning) in ENFORCEMENT {
        let policy = top(&format!("enforcement = \"{word}\"")).unwrap();
        assert_eq!(
            (policy.enforcement, meaning.to_string()),
            (meaning, word.to_owned())
        );
    }
    for (word, meaning) in ALGORITHM {
        let policy = within("[new_devices]", &format!("algorithm = \"{word}\"")).unwrap();
        let algorithm = policy.new_devices.algorithm;
        assert_eq!((algorithm, meaning.to_string()), (meaning, word.to_owned()));
    }
    assert_eq!(
        top("enforcement = \"Mandatory\"").unwrap_err(),
        "line 2, column 15: enforcement is \"Mandatory\"; allowed: \"optional\", \"mandatory\""
    );
    for (word, meaning) in ENROLL_AT_LOGIN {
        let policy = top(&format!("enroll_at_login = \"{word}\"")).unwrap();
        assert_eq!(policy.enroll_at_login, meaning);
    }
    assert_eq!(
        top("enroll_at_login = \"\"").unwrap_err(),
        "line 2, column 19: enroll_at_login is \"\"; allowed: \"off\", \"offer\", \"require\""
    );
    assert_eq!(
        within("[new_devices]", "algorithm = \"MD5\"").unwrap_err(),
        "line 3, column 13: new_devices.algorithm is \"MD5\"; allowed: \"SHA1\", \"SHA256\", \
         \"SHA512\""
    );
}

#[test]
fn flags_are_booleans() {
    assert_eq!(top("echo = true").unwrap().echo, EchoMode::Shown);
    assert_eq!(top("echo = false").unwrap().echo, EchoMode::Hidden);
    assert!(
        top("enroll_needs_invite = true")
            .unwrap()
            .enroll_needs_invite
    );
    assert!(
        !top("enroll_needs_invite = false")
            .unwrap()
            .enroll_needs_invite
    );
    assert!(top("uniform_prompt = true").unwrap().uniform_prompt);
    assert!(!top("uniform_prompt = false").unwrap().uniform_prompt);
    assert_eq!(
        top("echo = \"shown\"").unwrap_err(),
        "line 2, column 8: echo must be true or false, not a string"
    );
    assert_eq!(
        top("uniform_prompt = 1979-05-27").unwrap_err(),
        "line 2, column 18: uniform_prompt must be true or false, not a date"
    );
}

#[test]
fn the_program_to_notify_is_an_absolute_path() {
    let long = format!("/{}", "x".repeat(1023));
    for path in ["/usr/local/sbin/tell", "/a..b/c d", &long] {
        let policy = top(&format!("notify = \"{path}\"")).unwrap();
        assert_eq!(policy.notify.as_deref(), Some(path));
    }
    assert_eq!(top("window = 1").unwrap().notify, None);
    let longer = format!("/{}", "x".repeat(1024));
    for path in [
        "", "tell", "./tell", "~/tell", "/a/../b", "/..", "/a\\nb", &longer,
    ] {
        let error = top(&format!("notify = \"{path}\"")).unwrap_err();
        let allowed = "; allowed: an absolute path of at most 1024 bytes without \"..\" and control characters";
        assert!(
            error.starts_with("line 2, column 10: notify is ") && error.ends_with(allowed),
            "{error}"
        );
    }
    assert!(top("notify = [\"/bin/tell\"]").is_err());
}

#[test]
fn numbers_have_bounds() {
    for (table, key, low, high) in [
        ("", "window", 0, 10),
        ("", "tries", 1, 10),
        ("", "grace", 0, 86_400),
        ("", "grace_session", 0, 86_400),
        ("new_devices", "digits", 6, 8),
        ("new_devices", "interval", 5, 3600),
        ("throttle", "delay", 0, 30),
    ] {
        let header = if table.is_empty() {
            "#".to_owned()
        } else {
            format!("[{table}]")
        };
        let name = if table.is_empty() {
            key.to_owned()
        } else {
            format!("{table}.{key}")
        };
        let set = |value: &str| within(&header, &format!("{key} = {value}"));
        let place = format!("line 3, column {}: {name}", key.len() + 4);
        for inside in [low, high] {
            assert!(set(&inside.to_string()).is_ok(), "{name} = {inside}");
        }
        for outside in [low - 1, high + 1] {
            assert_eq!(
                set(&outside.to_string()).unwrap_err(),
                format!("{place} is {outside}; allowed: {low} to {high}")
            );
        }
        for other in ["-1", "256", "4294967297", "99999999999999999999"] {
            if other
                .parse::<i128>()
                .is_ok_and(|other| other < low.into() || other > high.into())
            {
                assert_eq!(
                    set(other).unwrap_err(),
                    format!("{place} is {other}; allowed: {low} to {high}")
                );
            }
        }
        assert_eq!(
            set("6.0").unwrap_err(),
            format!("{place} must be a whole number from {low} to {high}, not a decimal number")
        );
        assert_eq!(
            set("\"6\"").unwrap_err(),
            format!("{place} must be a whole number from {low} to {high}, not a string")
        );
    }
}

#[test]
fn bounds_arrive_as_values() {
    let policy = top("window = 10\ntries = 10\ngrace = 86400").unwrap();
    assert_eq!(
        (policy.window, policy.tries, policy.grace),
        (10, 10, 86_400)
    );
    for digits in 6..=8 {
        let policy = within("[new_devices]", &format!("digits = {digits}")).unwrap();
        assert_eq!(Some(policy.new_devices.digits), Digits::new(digits));
    }
    for interval in [5, 3600] {
        let policy = within("[new_devices]", &format!("interval = {interval}")).unwrap();
        assert_eq!(Some(policy.new_devices.interval), Interval::new(interval));
    }
    assert_eq!(top("grace = 0x3c").unwrap().grace, 60);
}

#[test]
fn prompt_is_one_plain_line() {
    for good in ["x", &"x".repeat(200), &"\u{e9}".repeat(100)] {
        assert_eq!(top(&format!("prompt = \"{good}\"")).unwrap().prompt, good);
    }
    let allowed = "allowed: 1 to 200 bytes without control characters";
    for (bad, shown) in [
        (String::new(), String::new()),
        ("x".repeat(201), format!("{}...", "x".repeat(60))),
        (
            format!("{}x", "\u{e9}".repeat(100)),
            format!("{}...", "\u{e9}".repeat(60)),
        ),
        ("a\\nb".to_owned(), "a\\nb".to_owned()),
        ("a\\u001b[2J".to_owned(), "a\\u{1b}[2J".to_owned()),
        ("a\\u007f".to_owned(), "a\\u{7f}".to_owned()),
        ("a\\u0085".to_owned(), "a\\u{85}".to_owned()),
    ] {
        assert_eq!(
            top(&format!("prompt = \"{bad}\"")).unwrap_err(),
            format!("line 2, column 10: prompt is \"{shown}\"; {allowed}")
        );
    }
    assert_eq!(
        top("prompt = 5").unwrap_err(),
        "line 2, column 10: prompt must be a string, not a whole number"
    );
}

#[test]
fn issuer_fits_a_provisioning_uri() {
    for good in ["x", &"\u{e9}".repeat(64), "Example & Co"] {
        let policy = top(&format!("issuer = \"{good}\"")).unwrap();
        assert_eq!(policy.issuer.as_deref(), Some(good));
    }
    let allowed = "allowed: 1 to 64 characters without \":\" and control characters";
    for (bad, shown) in [
        (String::new(), String::new()),
        ("x".repeat(65), format!("{}...", "x".repeat(60))),
        ("a:b".to_owned(), "a:b".to_owned()),
        ("a\\tb".to_owned(), "a\\tb".to_owned()),
    ] {
        assert_eq!(
            top(&format!("issuer = \"{bad}\"")).unwrap_err(),
            format!("line 2, column 10: issuer is \"{shown}\"; {allowed}")
        );
    }
}

#[test]
fn service_names_are_possible_pam_names() {
    let long = "s".repeat(64);
    for good in ["sudo-i", "\"my.service\"", "\"caf\u{e9}\"", &long] {
        let policy = within("[services]", &format!("{good} = false")).unwrap();
        assert!(!policy.service_on(good.trim_matches('"')), "{good}");
    }
    let longer = "s".repeat(65);
    for (bad, shown) in [
        ("\"\"", ""),
        ("\"a/b\"", "a/b"),
        ("\"a\\nb\"", "a\\nb"),
        (&longer, &format!("{}...", "s".repeat(60))),
    ] {
        assert_eq!(
            within("[services]", &format!("{bad} = true")).unwrap_err(),
            format!(
                "line 3, column 1: service \"{shown}\" is not possible; allowed: 1 to 64 bytes \
                 without \"/\" and control characters"
            )
        );
    }
    assert_eq!(
        within("[services]", "sshd = \"on\"").unwrap_err(),
        "line 3, column 8: services.sshd must be true or false, not a string"
    );
    assert_eq!(
        within("[services]", "my.service = true").unwrap_err(),
        "line 3, column 1: services.my must be true or false, not a table"
    );
}

#[test]
fn setting_below_the_services_header_is_no_service() {
    assert_eq!(
        within("[services]", "echo = true").unwrap_err(),
        "line 3, column 1: echo is not a PAM service; to set it, move it above the first table"
    );
}

#[test]
fn of_several_faulty_services_the_first_is_reported() {
    assert_eq!(
        within("[services]", "sshd = 1\nlogin = 1\necho = true").unwrap_err(),
        "line 3, column 8: services.sshd must be true or false, not a whole number"
    );
}

#[test]
fn commented_examples_of_the_installed_file_are_legal() {
    let all: String = DEFAULT_POLICY
        .lines()
        .map(|line| {
            line.strip_prefix('#')
                .filter(|rest| !rest.starts_with(' '))
                .unwrap_or(line)
        })
        .flat_map(|line| [line, "\n"])
        .collect();
    let policy = parse(&all).unwrap();
    assert_eq!(policy.issuer.as_deref(), Some("example.org"));
    assert_eq!(policy.exempt.len(), 1);
    assert_eq!(policy.exempt[0].networks().len(), 2);
    for key in TOP_KEYS
        .iter()
        .chain(&NEW_DEVICES_KEYS)
        .chain(&THROTTLE_KEYS)
        .chain(&EXEMPT_KEYS)
    {
        assert!(
            all.lines()
                .any(|line| line.starts_with(&format!("{key} = "))
                    || line == format!("[{key}]")
                    || line == format!("[[{key}]]")),
            "{key} is not explained"
        );
    }
}
