//! Lines that end between words: most of what is told is wider than a terminal, which would break it anywhere.

use zeroize::Zeroizing;

use crate::login_service;
use crate::transaction::PamTransaction;

/// Columns of the terminal at the other end of sshd, which tells them after the authentication.
const COLUMNS: usize = 80;
/// Columns that any terminal has.
const FEWEST: usize = 40;
/// Beginnings of lines to be copied. The groups of a key end where a line of 40 columns does.
const IN_ONE_PIECE: [&str; 2] = ["Key: ", "URI: "];

/// The text in lines that fit the terminal, whose width is asked for only where that matters. Windows and pages break lines
/// by themselves.
pub fn for_terminal(transaction: &dyn PamTransaction, text: &str) -> Zeroizing<String> {
    let columns = || {
        let is_far = || login_service::is_sshd(transaction).then_some(COLUMNS);
        transaction.columns().or_else(is_far)
    };
    let is_short = text.len() <= FEWEST;
    let columns = if is_short { None } else { columns() };
    wrapped(text, columns.unwrap_or(usize::MAX))
}

/// The text in lines of at most so many columns, which end between words, apart from [`IN_ONE_PIECE`].
fn wrapped(text: &str, columns: usize) -> Zeroizing<String> {
    // It grows no larger than the text: blanks become ends of lines.
    let mut out = Zeroizing::new(String::with_capacity(text.len()));
    for line in text.split_inclusive('\n') {
        let mut used = 0;
        let is_whole = line.trim_end().chars().count() <= columns
            || IN_ONE_PIECE.iter().any(|start| line.starts_with(start));
        for word in line.split_inclusive(' ') {
            let width = word.trim_end().chars().count();
            if !is_whole && used > 0 && width > 0 && used + width > columns {
                out.pop();
                out.push('\n');
                used = 0;
            }
            out.push_str(word);
            used += word.chars().count();
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tests::stage::StagedTransaction;

    #[test]
    fn lines_end_between_words_and_a_key_is_one_line() {
        let text = "Scan this code\n█ ▀ █ ▀\nKey: ABCD EFGH IJKL\nA-very-long-word and more: ";
        assert_eq!(
            *wrapped(text, 10),
            "Scan this\ncode\n█ ▀ █ ▀\nKey: ABCD EFGH IJKL\nA-very-long-word\nand more: "
        );
        assert_eq!(*wrapped(text, 80), text);
    }

    #[test]
    fn a_text_fits_the_terminal_where_there_is_one() {
        let text = "One wrong code was entered since your last right one. If that was not you, change your password.";
        let mut stage = StagedTransaction::new("enabled = true\n");
        for (columns, tty, most) in [
            (None, "ssh", 80),
            (None, "", text.len()),
            (Some(40), "ssh", 40),
            (Some(40), "tty1", 40),
            (Some(200), "tty1", text.len()),
            (Some(1), "tty1", "password.".len()),
        ] {
            stage.columns = columns;
            stage.tty = Some(tty.into());
            let told = for_terminal(&stage, text);
            let widest = told.lines().map(str::len).max();
            assert!(widest.is_some_and(|widest| widest <= most), "{told:?}");
            assert_eq!(told.replace('\n', " "), text);
        }
        assert_eq!(
            *for_terminal(&stage, "Wrong code. Short."),
            "Wrong code. Short."
        );
    }
}
