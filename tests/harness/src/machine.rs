//! The private machine of a test: namespaces of the calling thread, entered by `new` and left by `drop`.

use std::cell::Cell;
use std::ffi::OsStr;
use std::marker::PhantomData;
use std::net::IpAddr;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::artefacts;
use crate::exec::{self, Program, Run};
use crate::layout::{self, SCRATCH};
use crate::log::{Log, SyslogLine};
use crate::pty::Pty;
use crate::sys::{self, Init};

/// The host name inside a machine.
pub const HOST_NAME: &str = "box";

/// A machine of its own for the calling test: users, PAM stacks, services, terminals, log and loopback network, on top
/// of a read-only view of the real system. One per thread at a time; nothing of it is left when it is dropped or when
/// the test is killed.
///
/// The whole thread is inside: `std::fs` sees the machine's files and sockets use its network. Processes must be
/// started through this crate, so that they end with the machine. The workspace and the build directory are the real
/// ones. Threads started while the machine exists must be joined before it is dropped.
pub struct Machine {
    numbers: Cell<u32>,
    product: Product,
    // Dropped in this order: the processes, then the log they write to, then the way back.
    _processes: Processes,
    log: Log,
    _home: Home,
    _thread: PhantomData<*const ()>,
}

impl Machine {
    /// Enters a new machine.
    ///
    /// # Panics
    /// Without root, or when the kernel refuses a namespace or a mount.
    pub fn new() -> Self {
        artefacts::pamdrive_path();
        Self::enter(Product::Built, layout::build)
    }

    /// Enters a new machine that has nothing of the real system: its files are those of a root directory, such as
    /// debootstrap makes, which itself stays as it is. Nothing of the product is there.
    ///
    /// # Panics
    /// As [`Machine::new`].
    pub fn in_root(root: &Path) -> Self {
        Self::enter(Product::Packaged, || layout::build_in(root))
    }

    fn enter(product: Product, build: impl FnOnce()) -> Self {
        assert!(
            rustix::process::geteuid().is_root(),
            "this test needs root: run `make test`, which uses sudo"
        );
        artefacts::target();
        let home = Home::remember();
        let mut log = Log::start();
        sys::unshare().expect("this test needs its own mount namespace (CAP_SYS_ADMIN)");
        build();
        log.listen();
        std::fs::set_permissions(
            "/dev/log",
            std::os::unix::fs::PermissionsExt::from_mode(0o666),
        )
        .expect("the mode of /dev/log");
        rustix::system::sethostname(HOST_NAME.as_bytes()).expect("setting the host name");
        sys::loopback_up().expect("switching the loopback interface on");
        let processes = Processes::start();
        let machine = Self {
            numbers: Cell::new(0),
            product,
            _processes: processes,
            log,
            _home: home,
            _thread: PhantomData,
        };
        machine.write_file(
            "/etc/hosts",
            format!("127.0.0.1 localhost\n::1 localhost\n127.0.1.1 {HOST_NAME}\n"),
            0o644,
        );
        machine
    }

    /// Runs the `twofactor` command as root, with nothing to read.
    ///
    /// # Panics
    /// When it was not built, or runs for longer than a minute.
    pub fn command(&self, arguments: &[&str]) -> Run {
        self.twofactor(arguments).run()
    }

    /// The `twofactor` command, to be run as another user, on a terminal, with input or another environment.
    ///
    /// # Panics
    /// When it was not built.
    pub fn twofactor(&self, arguments: &[&str]) -> Program {
        let path = match self.product {
            Product::Built => {
                artefacts::command();
                "/usr/local/bin/twofactor"
            }
            Product::Packaged => "/usr/bin/twofactor",
        };
        self.program(path).args(arguments)
    }

    /// Any program, to be run inside the machine.
    pub fn program(&self, name: impl AsRef<OsStr>) -> Program {
        Program::new(name)
    }

    /// Runs any program as root, with nothing to read.
    pub fn run(&self, name: &str, arguments: &[&str]) -> Run {
        self.program(name).args(arguments).run()
    }

    /// Runs any program as root on a terminal.
    pub fn pty(&self, name: &str, arguments: &[&str]) -> Pty {
        self.program(name).args(arguments).pty()
    }

    /// Copies `pam.d/NAME` of the workspace to the file of the same name in /etc/pam.d.
    ///
    /// # Panics
    /// When there is no such example or the module was not built.
    pub fn install_stack(&self, name: &str) {
        self.install_stack_as(name, name);
    }

