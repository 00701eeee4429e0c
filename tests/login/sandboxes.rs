//! Files that the packages put beside the module so that it works in the sandboxes of others: polkit's helper, and
//! AppArmor's profiles.

use harness::logins;
use harness::logins::{Phone, enrolled};
use harness::pam::{Drive, code};
use harness::{Machine, PASSWORD};

const SERVICE: &str = "polkit-1";
const STACK: &str = "\
auth requisite pam_unix.so nodelay
auth [success=ok ignore=ignore default=die] pam_twofactor.so
account required pam_permit.so
";

/// A machine where polkit asks alice for a code.
fn polkit() -> (Machine, Phone) {
    let machine = logins::machine();
    machine.stack(SERVICE, STACK);
    let phone = enrolled(&machine, "alice");
    (machine, phone)
}

fn login(answer: &str) -> Drive {
    let drive = Drive::installed().service(SERVICE).user("alice");
    drive.answer(PASSWORD).answer(answer)
}

/// A file of `packaging`.
fn shipped(path: &str) -> String {
    std::fs::read_to_string(harness::workspace().join("packaging").join(path)).unwrap()
}

/// A shell command that makes every file system read-only but those for devices and the kernel, as `ProtectSystem=strict`
/// does, and these paths.
fn strict(writable: &str) -> String {
    format!(
        "set -e
         for path in {writable}; do mount --bind $path $path; done
         findmnt -rno TARGET | while read -r at; do
             case \" /dev /proc /sys {writable} \" in *\" $at \"*) continue ;; esac
             case $at in /dev/* | /proc/* | /sys/*) continue ;; esac
             mount -o remount,bind,ro \"$at\"
         done
         exec \"$@\""
    )
}

/// polkit 127's unit itself needs a booted system with that polkit; what matters of it here is this one setting.
#[test]
fn in_a_strict_sandbox_the_drop_in_lets_codes_work() {
    let (machine, phone) = polkit();
    let drop_in = shipped("systemd/polkit-agent-helper.conf");
    let mut paths = drop_in
        .lines()
        .filter_map(|line| line.strip_prefix("ReadWritePaths=-"));
    let opened = paths.next().unwrap();
    let inside = |writable: &str, answer: &str| {
        let script = strict(writable);
        let sandbox = ["unshare", "--mount", "sh", "-c", &script, "sh"];
        login(answer).through(&sandbox).run().auth
    };
    assert_eq!(inside("", &phone.recovery[0]), code::AUTHINFO_UNAVAIL);
    machine.wait_for_log("Read-only file system");
    assert_eq!(inside(opened, &phone.recovery[1]), code::SUCCESS);
    // It is noted: the same code is refused.
    assert_ne!(inside(opened, &phone.recovery[1]), code::SUCCESS);
}

const PROFILE: &str = "\
abi <abi/3.0>,
include <tunables/global>
profile confined /usr/bin/confined {
  include <abstractions/authentication>
}
";

/// Verdict of AppArmor's own parser on the profile, and its output.
fn parsed(machine: &Machine, snippet: &str) -> (bool, String) {
    let place = "/etc/apparmor.d/abstractions/authentication.d/twofactor";
    machine.write_file(place, snippet, 0o644);
    machine.write_file("/etc/apparmor.d/confined", PROFILE, 0o644);
    let arguments = [
        "--skip-kernel-load",
        "--skip-cache",
        "--debug",
        "/etc/apparmor.d/confined",
    ];
    let run = machine.run("apparmor_parser", &arguments);
    (run.code == Some(0), run.stdout + &run.stderr)
}

#[test]
fn the_rules_for_apparmor_are_rules() {
    let machine = logins::machine();
    let (taken, said) = parsed(&machine, &shipped("apparmor/twofactor"));
    assert!(taken, "{said}");
    assert!(
        said.contains("/var/lib/twofactor/{users,state}/*"),
        "{said}"
    );
    let (taken, _) = parsed(&machine, "/var/lib/twofactor/* nonsense,\n");
    assert!(!taken, "the parser does not read the snippet");
}

/// Paths and permissions of the snippet, `{a,b}` written out.
fn rules() -> Vec<(String, String)> {
    let text = shipped("apparmor/twofactor");
    let mut rules = Vec::new();
    for line in text
        .lines()
        .map(str::trim)
        .filter(|line| line.starts_with('/'))
    {
        let (path, permissions) = line.trim_end_matches(',').split_once(' ').unwrap();
        match (path.split_once('{'), path.split_once('}')) {
            (Some((before, _)), Some((inside, after))) => {
                let names = inside.strip_prefix(before).unwrap().trim_start_matches('{');
                for name in names.split(',') {
                    rules.push((format!("{before}{name}{after}"), permissions.to_owned()));
                }
            }
            _ => rules.push((path.to_owned(), permissions.to_owned())),
        }
    }
    rules
}

#[test]
fn a_login_opens_and_locks_what_apparmor_lets_it() {
    let (machine, phone) = polkit();
    let calls = "--trace=openat,openat2,open,flock";
    let strace = ["strace", "-f", "-y", calls, "-o", "/run/trace"];
    let outcome = login(&phone.recovery[0]).through(&strace).run();
    assert_eq!(outcome.auth, code::SUCCESS);
    let rules = rules();
    let trace = machine.read("/run/trace");
    let mut seen = 0;
    for call in trace.lines().filter(|line| !line.contains(" = -1 ")) {
        let named = call
            .rsplit('<')
            .next()
            .and_then(|rest| rest.split_once('>'));
        let Some((path, _)) =
            named.filter(|(path, _)| path.contains("twofactor") && !path.ends_with(".so"))
        else {
            continue;
        };
        let needed: &[char] = if call.contains("flock(") {
            &['k']
        } else if call.contains("O_RDWR") || call.contains("O_WRONLY") {
            &['r', 'w']
        } else {
            &['r']
        };
        let directory = std::path::Path::new(path).is_dir();
        let shown = if directory {
            format!("{path}/")
        } else {
            path.to_owned()
        };
        let allowed = rules.iter().any(|(rule, permissions)| {
            let below = |start: &str| shown.strip_prefix(start).filter(|name| !name.is_empty());
            let fits = match (rule.strip_suffix("**"), rule.strip_suffix('*')) {
                (Some(start), _) => below(start).is_some(),
                (None, Some(start)) => below(start).is_some_and(|name| !name.contains('/')),
                (None, None) => *rule == shown,
            };
            fits && needed.iter().all(|one| permissions.contains(*one))
        });
        assert!(allowed, "{call}\n{rules:?}");
        seen += 1;
    }
    assert!(seen > 4, "{trace}");
}
