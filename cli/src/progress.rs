//! The progress of something that takes more than a second.

use std::time::Duration;

use twofactor_store::sys::clock::monotonic;

use crate::output_stream::OutputStream;

/// Nothing is shown before.
const PATIENCE: Duration = Duration::from_secs(1);
/// Pauses between updates, on a terminal and in a log.
const PAUSES: (Duration, Duration) = (Duration::from_millis(200), Duration::from_secs(10));

/// Counts towards a known number, on standard error: one line that changes on a terminal, a new line now and then
/// elsewhere.
pub struct ProgressLine {
    what: &'static str,
    total: usize,
    done: usize,
    next: Duration,
    on_terminal: bool,
    shown: bool,
}

impl ProgressLine {
    /// Begins with nothing of `total` done.
    pub fn new(what: &'static str, total: usize) -> Self {
        Self {
            what,
            total,
            done: 0,
            next: monotonic() + PATIENCE,
            on_terminal: OutputStream::Stderr.is_terminal(),
            shown: false,
        }
    }

    /// So many more are done.
    pub fn add(&mut self, count: usize) {
        if let Some(line) = self.line(count, monotonic()) {
            // It is only a courtesy: what cannot be shown stops nothing.
            let _ = if self.on_terminal {
                OutputStream::Stderr.line_to_overwrite(&line)
            } else {
                OutputStream::Stderr.text(&format!("{line}\n"))
            };
        }
    }

    /// Line to show once so many more are done.
    fn line(&mut self, count: usize, now: Duration) -> Option<String> {
        self.done += count;
        if now < self.next {
            return None;
        }
        let pause = if self.on_terminal { PAUSES.0 } else { PAUSES.1 };
        self.next = now + pause;
        self.shown = true;
        Some(self.text())
    }

    fn text(&self) -> String {
        format!("{}: {} of {}", self.what, self.done, self.total)
    }
}

impl Drop for ProgressLine {
    fn drop(&mut self) {
        if self.shown && self.on_terminal {
            let _ = OutputStream::Stderr.text(&format!("{}\n", self.text()));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn progress_is_shown_after_a_second() {
        for (on_terminal, pause) in [(true, PAUSES.0), (false, PAUSES.1)] {
            let mut progress = ProgressLine {
                on_terminal,
                ..ProgressLine::new("Looked at", 9)
            };
            let start = progress.next;
            assert_eq!(progress.line(1, start - Duration::from_millis(1)), None);
            let told = |done| Some(format!("Looked at: {done} of 9"));
            assert_eq!(progress.line(2, start), told(3));
            assert_eq!(progress.line(1, start + pause / 2), None);
            assert_eq!(progress.line(1, start + pause), told(5));
        }
    }
}
