//! Talking with the person at the terminal: text, questions and answers.

use std::io::{self, BufRead as _, IsTerminal as _};
use std::os::fd::{AsFd as _, BorrowedFd};

use twofactor_core::qr::{self, QrGlyphs, QrInk, UndrawnQr};
use zeroize::Zeroizing;

use crate::command_failure::CommandFailure;
use crate::failure_kind::FailureKind;
use crate::interrupt;
use crate::output_stream::OutputStream;

/// Columns assumed where the output is no terminal.
const COLUMNS: usize = 80;
/// Letters of the two lines below a QR code: the longest usual key, and the question with its answer.
const BELOW_CODE: [usize; 2] = [44, 76];
/// Longest answer that is read, in bytes.
const ANSWER: u64 = 1024;

/// Handling of a change that wants a confirmation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConfirmMode {
    /// Ask.
    Ask,
    /// `--yes`: go ahead.
    Yes,
}

/// The person's side of the command.
#[derive(Clone, Copy, Debug)]
pub struct Terminal {
    outlet: OutputStream,
    confirm: ConfirmMode,
    ink: QrInk,
    glyphs: QrGlyphs,
    columns: usize,
    /// `None` where nothing scrolls away: the output is no terminal.
    lines: Option<usize>,
}

/// A QR code that was drawn.
pub struct QrDrawing {
    /// Its lines. As secret as the text.
    pub text: Zeroizing<String>,
    /// Note about it: it is higher than the terminal, or its colours may be swapped.
    pub note: String,
    /// Fit: whether the terminal can show all of it.
    pub fit: QrFit,
}

/// Fit of a drawing: whether a terminal can show all of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum QrFit {
    /// With a question below it.
    Whole,
    /// Its beginning scrolls away.
    TooHigh,
}

impl Terminal {
    /// Looks at the terminal that the dialogue is shown on.
    pub fn new(outlet: OutputStream, confirm: ConfirmMode) -> Self {
        let size = outlet.size();
        let columns = match size {
            Some(size) if size.ws_col > 0 => usize::from(size.ws_col),
            _ => COLUMNS,
        };
        let lines = size.map(|size| usize::from(size.ws_row));
        let ink = if outlet.is_terminal() && !colours_unwanted() {
            QrInk::Ansi
        } else {
            QrInk::Plain
        };
        Self {
            outlet,
            confirm,
            ink,
            glyphs: if outlet.is_utf8() {
                QrGlyphs::Utf8
            } else {
                QrGlyphs::Ascii
            },
            columns,
            lines: lines.filter(|lines| *lines > 0),
        }
    }

    /// A terminal for this person, spoken to elsewhere.
    #[must_use]
    pub const fn at(self, outlet: OutputStream) -> Self {
        Self { outlet, ..self }
    }

    /// The columns to keep to; `None` where the output is no terminal.
    pub fn width(&self) -> Option<usize> {
        self.lines.map(|_| self.columns)
    }

    /// Shows text; a line needs its own newline.
    ///
    /// # Errors
    /// Output that cannot be written.
    pub fn say(&self, text: &str) -> io::Result<()> {
        self.outlet.text(text)
    }

    /// Sentences for people: on a terminal, lines that are too long for it are broken between words.
    ///
    /// # Errors
    /// Output that cannot be written.
    pub fn prose(&self, text: &str) -> io::Result<()> {
        self.outlet.prose(text)
    }

    /// Shows a QR code.
    ///
    /// # Errors
    /// Output that cannot be written.
    pub fn show(&self, drawing: &QrDrawing) -> io::Result<()> {
        self.outlet.drawing(&drawing.text)
    }

    /// The characters that this terminal can show a QR code with.
    pub fn glyphs(&self) -> QrGlyphs {
        self.glyphs
    }

