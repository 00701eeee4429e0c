//! The recipe for authselect (docs/fedora.md): profiles in the shape of `local` and `sssd`, changed by `add-code`, on real libpam.
//!
//! `tests/data/authselect` has the profiles. authselect itself is no Debian package: what it makes of the features in braces is done here.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::process::{Command, Output};

use harness::logins::{Phone, enrolled, machine};
use harness::{Ended, Machine, PASSWORD};
use serde_json::Value;

const FILES: [&str; 2] = ["system-auth", "password-auth"];

/// A copy of a profile, changed or not.
fn copy(name: &str) -> PathBuf {
    let from = harness::workspace()
        .join("tests/data/authselect")
        .join(name);
    let copies = harness::artefacts::target().join("authselect");
    let to = copies.join(format!("{name}-{:?}", std::thread::current().id()));
    fs::create_dir_all(&to).unwrap();
    for file in FILES {
        fs::copy(from.join(file), to.join(file)).unwrap();
    }
    to
}

fn add_code(directory: &PathBuf) -> Output {
    let script = harness::workspace().join("packaging/authselect/add-code");
    Command::new(script).arg(directory).output().unwrap()
}

/// A changed profile's file, with these features.
fn applied(profile: &str, file: &str, features: &[&str]) -> String {
    let directory = copy(profile);
    let run = add_code(&directory);
    assert!(
        run.status.success(),
        "{}",
        String::from_utf8_lossy(&run.stderr)
    );
    select(&fs::read_to_string(directory.join(file)).unwrap(), features)
}

/// Result of authselect for a file: `{include if "F"}`, `{exclude if "F"}` and `{if not "F":text}`.
fn select(text: &str, features: &[&str]) -> String {
    let mut out = String::new();
    for line in text.lines() {
        let (mut kept, mut wanted) = (String::new(), true);
        let mut rest = line;
        while let Some((before, after)) = rest.split_once('{') {
            let (inside, behind) = after.split_once('}').unwrap();
            let parts: Vec<&str> = inside.split('"').collect();
            let on = parts.len() > 1 && features.contains(&parts[1]);
            kept.push_str(before);
            match parts[0] {
                "include if " => wanted &= on,
                "exclude if " => wanted &= !on,
                "if not " if !on => kept.push_str(parts[2].strip_prefix(':').unwrap()),
                "if not " => {}
                "imply " => wanted = false,
                other => panic!("authselect's {other}"),
            }
            rest = behind;
        }
        if wanted {
            out.push_str(kept.trim_end());
            out.push_str(rest.trim_end());
            out.push('\n');
        }
    }
    out
}

/// A machine with Fedora's way to name the profile: substack in su and login, include in sudo.
fn fedora(profile: &str, features: &[&str]) -> (Machine, Phone) {
    let machine = machine();
    for file in FILES {
        let quick = applied(profile, file, features).replace("pam_unix.so", "pam_unix.so nodelay");
        machine.stack(file, &quick);
    }
    let lines = |keyword: &str| {
        format!(
            "auth sufficient pam_rootok.so\nauth {keyword} system-auth\naccount sufficient pam_succeed_if.so uid = 0 use_uid quiet\n\
             account include system-auth\nsession include system-auth\n"
        )
    };
    for service in ["su", "su-l"] {
        machine.stack(service, &lines("substack"));
    }
    let sudo =
        "auth include system-auth\naccount include system-auth\nsession include system-auth\n";
    machine.stack("sudo", sudo);
    machine.stack("sudo-i", sudo);
    let login = "auth substack password-auth\naccount required pam_nologin.so\naccount include password-auth\nsession include password-auth\n";
    machine.stack("login", login);
    machine.add_user("carol");
    let phone = enrolled(&machine, "alice");
    (machine, phone)
}

