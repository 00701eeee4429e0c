//! Names of services, settings and files, and what files hold.

use std::collections::BTreeSet;
use std::path::Path;

use harness::Machine;
use harness::desk::{caller, desk, give_phone};
use harness::suggested::{hostile, suggestions};

use super::{NAMES, OPTION, line, printed, toml};

/// Commands that take other things than a user: services, settings, and files with names and contents of others.
/// `@FILE` is a directory of the name with such files in it.
pub const OTHERS: [&str; 30] = [
    "enable --service @",
    "enable --force --service @",
    "doctor",
    "disable --service @",
    "policy set services.@ true",
    "policy set issuer @",
    "policy set prompt @",
    "policy set @ @",
    "policy show",
    "verify alice",
    "policy check @FILE/group",
    "policy check @FILE/key",
    "policy check @FILE/none",
    "policy check --policy @FILE/open",
    "policy check --policy @FILE/group",
    "status --policy @FILE/key",
    "doctor --policy @FILE/key",
    "doctor --state @FILE/none",
    "status --state @FILE",
    "disable --policy @FILE/key",
    "import users-oath @FILE/oath --dry-run",
    "import users-oath @FILE/open --dry-run",
    "import uri @FILE/uris --dry-run",
    "import uri @FILE/uris --dry-run --user alice",
    "import google-authenticator @FILE/ga --dry-run --user alice",
    "import google-authenticator --all --secret @FILE/%u --dry-run",
    "import @",
    "restore @FILE/uris",
    "restore @FILE/none",
    "completions @",
];

/// A policy that asks for codes, up to its services.
const ON: &str = "enabled = true\n[services]\nsshd = false\n";

/// Files that hold the name, in a directory of that name.
fn files(machine: &Machine, name: &str) {
    let quoted = toml(name);
    let at = |file: &str| format!("/tmp/{name}/{file}");
    let key = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ";
    let group = format!("enabled = true\n[[exempt]]\ngroups = [{quoted}]\n");
    machine.write_file(at("group"), group, 0o644);
    machine.write_file(at("key"), format!("enabled = true\n{quoted} = 1\n"), 0o644);
    machine.write_file(at("open"), "enabled = true\n", 0o666);
    let oath = format!(
        "HOTP/T30\t{}\t-\t3132333435363738393031323334353637383930\n{name}\n",
        name.replace(' ', "_")
    );
    machine.write_file(at("oath"), oath, 0o600);
    let encoded: String = name.bytes().map(|byte| format!("%{byte:02X}")).collect();
    let uris = format!(
        "otpauth://totp/{encoded}?secret={key}&{name}=1\nnonsense {name}\notpauth://{name}\n"
    );
    machine.write_file(at("uris"), uris, 0o600);
    machine.write_file(at("ga"), format!("{key}\n\" {name}\n\" TOTP_AUTH\n"), 0o600);
    machine.write_file(at("alice"), format!("{name}\n"), 0o600);
    let stack = format!(
        "auth required /lib/{name}.so\nauth required pam_twofactor.so {name} policy=/tmp/{name}\n"
    );
    machine.write_file(format!("/etc/pam.d/{name}"), stack, 0o666);
}

#[test]
fn no_file_or_service_steers_a_terminal_or_a_shell() {
    for name in NAMES.into_iter().chain([OPTION]) {
        let machine = desk();
        give_phone(&machine, "alice");
        files(&machine, name);
        let path = |file: &str| format!("/tmp/{name}/{file}");
        let directory = format!("/tmp/{name}");
        let (_, caller) = caller(&machine);
        // There is no PAM file of that service.
        let missing = format!("no{name}");
        let files = [path("open"), directory, format!("/etc/pam.d/{name}")];
        let meant = files.iter().map(String::as_str);
        let meant: Vec<&str> = meant.chain([name, &missing, &caller]).collect();
        // Services with unprintable names are not taken.
        let named = hostile(name).is_none();
        let policy = if named {
            format!("{}\n{} = true\n{} = true\n", ON, toml(name), toml(&missing))
        } else {
            ON.to_owned()
        };
        let mut suggested = BTreeSet::new();
        for words in OTHERS {
            machine.policy(&policy);
            let (text, code) = printed(&machine, &line(&format!("--yes {words}"), name), "");
            assert_ne!(text.trim(), "", "{words}");
            if code != 2 {
                suggested.extend(suggestions(&machine, &text, &meant));
            }
        }
        assert!(suggested.contains("chmod"), "{name:?}: {suggested:?}");
        let disable = suggested.contains("twofactor disable");
        assert_eq!(disable, named, "{name:?}: {suggested:?}");
        assert!(!Path::new("/tmp/x").exists(), "{name:?}");
    }
}
