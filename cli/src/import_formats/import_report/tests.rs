//! The texts for people after an import, and the output for scripts.

use super::*;
use crate::import_formats::SourceLine;

fn place(line: usize) -> SourceLine {
    let file = "users.oath".into();
    SourceLine { file, line }
}

fn row(line: usize, user: &str, result: ImportResult) -> ImportRow {
    ImportRow {
        device: Some("oath".to_owned()),
        settings: Some("TOTP SHA1, 6 digits, 30 s".to_owned()),
        notes: vec!["a note".into()],
        ..ImportRow {
            result,
            ..ImportRow::refused(place(line), Some(user.to_owned()), "")
        }
    }
}

fn rows() -> Vec<ImportRow> {
    let mut first = row(1, "alice", ImportResult::Taken);
    first.scratch_codes = 2;
    vec![
        first,
        row(2, "bob", ImportResult::Present),
        ImportRow::refused(place(9), None, "is not text (UTF-8)"),
        ImportRow::refused(
            place(3),
            Some("a\u{1b}[2J".to_owned()),
            "the key is not hexadecimal",
        ),
    ]
}

#[test]
fn a_report_has_table_refusals_and_notes() {
    let report = ImportReport::new("users-oath", ImportStage::Done, rows());
    assert_eq!(
        *report.text(),
        "USER   DEVICE  SETTINGS                   RESULT\n\
         alice  oath    TOTP SHA1, 6 digits, 30 s  taken, with 2 scratch codes\n\
         bob    oath    TOTP SHA1, 6 digits, 30 s  already there\n\
         \n\
         Skipped:\n  \
         users.oath:3: \"a\\u{1b}[2J\": the key is not hexadecimal\n  \
         users.oath:9: is not text (UTF-8)\n\
         \n\
         Notes:\n  \
         alice, bob: a note\n\
         \n\
         Imported: 1 new device, 1 already there, 2 skipped.\n\
         ScratchStore codes go on working, once each. They are short; ten longer ones instead: twofactor recovery-codes \
         USER\n\
         No code was asked for. To try a device: twofactor verify USER\n"
    );
    assert!(report.is_partial());
}

#[test]
fn a_plan_says_that_nothing_is_done_yet() {
    let report = ImportReport::new("users-oath", ImportStage::Planned, rows());
    let text = report.text();
    assert!(text.contains("to be taken, with 2") && text.contains("To be imported: 1 new device"));
    assert!(!text.contains("twofactor verify"));
}

#[test]
fn long_tables_are_cut_and_refusals_are_not() {
    let many = (0..60).map(|n| row(n, "alice", ImportResult::Taken));
    let refused = (0..60).map(|n| ImportRow::refused(place(n), None, "why"));
    let report = ImportReport::new("uri", ImportStage::Done, many.chain(refused).collect());
    let text = report.text();
    assert!(text.contains("\nand 10 more\n"));
    assert_eq!(text.matches(": why\n").count(), 60);
}

#[test]
fn the_keys_of_the_json_are_stable() {
    let report = ImportReport::new("uri", ImportStage::Done, rows());
    let json: serde_json::Value = serde_json::to_value(&report).unwrap();
    let keys = |value: &serde_json::Value| {
        let object = value.as_object().unwrap();
        let mut keys: Vec<String> = object.keys().cloned().collect();
        keys.sort_unstable();
        keys.join(" ")
    };
    assert_eq!(
        keys(&json),
        "already_there dry_run format items old_lines refused replaced taken unlisted warnings"
    );
    assert_eq!(
        keys(&json["items"][0]),
        "device file line notes reason result scratch_codes settings user"
    );
    assert_eq!(json["items"][3]["reason"], "the key is not hexadecimal");
}
