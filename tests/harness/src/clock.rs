//! The wall clock of a machine, set for the programs that start from then on.
#![forbid(unsafe_code)]

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
        let offset = signed(seconds) - signed(unix_time());
        layout::directory(Path::new("/run/harness"), 0o755);
        self.write_file(OFFSET, offset.to_string(), 0o644);
        if Path::new(LIBRARY).exists() {
            return;
        }
        let source = workspace().join("tests/harness/clock/offset.c");
        let source = source.display().to_string();
        layout::directory(Path::new("/usr/local/lib"), 0o755);
        let library = [
            "-shared", "-fPIC", "-Wall", "-Werror", "-o", LIBRARY, &source,
        ];
        self.run("cc", &library).ok();
        self.write_file("/etc/ld.so.preload", format!("{LIBRARY}\n"), 0o644);
    }
}
