//! The files that a login touches, seen by strace. The environment does not change them.

use harness::Machine;
use harness::fault::FLUSHES;
use harness::pam::{Drive, PamOutcome, code};

use harness::enrolled::{ON, Token, enroll_token, logged, machine, run, state_path};

/// System calls of one transaction, one to a line, descriptors with the names of their files.
struct Trace(Vec<String>);

impl Trace {
    /// Runs a transaction under strace, with more variables in its environment.
    fn of(machine: &Machine, drive: Drive, variables: &[&str]) -> (PamOutcome, Self) {
        let strace = ["strace", "-f", "-y", "-s", "300", "-o", "/run/trace"];
        let through = [&["env"], variables, &strace].concat();
        let outcome = run(drive.through(&through));
        let lines = machine.read("/run/trace");
        let call = |line: &str| line.split_once(' ').map(|(_, call)| call.trim().to_owned());
        (outcome, Self(lines.lines().filter_map(call).collect()))
    }

    /// The calls of these names.
    fn calls(&self, names: &[&str]) -> Vec<&str> {
        let of_name = |line: &&String| {
            let name = line.split('(').next().unwrap_or_default();
            names.contains(&name)
        };
        self.0.iter().filter(of_name).map(String::as_str).collect()
    }

    /// Files that were opened successfully and are no library, stack, or time zone: those are libpam's and syslog(3)'s.
    /// The names are those that the kernel resolved.
    fn opened(&self) -> Vec<&str> {
        let foreign = |path: &str| {
            path.contains(".so")
                || [
                    "/proc/",
                    "/etc/pam.d",
                    "/usr/share/zoneinfo",
                    "/etc/localtime",
                ]
                .iter()
                .any(|start| path.starts_with(start))
        };
        self.calls(&["open", "openat", "openat2", "creat"])
            .into_iter()
            .filter_map(|call| {
                call.rsplit_once(" = ")?
                    .1
                    .split_once('<')?
                    .1
                    .strip_suffix('>')
            })
            .filter(|path| !foreign(path))
            .collect()
    }
}

/// Every call by which a file can be changed, made or removed once it is open or by name.
const CHANGES: [&str; 38] = [
    "write",
    "pwrite64",
    "writev",
    "pwritev",
    "pwritev2",
    "sendfile",
    "splice",
    "copy_file_range",
    "truncate",
    "ftruncate",
    "fallocate",
    "rename",
    "renameat",
    "renameat2",
    "unlink",
    "unlinkat",
    "rmdir",
    "mkdir",
    "mkdirat",
    "mknod",
    "mknodat",
    "link",
    "linkat",
    "symlink",
    "symlinkat",
    "chmod",
    "fchmod",
    "fchmodat",
    "chown",
    "fchown",
    "lchown",
    "fchownat",
    "utime",
    "utimes",
    "utimensat",
    "setxattr",
    "fsetxattr",
    "chdir",
];

fn state_only(trace: &Trace, alice: &Token) {
    let state = state_path(&alice.user).display().to_string();
    let report = |call: &&str| !call.contains("</memfd:harness>");
    let changes: Vec<&str> = trace.calls(&CHANGES).into_iter().filter(report).collect();
    assert_eq!(changes.len(), 2, "{changes:#?}");
    for change in changes {
        assert!(
            change.starts_with("pwrite64(") && change.contains(&format!("<{state}>")),
            "{change}"
        );
    }
    let writable = trace.calls(&["open", "openat", "openat2", "creat"]);
    let writable = writable.into_iter().filter(|call| {
        ["O_WRONLY", "O_RDWR", "O_CREAT", "O_TRUNC"]
            .iter()
            .any(|flag| call.contains(flag))
    });
    for call in writable {
        assert!(call.ends_with(&format!("<{state}>")), "{call}");
    }
}

