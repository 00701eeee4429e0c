//! Answers that a test wants from the name service about groups and accounts, through a service of its own in
//! nsswitch.conf(5).

use std::path::Path;

use crate::artefacts::workspace;
use crate::layout;
use crate::machine::Machine;

const LIBRARY: &str = "/usr/local/lib/libnss_fixture.so.2";
const DIRECTORY: &str = "/run/harness/nss";

/// The name service of a machine: what a test says comes before what the files say.
pub struct NameService<'m> {
    machine: &'m Machine,
}

impl Machine {
    /// Puts a name service before the files of the machine. `tests/harness/nss/fixture.c` is its source, and says what
    /// the lines of its answers look like.
    ///
    /// # Panics
    /// When it cannot be compiled.
    pub fn name_service(&self) -> NameService<'_> {
        layout::directory(Path::new("/usr/local/lib"), 0o755);
        self.compile(&[]);
        // Programs that are setuid look nowhere but in the cache and in the system's own directories.
        self.run("/sbin/ldconfig", &[]).ok();
        layout::directory(Path::new(DIRECTORY), 0o755);
        let order = "fixture [UNAVAIL=return TRYAGAIN=return] files";
        self.write_file(
            "/etc/nsswitch.conf",
            format!("passwd: {order}\ngroup: {order}\nshadow: files\nhosts: files\n"),
            0o644,
        );
        let service = NameService { machine: self };
        service.answers("");
        service
    }

    /// Replaces the library by a new file: programs that run keep what they have loaded.
    fn compile(&self, options: &[&str]) {
        let source = workspace().join("tests/harness/nss/fixture.c");
        let source = source.display().to_string();
        let new = format!("{LIBRARY}.new");
        let name = "-Wl,-soname,libnss_fixture.so.2";
        let mut arguments = vec!["-shared", "-fPIC", "-Wall", "-Werror", name];
        arguments.extend(options);
        arguments.extend(["-o", &new, &source]);
        self.run("cc", &arguments).ok();
        self.run("mv", &[&new, LIBRARY]).ok();
    }
}

impl NameService<'_> {
    /// Says something else from now on, and forgets what was asked.
    pub fn answers(&self, lines: &str) {
        let path = |name| Path::new(DIRECTORY).join(name);
        self.machine.write_file(path("answers"), lines, 0o644);
        self.machine.write_file(path("asked"), "", 0o666);
    }

    /// Makes it a service that cannot be asked for the groups of a user: its groups list their members.
    ///
    /// # Panics
    /// When it cannot be compiled.
    pub fn lists_members_only(&self) {
        self.machine.compile(&["-DMEMBERS_ONLY"]);
    }

    /// The groups and accounts that were asked for since, such as `group robots`.
    pub fn asked(&self) -> Vec<String> {
        let text = self.machine.read(Path::new(DIRECTORY).join("asked"));
        text.lines().map(str::to_owned).collect()
    }
}