fn su(machine: &Machine, user: &str, answers: &[(&str, &str)]) -> Ended {
    let command = format!("su - {user} -c 'echo this is $(id -un)'");
    let mut pty = machine
        .program("bash")
        .args(&["-c", &command])
        .user("carol")
        .pty();
    for (prompt, answer) in answers {
        pty.answer(prompt, answer);
    }
    pty.end()
}

const PROFILES: [(&str, &[&str]); 4] = [
    ("local", &[]),
    (
        "local",
        &["with-faillock", "with-pam-gnome-keyring", "without-nullok"],
    ),
    ("sssd", &[]),
    ("sssd", &["with-faillock", "with-smartcard", "with-gssapi"]),
];

#[test]
fn the_code_is_asked_for_after_the_right_password() {
    for (profile, features) in PROFILES {
        let (machine, phone) = fedora(profile, features);
        let in_ = su(
            &machine,
            "alice",
            &[
                ("Password: ", PASSWORD),
                ("Verification code: ", &phone.code()),
            ],
        );
        assert_eq!(
            in_.shown, "Password: \nVerification code: \nthis is alice\n",
            "{profile} {features:?}"
        );
        let wrong = phone.wrong_code();
        let code = [("Verification code: ", wrong.as_str()); 3];
        let refused = su(
            &machine,
            "alice",
            &[&[("Password: ", PASSWORD)][..], &code].concat(),
        );
        assert_ne!(
            refused.code,
            Some(0),
            "{profile} {features:?}: {}",
            refused.shown
        );
        let refused = su(&machine, "alice", &[("Password: ", "not the password")]);
        assert_ne!(refused.code, Some(0));
        assert!(
            !refused.shown.contains("Verification"),
            "{profile} {features:?}: {}",
            refused.shown
        );
        // Without a device, the password is enough, and is needed.
        let carol = su(&machine, "carol", &[("Password: ", PASSWORD)]);
        assert_eq!(carol.shown, "Password: \nthis is carol\n");
        assert_ne!(su(&machine, "carol", &[("Password: ", "no")]).code, Some(0));
    }
}

#[test]
fn doctor_approves_of_the_changed_profiles() {
    for (profile, features) in PROFILES {
        let (machine, _) = fedora(profile, features);
        let report = doctor(&machine);
        assert_eq!(
            about_stacks(&report),
            BTreeSet::new(),
            "{profile} {features:?}"
        );
        for service in ["su", "sudo", "login"] {
            let asked = asked(&report, service);
            assert!(
                asked.contains(&"password+code".to_owned()),
                "{profile} {service}: {asked:?}"
            );
            assert!(
                !asked.contains(&"password".to_owned()),
                "{profile} {service}: {asked:?}"
            );
        }
    }
}

#[test]
fn doctor_sees_that_unchanged_profiles_skip_the_code() {
    let machine = machine();
    let line = "auth [success=ok ignore=ignore default=die] pam_twofactor.so\n";
    for file in FILES {
        let text = fs::read_to_string(copy("local").join(file)).unwrap();
        machine.stack(file, &select(&text, &[]));
    }
    machine.stack(
        "sudo",
        &format!("auth include system-auth\n{line}account include system-auth\n"),
    );
    enrolled(&machine, "alice");
    let found = about_stacks(&doctor(&machine));
    assert!(found.contains("code-skipped"), "{found:?}");
}

#[test]
fn a_profile_that_is_not_understood_is_left_as_it_is() {
    for (number, change) in [("auth        sufficient  pam_ldap.so", true), ("", false)]
        .into_iter()
        .enumerate()
    {
        let directory = copy("local");
        let path = directory.join("password-auth");
        let text = fs::read_to_string(&path).unwrap();
        let text = match change {
            (line, true) => text.replacen(
                "auth        required",
                &format!("{line}\nauth        required"),
                1,
            ),
            (_, false) => text.replace("pam_deny.so", "pam_permit.so"),
        };
        fs::write(&path, &text).unwrap();
        let before = fs::read(directory.join("system-auth")).unwrap();
        let run = add_code(&directory);
        assert!(!run.status.success(), "{number}");
        assert!(String::from_utf8_lossy(&run.stderr).contains("is left as it is"));
        assert_eq!(fs::read(directory.join("system-auth")).unwrap(), before);
        assert_eq!(fs::read_to_string(&path).unwrap(), text);
    }
    let twice = copy("sssd");
    assert!(add_code(&twice).status.success());
    assert!(!add_code(&twice).status.success());
}

