//! The only way to standard output and standard error. What goes this way steers no terminal.
#![forbid(unsafe_code)]
#![allow(
    clippy::disallowed_methods,
    reason = "here, and nowhere else in the command, are the streams"
)]

use std::io::{self, IsTerminal as _, Write};

use rustix::termios::{Winsize, tcgetwinsize};
use zeroize::Zeroizing;

use crate::harmless;

/// A stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outlet {
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
}

impl Outlet {
    /// Text for people. A line needs its own newline.
    pub fn text(self, text: &str) -> io::Result<()> {
        let text = Zeroizing::new(harmless::text(text).into_owned());
        self.write(text.as_bytes())
    }

    /// Text, and then the beginning of the same line again.
    pub fn line_to_overwrite(self, text: &str) -> io::Result<()> {
        self.write(format!("{}\r", harmless::value(text)).as_bytes())
    }

    /// A JSON value of [`serde_json`], and a newline.
    pub fn json(self, json: &str) -> io::Result<()> {
        let json = Zeroizing::new(harmless::json(json).into_owned() + "\n");
        self.write(json.as_bytes())
    }

    /// What this program drew itself: with the sequences that set colours (ECMA-48 8.3.117), and with nothing that came
    /// from elsewhere.
    pub fn drawing(self, drawing: &str) -> io::Result<()> {
        self.write(drawing.as_bytes())
    }

    /// Lines for another program: as they are into a file or a pipe, and harmless on a terminal.
    pub fn lines_for_programs(self, lines: &str) -> io::Result<()> {
        if self.is_terminal() {
            self.text(lines)
        } else {
            self.write(lines.as_bytes())
        }
    }

    /// Whether a terminal is at its end.
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

    fn write(self, bytes: &[u8]) -> io::Result<()> {
        match self {
            Self::Stdout => write_all(io::stdout().lock(), bytes),
            Self::Stderr => write_all(io::stderr().lock(), bytes),
        }
    }
}

fn write_all(mut to: impl Write, bytes: &[u8]) -> io::Result<()> {
    to.write_all(bytes)?;
    to.flush()
}
