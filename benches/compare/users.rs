//! Many users: what they cost at a login, and how long the command takes over them.

use std::fmt::Write as _;
use std::fs;
use std::io::Write as _;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use harness::Machine;
use serde_json::{Value, json};
use twofactor_core::account::Account;
use twofactor_core::device::OtpKind;

use crate::enrollment::{enroll_in, oath_line};
use crate::world::{self, ROOT, USER, stack, stack_arguments};

/// The users that [`command`] has imported.
const MANY: &str = "many";
const FIRST_UID: usize = 100_000;
/// Longest time that a command may take over many users.
pub const LIMIT: Duration = Duration::from_secs(600);

/// Imports so many users from a file of pam_oath's, and looks at all of them: both with the command.
pub fn command(machine: &Machine, count: usize) -> Value {
    let before = fs::read_to_string("/etc/passwd").unwrap();
    let (mut passwd, mut lines) = (before.clone(), String::new());
    for number in 0..count {
        let (name, uid) = (format!("user{number}"), FIRST_UID + number);
        writeln!(passwd, "{name}:x:{uid}:{uid}::/nonexistent:/bin/sh").unwrap();
        lines.push_str(&oath_line(&name, OtpKind::Hotp));
    }
    fs::write("/etc/passwd", passwd).unwrap();
    machine.write_file("/run/users.oath", lines, 0o600);
    let state = format!("{ROOT}/{MANY}");
    fs::DirBuilder::new().mode(0o700).create(&state).unwrap();
    let timed = |words: &[&str]| {
        let program = world::command(machine, Path::new(&state), words).limit(LIMIT);
        let began = Instant::now();
        let run = program.run().ok();
        (began.elapsed().as_secs_f64(), run)
    };
    timed(&["init"]);
    let (import, imported) = timed(&["import", "users-oath", "/run/users.oath", "--yes"]);
    let (status, shown) = timed(&["status"]);
    assert!(
        shown.stdout.lines().count() > count,
        "status does not list all users"
    );
    fs::write("/etc/passwd", before).unwrap();
    json!({
        "users": count,
        "import_seconds": import,
        "status_seconds": status,
        "import_progress": imported.stderr.contains(" of "),
        "status_progress": shown.stderr.contains(" of "),
    })
}

/// Services with the user among `counts` enrolled ones: `twofactor_N` and, up to `most`, `oath_N`. Returns their names.
pub fn services(
    machine: &Machine,
    account: &Account,
    counts: &[usize],
    most: usize,
    imported: usize,
) -> Vec<String> {
    let mut services = Vec::new();
    for &count in counts {
        let service = format!("twofactor_{count}");
        // Making 100,000 takes a while, and removing them as well: the imported ones do.
        let (directory, enrolled) = if count == imported {
            (MANY, imported)
        } else {
            (service.as_str(), 0)
        };
        let state = Path::new(ROOT).join(directory);
        enroll_many(machine, &state, account, count, enrolled);
        stack(machine, &service, "twofactor", &stack_arguments(&state));
        services.push(service);
        if count <= most {
            let service = format!("oath_{count}");
            let directory = PathBuf::from(ROOT).join(&service);
            fs::create_dir(&directory).unwrap();
            let file = directory.join("users");
            // In the middle: half of the others stand before.
            let others =
                (1..count).map(|number| oath_line(&format!("user{number}"), OtpKind::Hotp));
            let mut lines: Vec<String> = others.collect();
            lines.insert(lines.len() / 2, oath_line(USER, OtpKind::Hotp));
            machine.write_file(&file, lines.concat(), 0o600);
            stack(
                machine,
                &service,
                "oath",
                &format!("usersfile={} window=5", file.display()),
            );
            services.push(service);
        }
    }
    services
}

/// Enrolls the user and, as plain copies under other names, all the others who are not there yet.
fn enroll_many(
    machine: &Machine,
    directory: &Path,
    account: &Account,
    count: usize,
    enrolled: usize,
) {
    enroll_in(machine, directory, account, OtpKind::Hotp);
    let record = fs::read_to_string(directory.join("users").join(format!("{USER}.toml"))).unwrap();
    let state = fs::read(directory.join("state").join(USER)).unwrap();
    for number in enrolled.max(1)..count {
        let name = format!("user{number}");
        let own = record.replace(USER, &name);
        write(
            &directory.join("users").join(format!("{name}.toml")),
            own.as_bytes(),
        );
        write(&directory.join("state").join(name), &state);
    }
}

fn write(path: &Path, content: &[u8]) {
    let mut options = fs::OpenOptions::new();
    let file = options.write(true).create_new(true).mode(0o600).open(path);
    file.unwrap().write_all(content).unwrap();
}
