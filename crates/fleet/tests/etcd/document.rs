//! docs/fleet.md, typed as it stands there, in namespaces of its own: a fleet is set up, its store is restored, its key replaced.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

/// The scripts between the document's blocks, with what stands in for systemd and for the machines.
const MACHINE: &str = include_str!("typed/machine.sh");
const MEMBERS: &str = include_str!("typed/members.sh");
const RIGHTS: &str = include_str!("typed/rights.sh");
const HOSTS: &str = include_str!("typed/hosts.sh");
const RESTORED: &str = include_str!("typed/restored.sh");
const COMPROMISED: &str = include_str!("typed/compromised.sh");

/// The indented blocks between a heading and the next one, without their indentation.
fn blocks(document: &str, heading: &str) -> Vec<String> {
    let from = document.find(heading).unwrap() + heading.len();
    let section = &document[from..];
    let section = &section[..section.find("\n#").unwrap_or(section.len())];
    let mut found = vec![String::new()];
    for line in section.lines() {
        match (line.strip_prefix("    "), line.is_empty()) {
            (Some(command), _) => {
                let block = found.last_mut().unwrap();
                block.push_str(command);
                block.push('\n');
            }
            (None, true) if !found.last().unwrap().is_empty() => {
                found.last_mut().unwrap().push('\n');
            }
            (None, true) => {}
            (None, false) => found.push(String::new()),
        }
    }
    found.retain(|block| !block.trim().is_empty());
    found
}

/// The blocks of a section, which are as many as are expected.
fn section<const COUNT: usize>(document: &str, heading: &str) -> [String; COUNT] {
    let found = blocks(document, &format!("\n{heading}\n"));
    found
        .try_into()
        .unwrap_or_else(|found| panic!("{heading}: {found:?}"))
}

/// A command that writes a file of the directory.
fn file(name: &str, text: &str) -> String {
    format!("cat > \"$1\"/{name} <<'TEXT'\n{text}TEXT\n")
}

/// All that is typed, in the order of the document; the users are restored before a host is shut out.
fn script(document: &str) -> String {
    let [certificates] = section(document, "### Certificates");
    let [settings, member] = section(document, "### etcd");
    let [users] = section(document, "### Users of etcd");
    let [install, found, join, enable] = section(document, "### The hosts");
    let [backup, stop, restore, after] = section(document, "## Backup and restore");
    let [shut_out, rotate, rejoin] = section(document, "## A compromised host");
    // doctor looks at much that this machine has not.
    let enable = enable.replace("twofactor doctor\n", "");
    let files = [
        ("member", member),
        ("install", install),
        ("found", found),
        ("join", join),
        ("enable", enable),
        ("stop", stop),
        ("restore", restore),
        ("after", after),
        ("shut-out", shut_out),
        ("rotate", rotate),
        ("rejoin", rejoin),
    ];
    let files: Vec<String> = files.iter().map(|(name, text)| file(name, text)).collect();
    [
        MACHINE,
        &files.concat(),
        &certificates,
        &settings,
        MEMBERS,
        &users,
        RIGHTS,
        HOSTS,
        "cd fleet\n",
        &backup,
        RESTORED,
        COMPROMISED,
    ]
    .concat()
}

#[test]
fn the_document_works_as_it_is_typed() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let document = fs::read_to_string(root.join("docs/fleet.md")).unwrap();
    let target =
        std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root.join("target"), Into::into);
    let program = |name: &str| {
        let program = target.join("release").join(name);
        assert!(program.exists(), "run `make build` first");
        program
    };
    let directory = tempfile::tempdir().unwrap();
    // All processes end with the first one of their namespace.
    let done = Command::new("unshare")
        .args(["--mount", "--net", "--pid", "--fork", "--kill-child"])
        .args(["--mount-proc", "bash", "-c", &script(&document), "-"])
        .arg(directory.path())
        .env("COMMAND", program("twofactor"))
        .env("DAEMON", program("twofactord"))
        .env("POLICY", root.join("crates/core/src/policy/default.toml"))
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&done.stderr);
    assert!(done.status.success(), "{text}");
}
