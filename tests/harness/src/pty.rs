//! A conversation with a program on a terminal.

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, Command};
use std::time::Instant;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::pty::{OpenptFlags, grantpt, ioctl_tiocgptpeer, openpt, unlockpt};
use rustix::termios::{LocalModes, Winsize, tcgetattr, tcsetwinsize};

use crate::exec::{LIMIT, spawn};
use crate::screen::COLUMNS;
use crate::sys;

/// A program that runs on a terminal; it is killed when this is dropped.
///
/// Carriage returns are dropped from everything it shows. What has been expected once is not looked at again.
pub struct Pty {
    child: Child,
    terminal: File,
    shown: Vec<u8>,
    read: usize,
    closed: bool,
    columns: u16,
}

/// Ending of a program on a terminal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ended {
    /// The exit code; `None` when a signal killed it.
    pub code: Option<i32>,
    /// The signal that killed it.
    pub signal: Option<i32>,
    /// Everything the terminal showed.
    pub shown: String,
}

impl Pty {
    pub(crate) fn open(mut command: Command, columns: u16, lines: u16) -> Self {
        let terminal = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC)
            .expect("opening a terminal");
        grantpt(&terminal)
            .and_then(|()| unlockpt(&terminal))
            .expect("unlocking the terminal");
        let size = Winsize {
            ws_row: lines,
            ws_col: columns,
            ws_xpixel: 0,
            ws_ypixel: 0,
        };
        tcsetwinsize(&terminal, size).expect("setting the size of the terminal");
        let open = || -> OwnedFd {
            ioctl_tiocgptpeer(
                &terminal,
                OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC,
            )
            .expect("the other end")
        };
        command.stdin(open()).stdout(open()).stderr(open());
        sys::own_terminal(&mut command);
        let child = spawn(&mut command);
        Self {
            child,
            terminal: File::from(terminal),
            shown: Vec::new(),
            read: 0,
            closed: false,
            columns,
        }
    }

    /// Waits until the program shows a text; returns what it showed up to the end of that text. On fewer than 80 columns
    /// a line may end where the text has a blank within it.
    ///
    /// # Panics
    /// When it ends, or a minute passes, without showing it.
    pub fn expect(&mut self, text: &str) -> String {
        self.wait_for(&[text]).1
    }

    /// Waits until the program shows one of several texts; returns which one came first.
    ///
    /// # Panics
    /// When it ends, or a minute passes, without showing any.
    pub fn expect_any(&mut self, texts: &[&str]) -> usize {
        self.wait_for(texts).0
    }

    /// As [`Pty::expect_any`], and leaves what was shown to be expected again.
    ///
    /// # Panics
    /// When it ends, or a minute passes, without showing any.
    pub fn peek_any(&mut self, texts: &[&str]) -> usize {
        let read = self.read;
        let (index, _) = self.wait_for(texts);
        self.read = read;
        index
    }

    /// Waits for a prompt, then types a line.
    ///
    /// # Panics
    /// When the prompt does not come.
    pub fn answer(&mut self, prompt: &str, line: &str) -> &mut Self {
        self.expect(prompt);
        self.send_line(line);
        self
    }

    /// As [`Pty::answer`], to a program that shows the prompt first, and then hides what is typed and drops what was typed before.
    ///
    /// # Panics
    /// When the prompt does not come, or is not hidden within a minute.
    pub fn answer_hidden(&mut self, prompt: &str, line: &str) -> &mut Self {
        self.expect(prompt);
        let deadline = Instant::now() + LIMIT;
        let is_shown = || {
            let modes = tcgetattr(&self.terminal).expect("the modes of the terminal");
            modes.local_modes.contains(LocalModes::ECHO)
        };
        while is_shown() {
            assert!(Instant::now() < deadline, "{prompt:?} hides nothing");
            std::thread::sleep(std::time::Duration::from_millis(2));
        }
        self.send_line(line);
        self
    }

    /// Types a line and Enter.
    pub fn send_line(&mut self, line: &str) {
        self.send(format!("{line}\r").as_bytes());
    }

    /// Types bytes, such as `b"\x03"` for Ctrl-C or `b"\x04"` for Ctrl-D.
    pub fn send(&mut self, bytes: &[u8]) {
        self.terminal
            .write_all(bytes)
            .expect("typing on the terminal");
    }

    /// Waits for the end of the program.
    ///
    /// # Panics
    /// When it does not end within a minute.
    pub fn end(mut self) -> Ended {
        let deadline = Instant::now() + LIMIT;
        while !self.closed {
            assert!(
                self.more(deadline),
                "the program did not end; it showed:\n{}",
                self.shown()
            );
        }
        let status = loop {
            if let Some(status) = self.child.try_wait().expect("waiting for the program") {
                break status;
            }
            assert!(
                Instant::now() < deadline,
                "the program closed its terminal and did not end:\n{}",
                self.shown()
            );
            std::thread::sleep(std::time::Duration::from_millis(2));
        };
        Ended {
            code: status.code(),
            signal: status.signal(),
            shown: self.shown(),
        }
    }

    /// Everything the terminal has shown so far.
    pub fn shown(&self) -> String {
        String::from_utf8_lossy(&self.shown).into_owned()
    }

    /// The process number as the test sees it (inside the machine it has another one).
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// True if the program has ended, whatever it has shown.
    pub fn has_ended(&mut self) -> bool {
        let status = self.child.try_wait().expect("waiting for the program");
        status.is_some()
    }

    /// Kills the program.
    pub fn kill(mut self) -> Ended {
        self.child.kill().ok();
        self.end()
    }

    fn wait_for(&mut self, texts: &[&str]) -> (usize, String) {
        let deadline = Instant::now() + LIMIT;
        let may_wrap = self.columns < COLUMNS[0];
        loop {
            let unread = &self.shown[self.read..];
            let place = |text: &&str| {
                unread
                    .windows(text.len())
                    .position(|window| is_text(window, text.as_bytes(), may_wrap))
            };
            let found = texts
                .iter()
                .enumerate()
                .filter_map(|(index, text)| Some((place(text)?, index, text.len())));
            if let Some((start, index, length)) = found.min() {
                let upto = String::from_utf8_lossy(&unread[..start + length]).into_owned();
                self.read += start + length;
                return (index, upto);
            }
            assert!(
                !self.closed && self.more(deadline),
                "{texts:?} did not come; the terminal showed:\n{}",
                self.shown()
            );
        }
    }

    /// Reads once; false when the deadline passes first.
    fn more(&mut self, deadline: Instant) -> bool {
        let left = deadline.saturating_duration_since(Instant::now());
        let mut ready = [PollFd::new(&self.terminal, PollFlags::IN)];
        let limit = Timespec::try_from(left).expect("a duration");
        if poll(&mut ready, Some(&limit)).expect("waiting for the terminal") == 0 {
            return false;
        }
        let mut buffer = [0; 4096];
        match self.terminal.read(&mut buffer) {
            // EIO: the last process that had the terminal open is gone.
            Ok(0) | Err(_) => self.closed = true,
            Ok(length) => self
                .shown
                .extend(buffer[..length].iter().filter(|byte| **byte != b'\r')),
        }
        true
    }
}

/// True if a terminal shows the text, on several lines if it may.
fn is_text(shown: &[u8], text: &[u8], may_wrap: bool) -> bool {
    let last = text.len().saturating_sub(1);
    let mut letters = shown.iter().zip(text).enumerate();
    letters.all(|(place, (shown, letter))| {
        let ends_line = may_wrap && place < last && *letter == b' ' && *shown == b'\n';
        shown == letter || ends_line
    })
}

impl Drop for Pty {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}