#[test]
fn a_login_flushes_once_and_writes_the_state_alone() {
    let machine = machine(ON);
    let alice = enroll_token(&machine, "alice");
    let (outcome, trace) = Trace::of(&machine, alice.login().answer(alice.code()), &[]);
    assert_eq!(outcome.auth, code::SUCCESS);
    let flushes = trace.calls(&FLUSHES);
    assert_eq!(flushes.len(), 1, "{flushes:?}");
    assert!(
        flushes[0].starts_with("fdatasync(") && flushes[0].ends_with(" = 0"),
        "{flushes:?}"
    );
    state_only(&trace, &alice);
    // Nothing is on the disk yet when the code is compared but the charge; success comes after the flush.
    let order = trace.calls(&["pwrite64", "fdatasync", "sendto"]);
    is_written_and_flushed(&order);
    assert!(order[3].contains("result=accepted"), "{order:#?}");
}

/// Two writes, a flush, and the line in the log.
fn is_written_and_flushed(order: &[&str]) {
    let names: Vec<&str> = order
        .iter()
        .filter_map(|call| call.split('(').next())
        .collect();
    assert_eq!(
        names[..4],
        ["pwrite64", "pwrite64", "fdatasync", "sendto"],
        "{order:#?}"
    );
}

#[test]
fn a_wrong_code_is_flushed_before_the_answer() {
    let machine = machine("enabled = true\ntries = 1\n");
    let alice = enroll_token(&machine, "alice");
    let (outcome, trace) = Trace::of(&machine, alice.login().answer(alice.wrong()), &[]);
    assert_eq!(outcome.auth, code::MAXTRIES);
    let order = trace.calls(&["pwrite64", "fdatasync", "sendto"]);
    // The charge, and then the code among those that were refused.
    is_written_and_flushed(&order);
    assert_eq!(trace.calls(&FLUSHES).len(), 1);
}

const FILES: [&str; 8] = [
    "/etc/security/twofactor.toml",
    "/var/lib/twofactor",
    "/etc/security/twofactor.id",
    "/var/lib/twofactor/users/alice.toml",
    "/var/lib/twofactor/state/alice",
    "/var/lib/twofactor/state/alice",
    "/var/lib/twofactor/users/alice.toml",
    "/etc/security/twofactor.toml",
];

#[test]
fn a_login_opens_one_users_files_and_none_in_a_home() {
    let machine = machine(ON);
    let alice = enroll_token(&machine, "alice");
    enroll_token(&machine, "carol");
    for file in [
        ".google_authenticator",
        ".twofactor.toml",
        ".config/twofactor.toml",
        ".pam_environment",
    ] {
        machine.write_file(format!("/home/alice/{file}"), "", 0o600);
        machine.write_file(format!("/root/{file}"), "", 0o600);
    }
    let (outcome, trace) = Trace::of(&machine, alice.login().answer(alice.code()), &[]);
    assert_eq!(outcome.auth, code::SUCCESS);
    let opened = trace.opened();
    let own: Vec<&str> = opened
        .iter()
        .copied()
        .filter(|path| path.contains("twofactor"))
        .collect();
    assert_eq!(own, FILES);
    for path in opened.iter().filter(|path| !path.contains("twofactor")) {
        assert!(
            ["/etc/nsswitch.conf", "/etc/passwd", "/etc/ld.so.cache"].contains(path),
            "{path}"
        );
    }
    for call in &trace.0 {
        let by_name = call
            .split(", ")
            .take(2)
            .any(|word| word.starts_with("\"/home") || word.starts_with("\"/root"));
        assert!(!by_name && !call.contains("carol\""), "{call}");
    }
}

