//! A change of a file as a unified diff, as diff(1) and patch(1) have it.

use similar::TextDiff;

/// Lines that are shown around a change.
const CONTEXT: usize = 3;

/// The difference between two texts; `None` stands for a file that is not there.
pub fn unified(path: &str, before: Option<&str>, after: Option<&str>) -> String {
    let name = |text: Option<&str>| match text {
        Some(_) => path,
        None => "/dev/null",
    };
    TextDiff::from_lines(before.unwrap_or_default(), after.unwrap_or_default())
        .unified_diff()
        .context_radius(CONTEXT)
        .header(name(before), name(after))
        .to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn added_lines_stand_among_their_neighbours() {
        let diff = unified("/etc/x", Some("a\nb\nc\n"), Some("a\nb\nnew\nc\n"));
        assert_eq!(
            diff,
            "--- /etc/x\n+++ /etc/x\n@@ -1,3 +1,4 @@\n a\n b\n+new\n c\n"
        );
    }

    #[test]
    fn a_new_file_comes_from_nothing() {
        let diff = unified("/etc/x", None, Some("a\n"));
        assert!(diff.starts_with("--- /dev/null\n+++ /etc/x\n"), "{diff}");
    }

    #[test]
    fn equal_texts_have_no_difference() {
        assert_eq!(unified("/etc/x", Some("a\n"), Some("a\n")), "");
    }
}