/// Programs that the script calls. The one of that number kills the script in place of its work.
const CALLED: [&str; 7] = ["awk", "cat", "chmod", "grep", "mv", "rm", "sync"];

/// More calls than the script makes.
const STEPS: usize = 40;

fn add_code_killed_at(directory: &PathBuf, number: usize) -> Output {
    let programs = directory.join("programs");
    fs::create_dir_all(&programs).unwrap();
    let count = programs.join("count");
    fs::write(&count, "").unwrap();
    for name in CALLED {
        let path = programs.join(name);
        let text = format!(
            "#!/bin/sh\necho x >>'{0}'\n[ $(wc -l <'{0}') != {number} ] || {{ kill -KILL $PPID; exit 1; }}\nexec /usr/bin/{name} \"$@\"\n",
            count.display()
        );
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    }
    let script = harness::workspace().join("packaging/authselect/add-code");
    let path = format!("{}:/usr/bin:/bin", programs.display());
    let mut command = Command::new(script);
    command.arg(directory).env("PATH", path).output().unwrap()
}

#[test]
fn a_script_that_was_killed_goes_on() {
    for profile in ["local", "sssd"] {
        let read = |directory: &PathBuf| FILES.map(|file| fs::read(directory.join(file)).unwrap());
        let before = read(&copy(profile));
        let whole = copy(profile);
        assert!(add_code(&whole).status.success());
        let after = read(&whole);
        let (mut halves, mut ended) = (0, false);
        for number in 1..=STEPS {
            let directory = copy(profile);
            let is_killed = !add_code_killed_at(&directory, number).status.success();
            let found = read(&directory);
            for (place, text) in found.iter().enumerate() {
                assert!(*text == before[place] || *text == after[place], "{number}");
            }
            halves += usize::from(found != before && found != after);
            if found != after {
                assert!(
                    is_killed && add_code(&directory).status.success(),
                    "{number}"
                );
            }
            assert_eq!(read(&directory), after, "{number}");
            if !is_killed {
                ended = true;
                break;
            }
        }
        assert!(
            ended && halves > 0,
            "killed between the files, and at the end not"
        );
    }
}

fn doctor(machine: &Machine) -> Value {
    let run = machine.command(&["doctor", "--user", "alice", "--json"]);
    serde_json::from_str(&run.stdout).unwrap()
}

/// Findings of doctor about stacks, apart from sshd's settings, which are Debian's here.
fn about_stacks(report: &Value) -> BTreeSet<String> {
    let findings = report["findings"].as_array().unwrap();
    let checks = findings.iter().map(|one| one["check"].as_str().unwrap());
    let of_stacks = [
        "code-",
        "failure-",
        "error-",
        "unasked-",
        "argument",
        "account-line",
        "stack-",
        "line-",
        "nobody-",
        "module-",
    ];
    checks
        .filter(|check| of_stacks.iter().any(|start| check.starts_with(start)))
        .filter(|check| *check != "module-not-in-stack")
        .map(str::to_owned)
        .collect()
}

fn asked(report: &Value, service: &str) -> Vec<String> {
    let logins = report["logins"].as_array().unwrap();
    let mut found = Vec::new();
    for login in logins
        .iter()
        .filter(|login| login["service"] == service && login["user"] == "alice")
    {
        for way in login["ways"].as_array().unwrap() {
            let asks = way["asks"].as_array().unwrap().iter();
            let asks: Vec<&str> = asks.map(|one| one.as_str().unwrap()).collect();
            found.push(asks.join("+"));
        }
    }
    found
}