#[test]
fn the_environment_has_no_influence() {
    let machine = machine("enabled = true\ntries = 1\nprompt = \"Code: \"\n");
    let alice = enroll_token(&machine, "alice");
    machine.write_file("/srv/evil.toml", "enabled = false\n", 0o644);
    machine.write_file(
        "/srv/home/.config/twofactor.toml",
        "enabled = false\n",
        0o644,
    );
    let variables = [
        "TZ=XYZ-12",
        "HOME=/srv/home",
        "XDG_CONFIG_HOME=/srv/home/.config",
        "XDG_STATE_HOME=/srv/home",
        "TMPDIR=/srv/home",
        "USER=carol",
        "LOGNAME=carol",
        "LANG=de_DE.UTF-8",
        "LC_ALL=de_DE.UTF-8",
        "LANGUAGE=de",
        "HOSTNAME=evil",
        "RUST_BACKTRACE=full",
        "RUST_LOG=trace",
        "TWOFACTOR_POLICY=/srv/evil.toml",
        "TWOFACTOR_STATE=/srv",
        "TWOFACTOR_CONFIG=/srv/evil.toml",
        "TWOFACTOR_DEBUG=1",
        "PAM_TWOFACTOR_POLICY=/srv/evil.toml",
        "POLICY=/srv/evil.toml",
        "STATE=/srv",
        "SOURCE_DATE_EPOCH=0",
        "FAKETIME=@2000-01-01 00:00:00",
    ];
    let cases = |answer: &dyn Fn() -> String, expected: i32| {
        let seen = |drive: Drive, variables: &[&str]| {
            machine.forget_log();
            let (outcome, trace) = Trace::of(&machine, drive, variables);
            let opened = trace
                .opened()
                .into_iter()
                .map(str::to_owned)
                .collect::<Vec<_>>();
            let shown = (outcome.auth, outcome.messages, outcome.environment);
            let lines: Vec<String> = logged(&machine);
            (shown, opened, lines)
        };
        let plain = seen(alice.login().answer(answer()), &[]);
        assert_eq!(plain.0.0, expected);
        assert_eq!(seen(alice.login().answer(answer()), &variables), plain);
        assert_eq!(
            seen(alice.login().clear_env().answer(answer()), &variables),
            plain
        );
    };
    cases(&|| alice.wrong(), code::MAXTRIES);
    // A success reports the failures before it, once.
    let outcome = run(alice.login().answer(alice.code()));
    assert_eq!(outcome.auth, code::SUCCESS);
    cases(&|| alice.code(), code::SUCCESS);
}

/// The standard error of a program belongs to the program.
#[test]
fn nothing_is_printed() {
    let machine = machine("enabled = true\ntries = 1\n");
    let alice = enroll_token(&machine, "alice");
    for (name, drive) in [
        ("right", alice.login().answer(alice.code())),
        ("wrong", alice.login().answer(alice.wrong())),
        ("null", alice.login().answer_null()),
        ("not enrolled", harness::enrolled::login("no-such-user")),
    ] {
        let raw = drive.through(&["env", "RUST_BACKTRACE=full"]).raw().ok();
        assert_eq!(raw.stderr, "", "{name}");
        assert_eq!(raw.stdout.lines().count(), 1, "{name}: only the report");
    }
}

/// A program that is started later inherits nothing; what others put in the place of a file is neither followed nor
/// waited for.
#[test]
fn files_are_opened_without_following_links() {
    let machine = machine(ON);
    let alice = enroll_token(&machine, "alice");
    let (outcome, trace) = Trace::of(&machine, alice.login().answer(alice.code()), &[]);
    assert_eq!(outcome.auth, code::SUCCESS);
    let opened = trace.calls(&["open", "openat", "openat2", "creat"]);
    let is_ours = |call: &&&str| {
        FILES
            .iter()
            .any(|file| call.ends_with(&format!("<{file}>")))
    };
    let ours: Vec<&&str> = opened.iter().filter(is_ours).collect();
    assert_eq!(ours.len(), FILES.len(), "{opened:#?}");
    for call in ours {
        assert!(
            call.contains("O_CLOEXEC") && call.contains("O_NOFOLLOW"),
            "{call}"
        );
        assert!(
            call.contains("O_NONBLOCK") || call.contains("O_DIRECTORY"),
            "{call}"
        );
    }
    let started = trace.calls(&["execve", "execveat", "fork", "vfork", "clone", "clone3"]);
    assert_eq!(started.len(), 1, "the program itself: {started:#?}");
}
