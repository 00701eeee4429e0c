//! The text of a policy without its comments, most of a delivered one: the parser takes room for each byte of a text, and the
//! allocator wipes it.

/// The text without its comments, and without most of the empty lines that they leave. What stays is the same policy, or as
/// wrong, with other places of its faults.
///
/// `None` where a string of several lines may be in it, in which a `#` begins no comment. A comment is kept after a string with
/// an escape, after a carriage return, and if it holds a control character. A carriage return is allowed only before the end of a
/// line, and of control characters only the tab (TOML 1.0.0, "Comment").
pub(super) fn left_out(text: &str) -> Option<String> {
    let mut kept = String::with_capacity(text.len() / 4);
    for line in text.split_inclusive('\n') {
        let (before, comment) = line.split_at_checked(code_length(line)?)?;
        match comment.strip_suffix('\n') {
            Some(comment) if is_printable(comment) => {
                let before = before.trim_end_matches([' ', '\t']);
                kept.push_str(before);
                if !before.is_empty() || !kept.ends_with('\n') {
                    kept.push('\n');
                }
            }
            _ => kept.push_str(line),
        }
    }
    Some(kept)
}

/// The bytes of a line before its comment; `None` where a string of several lines may begin.
fn code_length(line: &str) -> Option<usize> {
    let mut string = None;
    let mut length = line.len();
    let mut quoted = false;
    for (at, byte) in line.bytes().enumerate() {
        match (string, byte) {
            (None, b'#') => {
                length = at;
                break;
            }
            (None, b'"' | b'\'') => {
                string = Some(byte);
                quoted = true;
            }
            (Some(b'"'), b'\\') | (_, b'\r') => break,
            (Some(delimiter), _) if delimiter == byte => string = None,
            _ => {}
        }
    }
    let is_long = quoted && (line.contains("\"\"\"") || line.contains("'''"));
    (!is_long).then_some(length)
}

/// True if there is no control character of ASCII in it.
///
/// Comments are most of what a login reads. So eight bytes are looked at as one number: byte by byte it takes 10,000 instructions
/// more, of 380,000 of a login.
fn is_printable(comment: &str) -> bool {
    let (eights, rest) = comment.as_bytes().as_chunks();
    let is_printable = |eight: &[u8; 8]| {
        let bytes = u64::from_ne_bytes(*eight);
        // DEL is the only byte that becomes 0 here.
        let deleted = bytes ^ in_each_byte(0x7f);
        bytes_below(bytes, 0x20) | bytes_below(deleted, 1) == 0
    };
    eights.iter().all(is_printable) && !rest.iter().any(u8::is_ascii_control)
}

/// Zero if none of eight bytes is less than `limit`, which is at most 0x80.
///
/// The subtraction sets the highest bit of a byte that is less than the limit, which borrows from the next byte. Bytes that had this bit
/// before do not count. The borrow can set the bit of a byte that is not less, but only where another one is.
const fn bytes_below(bytes: u64, limit: u8) -> u64 {
    bytes.wrapping_sub(in_each_byte(limit)) & !bytes & in_each_byte(0x80)
}

const fn in_each_byte(byte: u8) -> u64 {
    u64::from_ne_bytes([byte; 8])
}

#[cfg(test)]
mod tests {
    use toml::de::{DeTable, DeValue};

    use super::*;

    #[test]
    fn what_is_left_out_is_comments_alone() {
        for (text, kept) in [
            ("", ""),
            ("a = 1\n", "a = 1\n"),
            (
                "# a = 1\nb = 2 # \"c\"\n  # '''\n\nd = 3",
                "\nb = 2\n\nd = 3",
            ),
            ("a = \"#\" # b\n", "a = \"#\"\n"),
            ("a = '#\\' # b\n# c", "a = '#\\'\n# c"),
            ("a = \"\\\"#\" # b\n# c\n", "a = \"\\\"#\" # b\n"),
            ("a = [\"'\", '\"'] # b\n", "a = [\"'\", '\"']\n"),
            ("a = 1 # \u{e9}\u{7ff}\u{20ac} and more\n", "a = 1\n"),
            ("# a\tb\n", "# a\tb\n"),
            ("a = 1 # b\r\n", "a = 1 # b\r\n"),
            ("# \u{1b}\na = 1", "# \u{1b}\na = 1"),
            ("# \u{7f}\n", "# \u{7f}\n"),
            ("\u{feff}# b\na = 1", "\u{feff}\na = 1"),
            ("\x0c# b\na = 1", "\x0c\na = 1"),
        ] {
            assert_eq!(left_out(text).as_deref(), Some(kept), "{text:?}");
        }
        let long = [
            "a = \"\"\"\n# b\n\"\"\"",
            "a = '''\n# b\n'''",
            "a = 1\"\"\"",
        ];
        assert_eq!(long.map(left_out), [None, None, None]);
    }

    #[test]
    fn a_control_character_is_found_wherever_it_stands() {
        for byte in 0..=0x7f {
            for place in 0..20 {
                let mut comment = [b'~'; 20];
                comment[place] = byte;
                let text = std::str::from_utf8(&comment).unwrap();
                assert_eq!(is_printable(text), !byte.is_ascii_control(), "{text:?}");
            }
        }
        assert!(is_printable("\u{80}\u{ff}\u{7f0}\u{10ffff} \u{fe0}\u{85}"));
    }

    /// All texts of some pieces: the parser reads the same of what is left, or refuses both.
    #[test]
    fn what_is_left_is_read_like_the_whole_text() {
        const PIECES: [&str; 17] = [
            "#", "\n", "\"", "'", "'''", "\"\"\"", "\\", "=", "a", "1", "[", "]", ",", " ", "\r",
            "\x0c", "\u{feff}",
        ];
        let mut shortened = 0;
        for start in ["", "a=[", "a=[8_", "a=\"", "a='"] {
            for number in 0..PIECES.len().pow(4) {
                let piece = |place: u32| PIECES[number / PIECES.len().pow(place) % PIECES.len()];
                let text = [start, piece(0), piece(1), piece(2), piece(3)].concat();
                if let Some(kept) = left_out(&text).filter(|kept| *kept != text) {
                    shortened += 1;
                    assert_eq!(read(&kept), read(&text), "{text:?}");
                }
            }
        }
        assert!(shortened > 3_000, "{shortened}");
    }

    /// The parser's reading of a text, without places; `None` where it refuses it.
    fn read(text: &str) -> Option<String> {
        let table = DeTable::parse(text).ok()?;
        Some(of_table(table.get_ref()))
    }

    fn of_table(table: &DeTable<'_>) -> String {
        let entry = |(key, value): (&toml::Spanned<_>, &toml::Spanned<_>)| {
            format!("{:?}={};", key.get_ref(), of_value(value.get_ref()))
        };
        table.iter().map(entry).collect()
    }

    fn of_value(value: &DeValue<'_>) -> String {
        match value {
            DeValue::Array(elements) => elements
                .iter()
                .map(|it| of_value(it.get_ref()) + ",")
                .collect(),
            DeValue::Table(table) => of_table(table),
            other => format!("{other:?}"),
        }
    }
}