    /// Draws a QR code for this terminal. It is that of the first form of the text that fits it whole, else of the first form
    /// with the fewest lines.
    ///
    /// # Errors
    /// A refusal that says why no QR code can be drawn.
    pub fn draw<'f>(
        &self,
        forms: &'f [Zeroizing<String>],
        glyphs: QrGlyphs,
    ) -> Result<(QrDrawing, &'f str), CommandFailure> {
        let mut why = CommandFailure::refused("there is nothing to draw");
        let mut drawn = Vec::new();
        for form in forms {
            match self.draw_one(form, glyphs) {
                Ok(drawing) if drawing.fit == QrFit::Whole => return Ok((drawing, form)),
                Ok(drawing) => drawn.push((drawing, form.as_str())),
                Err(error) => why = error,
            }
        }
        let lines = |(drawing, _): &(QrDrawing, &str)| drawing.text.lines().count();
        drawn.into_iter().min_by_key(lines).ok_or(why)
    }

    /// This terminal with QR codes drawn without colours, and the other way round where they were already.
    pub fn inverted(self) -> Self {
        let ink = match self.ink {
            QrInk::Ansi | QrInk::Plain => QrInk::PlainOnLight,
            QrInk::PlainOnLight => QrInk::Plain,
        };
        Self { ink, ..self }
    }

    /// Lines that the terminal must have below a QR code.
    fn below_code(&self) -> usize {
        let lines = BELOW_CODE.map(|letters| letters.div_ceil(self.columns.max(1)));
        lines.iter().sum()
    }

    fn draw_one(&self, text: &str, glyphs: QrGlyphs) -> Result<QrDrawing, CommandFailure> {
        let room = self
            .lines
            .map_or(usize::MAX, |lines| lines.saturating_sub(self.below_code()));
        let drawing = qr::draw_in(text, glyphs, self.ink, self.columns, room);
        let text = drawing.map_err(|why| match why {
            UndrawnQr::TooNarrow { needed } => {
                let columns = self.columns;
                CommandFailure::refused(format!(
                    "the QR code needs {needed} columns, this terminal has {columns}"
                ))
                .next("Make it wider, or use the key instead of the code.")
            }
            UndrawnQr::TooLong => CommandFailure::refused("the URI is too long for a QR code")
                .next("Use the key instead of the code."),
        })?;
        let high = text.lines().count();
        let fit = if high <= room {
            QrFit::Whole
        } else {
            QrFit::TooHigh
        };
        let mut note = String::new();
        if let (QrFit::TooHigh, Some(lines)) = (fit, self.lines) {
            let needed = high + self.below_code();
            note.push_str(&format!(
                "The QR code needs {needed} lines, this terminal has {lines}.\n\
                 Make it higher, or use the key instead of the code.\n"
            ));
        }
        if self.ink == QrInk::Plain {
            note.push_str(
                "Drawn without colours, for light letters on a dark screen.\n\
                 On a light screen some apps cannot read it: then use the key instead of the code.\n",
            );
        }
        Ok(QrDrawing { text, note, fit })
    }

    /// Asks for a line. `None` at the end of the input and for an empty answer.
    ///
    /// # Errors
    /// A terminal that cannot be read or written.
    pub fn ask(&self, question: &str) -> io::Result<Option<Zeroizing<String>>> {
        self.prose(question)?;
        interrupt::wait_for_answer()?;
        let answer = read_line(unbuffered(io::stdin().as_fd()))?;
        if answer.is_none() || !io::stdin().is_terminal() {
            // Enter was not pressed here: what follows starts on a line of its own.
            self.say("\n")?;
        }
        Ok(answer.filter(|answer| !answer.trim().is_empty()))
    }

    /// Reads a line that no question was asked for. `None` at the end of the input.
    ///
    /// # Errors
    /// Input that cannot be read.
    pub fn answer(&self) -> io::Result<Option<Zeroizing<String>>> {
        read_line(unbuffered(io::stdin().as_fd()))
    }

    /// True if a user sits there who can be asked.
    pub fn is_interactive(&self) -> bool {
        io::stdin().is_terminal()
    }

    /// True if `--yes` answers all questions.
    pub fn is_confirmed(&self) -> bool {
        self.confirm == ConfirmMode::Yes
    }

    /// Asks a yes-or-no question; only `y` or `yes` is a yes.
    ///
    /// # Errors
    /// A usage error when no user can be asked and `--yes` was not given; a refusal when the answer is no.
    pub fn confirm(&self, question: &str) -> Result<(), CommandFailure> {
        if self.confirm == ConfirmMode::Yes {
            return Ok(());
        }
        if !self.is_interactive() {
            return Err(CommandFailure::usage(
                "this needs a confirmation, and standard input is not a terminal",
            )
            .of_kind(FailureKind::NeedsConfirmation)
            .next("Nothing was changed. To go ahead without being asked: --yes"));
        }
        self.prose(&format!("{question} [y/N] "))?;
        let answer = self.ask("")?;
        if is_yes(answer.as_deref().map(String::as_str)) {
            Ok(())
        } else {
            Err(CommandFailure::refused("nothing was changed").of_kind(FailureKind::Cancelled))
        }
    }

    /// Asks whether to do something more. Where no user can be asked, or `--yes` answers all questions of the change
    /// itself, the answer is no.
    ///
    /// # Errors
    /// A terminal that cannot be read or written.
    pub fn offer(&self, question: &str) -> io::Result<bool> {
        if self.confirm == ConfirmMode::Yes || !self.is_interactive() {
            return Ok(false);
        }
        self.prose(&format!("{question} [y/N] "))?;
        let answer = self.ask("")?;
        Ok(is_yes(answer.as_deref().map(String::as_str)))
    }
}

