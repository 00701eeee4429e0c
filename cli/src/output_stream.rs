//! The only way to standard output and standard error. What goes this way steers no terminal.
#![allow(
    clippy::disallowed_methods,
    reason = "here, and nowhere else in the command, are the streams; the locale decides on drawings only"
)]

use std::io::{self, IsTerminal as _, Write};

use rustix::fs::{FileType, Mode, fstat};
use rustix::termios::{InputModes, Winsize, tcgetattr, tcgetwinsize};
use zeroize::Zeroizing;

use crate::escaping;
use crate::wrapping::wrapped;

/// A stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OutputStream {
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
}

impl OutputStream {
    /// Text for people. A line needs its own newline.
    ///
    /// # Errors
    /// Output that cannot be written.
    pub fn text(self, text: &str) -> io::Result<()> {
        let text = Zeroizing::new(escaping::text(text).into_owned());
        self.write(text.as_bytes())
    }

    /// Sentences and tables for people: on a terminal, lines that are too long for it are broken between words.
    ///
    /// # Errors
    /// Output that cannot be written.
    pub fn prose(self, text: &str) -> io::Result<()> {
        let Some(columns) = self.columns() else {
            return self.text(text);
        };
        // Escapes are longer than what they stand for.
        let text = Zeroizing::new(escaping::text(text).into_owned());
        self.text(&Zeroizing::new(wrapped(&text, columns)))
    }

    /// Text, and then the beginning of the same line again.
    ///
    /// # Errors
    /// Output that cannot be written.
    pub fn line_to_overwrite(self, text: &str) -> io::Result<()> {
        self.write(format!("{}\r", escaping::value(text)).as_bytes())
    }

    /// A JSON value of [`serde_json`], and a newline.
    ///
    /// # Errors
    /// Output that cannot be written.
    pub fn json(self, json: &str) -> io::Result<()> {
        let json = Zeroizing::new(escaping::json(json).into_owned() + "\n");
        self.write(json.as_bytes())
    }

    /// Writes what this program drew itself: with the sequences that set colours (ECMA-48 8.3.117), and with nothing
    /// that came from elsewhere.
    ///
    /// # Errors
    /// Output that cannot be written.
    pub fn drawing(self, drawing: &str) -> io::Result<()> {
        self.write(drawing.as_bytes())
    }

    /// Lines for another program: as they are into a file or a pipe, and harmless on a terminal.
    ///
    /// # Errors
    /// Output that cannot be written.
    pub fn lines_for_programs(self, lines: &str) -> io::Result<()> {
        if self.is_terminal() {
            self.text(lines)
        } else {
            self.write(lines.as_bytes())
        }
    }

    /// Bytes for another program, as they are. It must not be a terminal.
    pub fn bytes_for_programs(self, bytes: &[u8]) -> io::Result<()> {
        self.write(bytes)
    }

    /// True if it is a terminal.
    pub fn is_terminal(self) -> bool {
        match self {
            Self::Stdout => io::stdout().is_terminal(),
            Self::Stderr => io::stderr().is_terminal(),
        }
    }

    /// The size of that terminal.
    pub fn size(self) -> Option<Winsize> {
        let size = match self {
            Self::Stdout => tcgetwinsize(io::stdout()),
            Self::Stderr => tcgetwinsize(io::stderr()),
        };
        size.ok().filter(|_| self.is_terminal())
    }

    /// True for a regular file that its group or other users may read or write, as a shell makes one. One without a name
    /// is opened by none of them.
    pub fn is_file_of_others(self) -> io::Result<bool> {
        let stat = match self {
            Self::Stdout => fstat(io::stdout()),
            Self::Stderr => fstat(io::stderr()),
        }?;
        let is_file = FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile;
        let others = Mode::RGRP | Mode::WGRP | Mode::ROTH | Mode::WOTH;
        let has_name = stat.st_nlink > 0;
        Ok(is_file && has_name && Mode::from_raw_mode(stat.st_mode).intersects(others))
    }

    /// The columns of that terminal; `None` where it does not say how many it has.
    pub fn columns(self) -> Option<usize> {
        let columns = self.size().map(|size| usize::from(size.ws_col));
        columns.filter(|columns| *columns > 0)
    }

    /// True if half blocks come out as such: the terminal says that it takes UTF-8 (IUTF8 in termios(3), which sshd and
    /// terminal emulators set), or the locale does. What goes elsewhere may be read anywhere, so that only a locale
    /// with another character set speaks against it.
    pub fn is_utf8(self) -> bool {
        let modes = match self {
            Self::Stdout => tcgetattr(io::stdout()),
            Self::Stderr => tcgetattr(io::stderr()),
        };
        match (charset(), modes) {
            (Some(OutputCharset::Utf8), _) | (None, Err(_)) => true,
            (Some(OutputCharset::Other) | None, Ok(modes)) => {
                modes.input_modes.contains(InputModes::IUTF8)
            }
            (Some(OutputCharset::Other), Err(_)) => false,
        }
    }

    fn write(self, bytes: &[u8]) -> io::Result<()> {
        match self {
            Self::Stdout => write_all(io::stdout().lock(), bytes),
            Self::Stderr => write_all(io::stderr().lock(), bytes),
        }
    }
}

/// A character set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum OutputCharset {
    Utf8,
    Other,
}

/// The character set of the locale (locale(7)); `None` where no variable sets one.
fn charset() -> Option<OutputCharset> {
    let names = ["LC_ALL", "LC_CTYPE", "LANG"];
    let set = names.into_iter().filter_map(std::env::var_os);
    let locale = set.into_iter().find(|value| !value.is_empty())?;
    Some(charset_of(&locale.to_string_lossy()))
}

fn charset_of(locale: &str) -> OutputCharset {
    let name = locale.to_ascii_lowercase().replace('-', "");
    let set = name.split('@').next().and_then(|name| name.split_once('.'));
    match set {
        Some((_, "utf8")) => OutputCharset::Utf8,
        _ => OutputCharset::Other,
    }
}

fn write_all(mut to: impl Write, bytes: &[u8]) -> io::Result<()> {
    to.write_all(bytes)?;
    to.flush()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn locales_name_their_character_set() {
        for (locale, set) in [
            ("C.UTF-8", OutputCharset::Utf8),
            ("de_DE.utf8@euro", OutputCharset::Utf8),
            ("en_US.UTF-8", OutputCharset::Utf8),
            ("C", OutputCharset::Other),
            ("POSIX", OutputCharset::Other),
            ("de_DE", OutputCharset::Other),
            ("de_DE.ISO-8859-15@euro", OutputCharset::Other),
        ] {
            assert_eq!(charset_of(locale), set, "{locale}");
        }
    }
}
