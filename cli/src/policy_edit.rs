//! Changes of single settings in the text of the policy; comments and order stay as they are.

use std::fmt;

use toml_edit::{DocumentMut, Item, Key, Table, TableLike, Value};
use twofactor_core::policy;

/// Reason why a setting was not changed.
#[derive(Debug, PartialEq, Eq)]
pub enum PolicyEditError {
    /// The key is not written as TOML writes keys.
    Key(String),
    /// The key names a table, not a setting.
    Table(String),
    /// The text was not a valid policy before the change either.
    Before(String),
    /// The policy does not allow the key or the value.
    Refused(String),
}

impl fmt::Display for PolicyEditError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Key(key) => write!(f, "{key:?} is not the name of a setting"),
            Self::Table(key) => write!(f, "{key} is a table, not a setting"),
            Self::Before(error) | Self::Refused(error) => f.write_str(error),
        }
    }
}

impl std::error::Error for PolicyEditError {}

/// Lists of tables. They decide which users are locked out, and are changed in the file, as a whole.
pub const LISTS: [&str; 2] = ["exempt", "require"];

/// Sets `key` (dotted, as `throttle.attempts`) to `value` in the policy `text` and returns the new text, which is a
/// valid policy.
///
/// The type of a value follows from what the policy accepts for the key: `value` is tried as TOML first, then as
/// a string, so that `issuer example.org` needs no quotes and `issuer 42` is still a string.
///
/// # Errors
/// [`PolicyEditError`]; nothing is changed then.
pub fn set(text: &str, key: &str, value: &str) -> Result<String, PolicyEditError> {
    let path = Key::parse(key).map_err(|_| PolicyEditError::Key(key.to_owned()))?;
    let first = path.first().map(Key::get).unwrap_or_default();
    if LISTS.contains(&first) {
        return Err(PolicyEditError::Table(first.to_owned()));
    }
    let before: DocumentMut = text.parse().map_err(|_| before_error(text))?;
    let mut refusal = None;
    for candidate in candidates(value) {
        let mut document = before.clone();
        assign(&mut document, &path, candidate)
            .ok_or_else(|| PolicyEditError::Table(key.to_owned()))?;
        let after = document.to_string();
        match policy::parse(&after) {
            Ok(_) => return Ok(after),
            Err(error) => refusal.get_or_insert(error.to_string()),
        };
    }
    match policy::parse(text) {
        Ok(_) => Err(PolicyEditError::Refused(refusal.unwrap_or_default())),
        Err(error) => Err(PolicyEditError::Before(error.to_string())),
    }
}

/// The parser of the policy explains errors better than the editor's.
fn before_error(text: &str) -> PolicyEditError {
    PolicyEditError::Before(match policy::parse(text) {
        Err(error) => error.to_string(),
        Ok(_) => "the policy cannot be edited".to_owned(),
    })
}

/// Meanings of `value`: TOML, or a string without its quotes.
fn candidates(value: &str) -> impl Iterator<Item = Value> {
    let literal = value.trim().parse::<Value>().ok();
    literal.into_iter().chain([Value::from(value)])
}

/// Puts `value` at `path`. `None` when a table is there, or something else where a table is needed.
fn assign(document: &mut DocumentMut, path: &[Key], mut value: Value) -> Option<()> {
    let (leaf, parents) = path.split_last()?;
    let mut table: &mut dyn TableLike = document.as_table_mut();
    for parent in parents {
        let item = table
            .entry(parent.get())
            .or_insert_with(|| Item::Table(Table::new()));
        table = item.as_table_like_mut()?;
    }
    match table.get_mut(leaf.get()) {
        Some(Item::Value(old)) => {
            *value.decor_mut() = old.decor().clone();
            *old = value;
        }
        Some(Item::Table(_) | Item::ArrayOfTables(_)) => return None,
        Some(Item::None) | None => {
            value.decor_mut().clear();
            table.insert(leaf.get(), Item::Value(value));
        }
    }
    Some(())
}

#[cfg(test)]
mod tests {
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
            let Err(PolicyEditError::Refused(message)) = set(TEXT, key, "1") else {
                panic!("{key}")
            };
            assert!(message.contains(valid), "{message}");
        }
    }

    #[test]
    fn a_value_out_of_range_is_refused() {
        assert!(matches!(
            set(TEXT, "window", "11"),
            Err(PolicyEditError::Refused(_))
        ));
        assert!(matches!(
            set(TEXT, "window", "many"),
            Err(PolicyEditError::Refused(_))
        ));
        assert!(matches!(
            set(TEXT, "enabled", "maybe"),
            Err(PolicyEditError::Refused(_))
        ));
    }

    #[test]
    fn tables_and_malformed_keys_are_no_settings() {
        assert_eq!(
            set(TEXT, "services", "true"),
            Err(PolicyEditError::Table("services".into()))
        );
        for list in LISTS {
            let refused = Err(PolicyEditError::Table(list.into()));
            assert_eq!(set(TEXT, list, "true"), refused);
        }
        assert_eq!(
            set(TEXT, "window.x", "true"),
            Err(PolicyEditError::Table("window.x".into()))
        );
        assert_eq!(
            set(TEXT, "a b", "true"),
            Err(PolicyEditError::Key("a b".into()))
        );
        assert_eq!(
            set(TEXT, "", "true"),
            Err(PolicyEditError::Key(String::new()))
        );
    }

    #[test]
    fn an_invalid_policy_is_named_unless_repaired() {
        let broken = TEXT.replace("window = 1", "window = 99");
        assert!(matches!(
            set(&broken, "tries", "2"),
            Err(PolicyEditError::Before(_))
        ));
        assert_eq!(set(&broken, "window", "1"), Ok(TEXT.to_owned()));
        assert!(matches!(
            set("enabled = ", "enabled", "true"),
            Err(PolicyEditError::Before(_))
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
}
