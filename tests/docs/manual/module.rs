//! pam_twofactor(8), docs/logs.md, and the sources of the module.

use std::collections::BTreeSet;
use std::path::Path;

use twofactor_core::log::event::{CommandEvent, LoginEvent};

use super::page::{of_file, section};
use super::{first_cells, text, without_tests};

#[test]
fn every_argument_is_described_and_no_other() {
    let source = text("src/module_arguments.rs");
    let mut arguments = BTreeSet::new();
    for line in without_tests(&source).lines().map(str::trim) {
        let Some(rest) = line.strip_prefix("(\"") else {
            continue;
        };
        let (words, value) = rest.split_once("\", ").unwrap();
        let equals = if value.starts_with("Some(") { "=" } else { "" };
        arguments.extend(words.split("\" | \"").map(|word| format!("{word}{equals}")));
    }
    let alone = source.split("AUTH_FAIL: &CStr = c\"").nth(1).unwrap();
    arguments.insert(alone.split('"').next().unwrap().to_owned());
    assert_eq!(arguments.len(), 7, "{arguments:?}");
    let page = of_file("pam_twofactor.8");
    let described = section(&page, "ARGUMENTS").tags("Cm ");
    let described = described.iter().map(|tag| match tag.split_once(" Ns = ") {
        Some((name, _)) => format!("{name}="),
        None => tag.clone(),
    });
    assert_eq!(described.collect::<BTreeSet<_>>(), arguments);
}

#[test]
fn every_event_of_the_log_is_listed_and_no_other() {
    let document = text("docs/logs.md");
    // Each once: no word has two meanings.
    let sorted = |mut words: Vec<String>| {
        words.sort_unstable();
        words
    };
    let words = |events: Vec<&str>| sorted(events.into_iter().map(str::to_owned).collect());
    let logins = LoginEvent::ALL.iter().map(|event| event.word()).collect();
    let (module, daemon) = document.split_once("\n## The daemon\n").unwrap();
    let mut listed = first_cells(module, "| `result=` |");
    listed.extend(first_cells(daemon, "| `result=` |"));
    assert_eq!(sorted(listed), words(logins));
    let commands = CommandEvent::ALL.iter().map(|event| event.word()).collect();
    let listed = first_cells(&document, "| `action=` |");
    assert_eq!(sorted(listed), words(commands));
}

#[test]
fn every_event_is_logged() {
    let directories = [
        "src",
        "daemon/src",
        "cli/src",
        "crates/core/src/log",
        "crates/store/src",
    ];
    let all: Vec<String> = directories
        .iter()
        .flat_map(|directory| sources(&harness::workspace().join(directory)))
        .collect();
    let is_logged = |name: String| all.iter().any(|source| source.contains(&name));
    for event in LoginEvent::ALL {
        assert!(is_logged(format!("LoginEvent::{event:?}")), "{event}");
    }
    for event in CommandEvent::ALL {
        assert!(is_logged(format!("CommandEvent::{event:?}")), "{event}");
    }
    // No line is written past the list.
    assert!(!is_logged("\"result=".to_owned()) && !is_logged(".with(\"result\",&\"".to_owned()));
}

/// The sources below a directory, without tests and white space.
fn sources(directory: &Path) -> Vec<String> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.ends_with("tests") || path.ends_with("tests.rs") {
            continue;
        }
        if path.is_dir() {
            found.extend(sources(&path));
        } else {
            let source = std::fs::read_to_string(&path).unwrap();
            found.push(without_tests(&source).split_whitespace().collect());
        }
    }
    found
}

#[test]
fn every_return_code_of_each_phase_is_described() {
    let page = of_file("pam_twofactor.8");
    for (heading, functions) in [
        ("auth (pam_authenticate)", &["sm_authenticate"][..]),
        ("auth (pam_setcred)", &["sm_setcred"]),
        ("account (pam_acct_mgmt)", &["acct_mgmt"]),
        (
            "session (pam_open_session, pam_close_session)",
            &["sm_open_session", "sm_close_session"],
        ),
        ("password (pam_chauthtok)", &["sm_chauthtok"]),
    ] {
        let returned: BTreeSet<String> = functions.iter().copied().flat_map(returned).collect();
        let described = section(&page, heading).tags("Dv ");
        assert_eq!(
            described.into_iter().collect::<BTreeSet<_>>(),
            returned,
            "{heading}"
        );
    }
    let table = text("docs/internals/architecture.md");
    let table = table.split("| ending | PAM |\n").nth(1).unwrap();
    let table = table.split("\n\n").next().unwrap();
    assert_eq!(codes(table), returned("sm_authenticate"));
}

/// Values that an entry point can return.
fn returned(function: &str) -> BTreeSet<String> {
    let module = text("src/lib.rs");
    let start = format!("fn {function}(");
    let body = module.split(&start).nth(1).expect(function);
    let body = body.split("\n    }\n").next().unwrap();
    let tables = text("src/return_codes.rs");
    let table = |name: &str| {
        let start = format!("impl {name} {{");
        let body = tables.split(&start).nth(1).unwrap();
        codes(&without_comments(body.split("\n}\n").next().unwrap()))
    };
    let mut found = codes(&without_comments(body));
    if body.contains("ending.code()") {
        found.extend(table("AuthResult"));
    }
    if body.contains("admission.code()") {
        found.extend(table("AccountResult"));
    }
    if body.contains("guarded(") {
        found.insert("PAM_ABORT".to_owned());
    }
    found
}

fn without_comments(source: &str) -> String {
    let lines = source.lines().filter(|line| !line.trim().starts_with("//"));
    lines.collect::<Vec<_>>().join("\n")
}

fn codes(text: &str) -> BTreeSet<String> {
    let words = text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
    let codes = words.filter(|word| word.starts_with("PAM_"));
    codes.map(str::to_owned).collect()
}