    /// Copies `pam.d/NAME` of the workspace to the stack of a service.
    ///
    /// # Panics
    /// When there is no such example or the module was not built.
    pub fn install_stack_as(&self, name: &str, service: &str) {
        artefacts::module();
        let example = artefacts::workspace().join("pam.d").join(name);
        let text = std::fs::read_to_string(&example)
            .unwrap_or_else(|error| panic!("{}: {error}", example.display()));
        self.stack(service, &text);
    }

    /// Writes the stack of a service.
    pub fn stack(&self, service: &str, lines: &str) {
        self.write_file(Path::new("/etc/pam.d").join(service), lines, 0o644);
    }

    /// Writes the global policy.
    pub fn policy(&self, text: &str) {
        self.write_file("/etc/security/twofactor.toml", text, 0o644);
    }

    /// Writes a file with exactly this mode, owned by root; missing directories are made with mode 0755.
    pub fn write_file(&self, path: impl AsRef<Path>, content: impl AsRef<[u8]>, mode: u32) {
        let path = path.as_ref();
        if let Some(parent) = path.parent().filter(|parent| !parent.exists()) {
            layout::directory(parent, 0o755);
        }
        layout::file(path, content.as_ref(), mode);
    }

    /// Reads a file, with bytes that are not UTF-8 replaced.
    pub fn read(&self, path: impl AsRef<Path>) -> String {
        let path = path.as_ref();
        let content =
            std::fs::read(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        String::from_utf8_lossy(&content).into_owned()
    }

    /// All lines that were sent to syslog so far, in order.
    pub fn log(&self) -> Vec<SyslogLine> {
        self.log.lines()
    }

    /// The messages of the log that contain a text.
    pub fn log_with(&self, text: &str) -> Vec<String> {
        self.log()
            .into_iter()
            .map(|line| line.message)
            .filter(|message| message.contains(text))
            .collect()
    }

    /// Waits for the first log line whose message contains a text.
    ///
    /// # Panics
    /// When there is none within 20 seconds.
    pub fn wait_for_log(&self, text: &str) -> SyslogLine {
        let deadline = Instant::now() + Duration::from_secs(20);
        loop {
            let lines = self.log();
            if let Some(line) = lines.iter().find(|line| line.message.contains(text)) {
                return line.clone();
            }
            assert!(
                Instant::now() < deadline,
                "no log line with {text:?} in {lines:#?}"
            );
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// Forgets the log so far.
    pub fn forget_log(&self) {
        self.log.forget();
    }

    /// Gives the machine one more address, so that a login can come from it and reach it.
    pub fn add_address(&self, address: &str) {
        let address: IpAddr = address.parse().expect("an IP address");
        let label = std::ffi::CString::new(format!("lo:{}", self.number())).expect("no NUL");
        sys::add_address(address, &label).expect("adding an address");
    }

    /// A new empty directory inside the machine that all users may enter.
    pub fn scratch(&self) -> PathBuf {
        let path = Path::new(SCRATCH).join(format!("scratch-{}", self.number()));
        layout::directory(&path, 0o755);
        path
    }

    /// A number that this machine has not given out yet, from 1.
    pub(crate) fn number(&self) -> u32 {
        self.numbers.set(self.numbers.get() + 1);
        self.numbers.get()
    }
}

/// Source of the product of a machine.
enum Product {
    /// From the build directory; it is put into every machine.
    Built,
    /// From a package that the test installs.
    Packaged,
}

impl Default for Machine {
    fn default() -> Self {
        Self::new()
    }
}

/// Makes every process that this crate starts on this thread one of the machine, and ends them all.
struct Processes;

impl Processes {
    fn start() -> Self {
        exec::MACHINE.set(Some(
            Init::start().expect("starting the processes of the machine"),
        ));
        Self
    }
}

impl Drop for Processes {
    fn drop(&mut self) {
        exec::MACHINE.set(None);
    }
}

/// The namespaces and the working directory the thread came from.
struct Home {
    namespaces: [OwnedFd; 3],
    directory: OwnedFd,
}

thread_local!(static INSIDE: Cell<bool> = const { Cell::new(false) });

impl Home {
    fn remember() -> Self {
        assert!(!INSIDE.get(), "this thread has a machine already");
        let open = |kind| sys::namespace(kind).expect("opening a namespace of this thread");
        let directory = std::fs::File::open(".")
            .expect("opening the working directory")
            .into();
        INSIDE.set(true);
        Self {
            namespaces: ["mnt", "net", "uts"].map(open),
            directory,
        }
    }
}

impl Drop for Home {
    fn drop(&mut self) {
        for namespace in &self.namespaces {
            sys::enter(namespace)
                .expect("leaving the machine; was every thread that was started inside it joined?");
        }
        rustix::process::fchdir(&self.directory).expect("returning to the working directory");
        INSIDE.set(false);
    }
}
