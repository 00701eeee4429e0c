//! The published table of what google-authenticator-libpam does, and what is done here instead.

use super::*;

const TABLE: &str = include_str!("../../../../../tests/data/google-authenticator.tsv");

struct PublishedRow<'t> {
    case: &'t str,
    step: u64,
    window: u8,
    codes: Vec<&'t str>,
    ours: &'t str,
}

fn rows() -> Vec<PublishedRow<'static>> {
    let read = |line: &'static str| {
        let cells: Vec<&str> = line.split('\t').collect();
        let [case, clock, window, code, _theirs, ours] = cells[..] else {
            panic!("{line}");
        };
        // Of several codes, there is a step for each, from the first on.
        let first = clock.split("..").next().unwrap();
        let theirs: u8 = window.parse().unwrap();
        PublishedRow {
            case,
            step: first.parse().unwrap(),
            // They count all accepted codes, here it is how many on either side.
            window: (theirs - 1) / 2,
            codes: if clock.contains("..") {
                code.split(' ').collect()
            } else {
                vec![code]
            },
            ours,
        }
    };
    let lines = TABLE.lines().filter(|line| !line.starts_with('#'));
    lines.skip(1).map(read).collect()
}

fn user(window: u8) -> User {
    let mut device = totp("phone", 1);
    device.secret = Secret::from_base32("2SH3V3GDW7ZNMGYE").unwrap();
    User::with([device]).window(window)
}

/// The verdicts, where the table says no more than "refused".
fn expected(case: &str) -> Vec<CodeOutcome> {
    match case {
        "wrong code" | "empty" | "too short" | "too long" => vec![wrong()],
        "two early" => vec![clock_differs("phone", 2)],
        "two late" => vec![clock_differs("phone", -2)],
        "one early" => vec![by_device("phone", 1)],
        "now" | "with a space" => vec![by_device("phone", 0)],
        "one late" => vec![by_device("phone", -1)],
        "same code again" | "older code after a newer" => vec![used("phone")],
        "three consecutive codes from 1000 steps ago" => vec![wrong(), wrong(), wrong()],
        other => panic!("a case without an expectation: {other}"),
    }
}

#[test]
fn each_row_of_google_authenticators_table_is_right() {
    let rows = rows();
    assert_eq!(rows.len(), 13);
    for row in rows {
        let mut user = user(row.window);
        if ["same code again", "older code after a newer"].contains(&row.case) {
            assert_eq!(user.types("050548", 10_000 * 30), by_device("phone", 0));
        }
        let outcomes: Vec<CodeOutcome> = (row.step..)
            .zip(&row.codes)
            .map(|(step, code)| user.types(code, step * 30))
            .collect();
        assert_eq!(outcomes, expected(row.case), "{}", row.case);
        let words = outcomes.iter().map(|outcome| match outcome {
            CodeOutcome::Accepted(_) => "accepted",
            CodeOutcome::Rejected(_) => "refused",
        });
        assert!(
            words.into_iter().all(|word| word == row.ours),
            "{}",
            row.case
        );
    }
}

/// The codes of that row are what the table says they are: right 1000 steps earlier.
#[test]
fn the_codes_from_1000_steps_ago_were_right_then() {
    let rows = rows();
    let row = rows.iter().find(|row| row.codes.len() == 3).unwrap();
    let mut user = user(row.window);
    for (step, code) in (row.step - 1000..).zip(&row.codes) {
        assert_eq!(user.types(code, step * 30), by_device("phone", 0));
    }
}

/// R9: the code is typed without the space that the app shows, or with it.
#[test]
fn r9_spaces_and_hyphens_in_a_code_are_ignored() {
    for typed in [
        "050548",
        "050 548",
        " 050-548 ",
        "0 5 0 5 4 8",
        "\t050548\r\n",
        "050\u{a0}548",
    ] {
        let outcome = user(1).types(typed, 10_000 * 30);
        assert_eq!(outcome, by_device("phone", 0), "{typed:?}");
    }
    for typed in ["050.548", "050_548", "+050548", "05054８", "O50548"] {
        assert_eq!(user(1).types(typed, 10_000 * 30), wrong(), "{typed:?}");
    }
}
