//! Reports of the commands: text for people, or JSON whose keys are stable.

use serde::Serialize;
use unicode_width::UnicodeWidthStr as _;
use zeroize::Zeroizing;

use crate::command_failure::CommandFailure;
use crate::escaping;
use crate::output_stream::OutputStream;

/// Format in which a report is written to standard output.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OutputFormat {
    /// For people.
    Text,
    /// One JSON object.
    Json,
    /// Events of a dialogue with a program, a JSON object a line, and nothing on standard error.
    Dialogue,
}

/// Everything that a command has to tell at its end.
///
/// The serialized form is an interface: keys are only ever added.
pub trait CommandReport: Serialize {
    /// The report for people, with a newline at the end of each line.
    fn text(&self) -> Zeroizing<String>;

    /// The treatment of lines on a terminal that is too narrow.
    fn layout(&self) -> LineLayout {
        LineLayout::Wrapped
    }
}

/// The treatment of lines that are wider than the terminal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LineLayout {
    /// They are broken between words.
    Wrapped,
    /// They stay as they are: programs read them, too.
    Verbatim,
}

impl OutputFormat {
    /// Writes a report.
    ///
    /// # Errors
    /// When standard output cannot be written.
    pub fn write(self, report: &impl CommandReport) -> Result<(), CommandFailure> {
        match self {
            Self::Text => match report.layout() {
                LineLayout::Wrapped => OutputStream::Stdout.prose(&report.text())?,
                LineLayout::Verbatim => OutputStream::Stdout.text(&report.text())?,
            },
            Self::Json => {
                let json = serde_json::to_string_pretty(report).map_err(CommandFailure::system)?;
                OutputStream::Stdout.json(&Zeroizing::new(json))?;
            }
            Self::Dialogue => {
                let json = serde_json::to_string(report).map_err(CommandFailure::system)?;
                OutputStream::Stdout.json(&Zeroizing::new(json))?;
            }
        }
        Ok(())
    }

    /// Writes an error: for people to standard error, as JSON also to standard output.
    pub fn write_failure(self, failure: &CommandFailure) {
        // If nothing can be written, the exit code is all that is left.
        if self != Self::Dialogue {
            let _ = OutputStream::Stderr.prose(&format!("twofactor: {failure}\n"));
        }
        self.write_unsaid(failure);
    }

    /// Writes an error as JSON, to standard output alone.
    pub fn write_unsaid(self, failure: &CommandFailure) {
        #[derive(Serialize)]
        struct ReportBody<'a> {
            error: ReportInner<'a>,
        }
        #[derive(Serialize)]
        struct ReportInner<'a> {
            exit_code: u8,
            kind: &'a str,
            message: &'a str,
            next: Option<&'a str>,
        }
        #[derive(Serialize)]
        struct FailedEvent<'a> {
            event: &'static str,
            #[serde(flatten)]
            error: ReportInner<'a>,
        }
        let error = ReportInner {
            exit_code: failure.exit as u8,
            kind: failure.kind.word(),
            message: &failure.what,
            next: failure.next.as_deref(),
        };
        let json = match self {
            Self::Text => return,
            Self::Json => serde_json::to_string_pretty(&ReportBody { error }),
            Self::Dialogue => serde_json::to_string(&FailedEvent {
                event: "failed",
                error,
            }),
        };
        if let Ok(json) = json {
            let _ = OutputStream::Stdout.json(&json);
        }
    }
}

/// Lines up the columns of a table; the first row is its head.
pub fn table(rows: &[Vec<String>]) -> String {
    let mut widths: Vec<usize> = Vec::new();
    let mut measured = Vec::with_capacity(rows.len());
    for row in rows {
        let cells = row.iter().map(|cell| {
            let cell = escaping::value(cell);
            (cell.width(), cell)
        });
        let cells: Vec<_> = cells.collect();
        widths.resize(widths.len().max(cells.len()), 0);
        for (widest, (width, _)) in widths.iter_mut().zip(&cells) {
            *widest = (*widest).max(*width);
        }
        measured.push(cells);
    }
    let mut out = String::new();
    for row in measured {
        let begin = out.len();
        for ((width, cell), widest) in row.iter().zip(&widths) {
            out.push_str(cell);
            let gap = widest.saturating_sub(*width) + 2;
            out.extend(std::iter::repeat_n(' ', gap));
        }
        let end = out.trim_end_matches(' ').len().max(begin);
        out.truncate(end);
        out.push('\n');
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_line_up() {
        let rows = [
            vec!["USER".into(), "DEVICES".into()],
            vec!["jürgen".into(), "phone".into()],
            vec!["a".into()],
        ];
        assert_eq!(table(&rows), "USER    DEVICES\njürgen  phone\na\n");
    }

    #[test]
    fn wide_and_combining_letters_take_their_columns() {
        let rows = [
            vec!["李明".into(), "x".into()],
            vec!["e\u{301}".into(), "y".into()],
            vec!["abcd".into(), "z".into()],
        ];
        assert_eq!(table(&rows), "李明  x\ne\u{301}     y\nabcd  z\n");
    }

    #[test]
    fn a_name_cannot_steer_the_terminal() {
        let rows = [vec!["a\u{1b}[2J\u{9b}m\n".into()]];
        assert_eq!(table(&rows), "a\\u{1b}[2J\\u{9b}m\\n\n");
    }

    #[test]
    fn a_table_of_nothing_is_nothing() {
        assert_eq!(table(&[]), "");
    }
}