fn is_yes(answer: Option<&str>) -> bool {
    answer.is_some_and(|text| matches!(text.trim().to_ascii_lowercase().as_str(), "y" | "yes"))
}

/// <https://no-color.org>, and terminals that know no colours.
#[allow(
    clippy::disallowed_methods,
    reason = "looks only: nothing but colours depends on it"
)]
pub fn colours_unwanted() -> bool {
    let set = |name| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    set("NO_COLOR") || std::env::var_os("TERM").is_none_or(|term| term == "dumb" || term.is_empty())
}

/// A file descriptor of which no byte is read ahead: what comes after an answer is seen by poll(2), and by programs
/// that get the descriptor.
fn unbuffered(fd: BorrowedFd<'_>) -> impl io::BufRead {
    io::BufReader::with_capacity(1, InputDescriptor(fd))
}

struct InputDescriptor<'a>(BorrowedFd<'a>);

impl io::Read for InputDescriptor<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        Ok(rustix::io::read(self.0, buffer)?)
    }
}

/// One line without its end. `None` at the end of the input.
fn read_line(input: impl io::BufRead) -> io::Result<Option<Zeroizing<String>>> {
    let mut bytes = Zeroizing::new(Vec::with_capacity(ANSWER as usize));
    if input.take(ANSWER).read_until(b'\n', &mut bytes)? == 0 {
        return Ok(None);
    }
    let line = String::from_utf8_lossy(&bytes);
    Ok(Some(Zeroizing::new(
        line.trim_end_matches(['\n', '\r']).to_owned(),
    )))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(input: &[u8]) -> Option<String> {
        read_line(input).unwrap().map(|line| line.to_string())
    }

    #[test]
    fn an_answer_takes_nothing_of_the_next_one() {
        let (reader, mut writer) = io::pipe().unwrap();
        io::Write::write_all(&mut writer, b"000000\n123456\n").unwrap();
        let line = read_line(unbuffered(reader.as_fd())).unwrap().unwrap();
        assert_eq!(line.as_str(), "000000");
        let mut rest = [0; 16];
        let left = rustix::io::read(&reader, &mut rest).unwrap();
        assert_eq!(rest.get(..left), Some(b"123456\n".as_slice()));
    }

    #[test]
    fn a_line_comes_without_its_end() {
        assert_eq!(lines(b"123 456\r\nnext\n"), Some("123 456".into()));
        assert_eq!(lines(b"no newline"), Some("no newline".into()));
        assert_eq!(lines(b"\n"), Some(String::new()));
        assert_eq!(lines(b""), None);
    }

    #[test]
    fn a_line_without_end_is_cut() {
        assert_eq!(lines(&[b'1'; 5000]).map(|line| line.len()), Some(1024));
    }

    #[test]
    fn only_yes_is_a_yes() {
        for (answer, yes) in [
            ("y", true),
            (" YES ", true),
            ("n", false),
            ("yep", false),
            ("", false),
        ] {
            assert_eq!(is_yes(Some(answer)), yes, "{answer}");
        }
        assert!(!is_yes(None));
    }

    #[test]
    fn yes_is_not_asked_again() {
        let terminal = Terminal {
            outlet: OutputStream::Stderr,
            confirm: ConfirmMode::Yes,
            ink: QrInk::Plain,
            glyphs: QrGlyphs::Utf8,
            columns: 80,
            lines: None,
        };
        assert_eq!(terminal.confirm("Sure?"), Ok(()));
    }
}
