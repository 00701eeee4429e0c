//! The wall clock of a machine, as its programs read it.

use std::fs::OpenOptions;
use std::os::unix::fs::FileExt as _;
use std::path::Path;

use crate::artefacts::workspace;
use crate::layout;
use crate::machine::Machine;
use crate::otp::unix_time;

const LIBRARY: &str = "/usr/local/lib/harness-clock.so";
const OFFSET: &str = "/run/harness/clock";

impl Machine {
    /// Sets the clock that programs read to `seconds` since 1970-01-01 UTC; it goes on from there. The kernel's clock, and so
    /// the times of files, stay as they are. `tests/harness/clock/offset.c` is how.
    ///
    /// # Panics
    /// When it cannot be compiled.
    pub fn set_clock(&self, seconds: u64) {
        let signed = |number: u64| i64::try_from(number).expect("a time of this era");
        self.shift_clock(signed(seconds) - signed(unix_time()));
    }

    /// Sets it so many seconds ahead of the real one, or behind it. Programs that were started after the first time see it step.
    ///
    /// # Panics
    /// As [`Machine::set_clock`].
    pub fn shift_clock(&self, seconds: i64) {
        if Path::new(LIBRARY).exists() {
            // In place: it is mapped.
            let file = OpenOptions::new().write(true).open(OFFSET);
            let written = file.and_then(|file| file.write_all_at(&seconds.to_ne_bytes(), 0));
            return written.expect("the clock of a machine");
        }
        layout::directory(Path::new("/run/harness"), 0o755);
        self.write_file(OFFSET, seconds.to_ne_bytes(), 0o644);
        let source = workspace().join("tests/harness/clock/offset.c");
        let source = source.display().to_string();
        layout::directory(Path::new("/usr/local/lib"), 0o755);
        let library = [
            "-shared", "-fPIC", "-Wall", "-Werror", "-o", LIBRARY, &source,
        ];
        self.run("cc", &library).ok();
        self.write_file("/etc/ld.so.preload", format!("{LIBRARY}\n"), 0o644);
    }

    /// A shell command by which the clock steps to so many seconds ahead of the real one, or behind it.
    pub fn clock_step(&self, seconds: i64) -> String {
        let file = format!("{OFFSET}-{seconds}");
        self.write_file(&file, seconds.to_ne_bytes(), 0o644);
        format!("cat {file} 1<>{OFFSET}")
    }
}
