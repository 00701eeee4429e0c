//! The pages are pages: no warning, and nothing is cut on a terminal of 80 columns.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use super::page::sections;
use super::{text, twofactor};

/// Every page as a file.
fn pages() -> Vec<PathBuf> {
    let entries = fs::read_dir(harness::workspace().join("docs/man")).unwrap();
    let mut pages: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    // The text of which a page is made is none.
    pages.retain(|path| path.extension().is_none_or(|end| end != "in"));
    pages.sort();
    pages
}

#[test]
fn pages_render_cleanly_and_fit_on_a_terminal() {
    let pages = pages();
    assert_eq!(pages.len(), 4, "{pages:?}");
    for page in &pages {
        let man = Command::new("man")
            .args(["--warnings", "--encoding=UTF-8", "--local-file"])
            .arg(page)
            .env("LC_ALL", "C.UTF-8")
            .env("MANWIDTH", "80")
            .output()
            .unwrap();
        let (text, said) = (
            man.stdout,
            String::from_utf8_lossy(&man.stderr).into_owned(),
        );
        let text = String::from_utf8(text).unwrap();
        assert!(
            man.status.success() && said.is_empty(),
            "{}: {said}",
            page.display()
        );
        assert!(text.lines().count() > 100, "{}", page.display());
        let wide: Vec<&str> = text
            .lines()
            .filter(|line| line.chars().count() > 80)
            .collect();
        assert_eq!(wide, [""; 0], "{}", page.display());
        let lint = Command::new("mandoc")
            .args(["-Tlint", "-Wwarning"])
            .arg(page)
            .output()
            .unwrap();
        let lint = String::from_utf8(lint.stdout).unwrap();
        // Customary for PAM modules, and unknown to mandoc in section 8.
        let faults: Vec<&str> = lint
            .lines()
            .filter(|line| !line.contains("unexpected section: Sh RETURN VALUES"))
            .collect();
        assert_eq!(faults, [""; 0]);
    }
}

#[test]
fn pages_are_complete_and_name_the_version() {
    let pages = [
        (
            text("docs/man/pam_twofactor.8"),
            &["RETURN VALUES", "ARGUMENTS", "LOG"][..],
        ),
        (text("docs/man/twofactor.toml.5"), &["KEYS"]),
        (text("docs/man/twofactord.8"), &["PROTOCOL", "DIAGNOSTICS"]),
        (
            text("docs/man/twofactor.8"),
            &["EXIT STATUS", "COMMANDS", "LOG"],
        ),
    ];
    let version = twofactor(&["--version"]);
    let version = version.trim().strip_prefix("twofactor ").unwrap();
    for (page, own) in pages {
        let headings: Vec<String> = sections(&page).into_iter().map(|one| one.heading).collect();
        let common = ["NAME", "SYNOPSIS", "DESCRIPTION", "FILES", "EXAMPLES"];
        let last = ["SEE ALSO", "CAVEATS", "SECURITY CONSIDERATIONS"];
        for heading in common.iter().chain(own).chain(&last) {
            assert!(
                headings.iter().any(|have| have == heading),
                "{heading}: {headings:?}"
            );
        }
        assert!(page.contains(&format!("\n.Os pam_twofactor {version}\n")));
    }
}
