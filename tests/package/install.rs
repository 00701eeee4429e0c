//! `make install` and `make uninstall`: which files they put where, and that the first is undone by the second.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use harness::enrolled::mark_of;
use harness::{Machine, workspace};

/// Files that are installed below PREFIX, PAMDIR and /etc, without the examples.
const FILES: [&str; 21] = [
    "etc/apparmor.d/abstractions/authentication.d/twofactor",
    "etc/security/twofactor.toml",
    "modules/pam_twofactor.so",
    "opt/bin/twofactor",
    "opt/sbin/twofactord",
    "opt/share/bash-completion/completions/twofactor",
    "opt/share/doc/pam_twofactor/CHANGELOG.md",
    "opt/share/doc/pam_twofactor/CONTRIBUTING.md",
    "opt/share/doc/pam_twofactor/README.md",
    "opt/share/doc/pam_twofactor/SECURITY.md",
    "opt/share/doc/pam_twofactor/twofactor.toml",
    "opt/share/fish/vendor_completions.d/twofactor.fish",
    "opt/share/man/man5/twofactor.toml.5",
    "opt/share/man/man8/pam_twofactor.8",
    "opt/share/man/man8/twofactord.8",
    "opt/share/zsh/site-functions/_twofactor",
    "usr/lib/systemd/system/polkit-agent-helper@.service.d/twofactor.conf",
    "usr/lib/systemd/system/twofactord-fleet.service",
    "usr/lib/systemd/system/twofactord-fleet.socket",
    "usr/lib/systemd/system/twofactord.service",
    "usr/lib/systemd/system/twofactord.socket",
];

/// Stands in for what `make docs` builds, so that only installing is tested, and not what else was built before.
fn built(directory: &Path) {
    for file in [
        "release/pam_twofactor.so",
        "release/twofactor",
        "release/twofactord",
        "man/pam_twofactor.8",
        "man/twofactor.8",
        "man/twofactord.8",
        "man/twofactor.toml.5",
        "completions/twofactor.bash",
        "completions/_twofactor",
        "completions/twofactor.fish",
    ] {
        let path = directory.join(file);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, file).unwrap();
    }
}

fn make(goal: &str, built: &Path, into: &Path) -> Output {
    let mut make = Command::new("make");
    make.current_dir(workspace())
        .arg("--no-print-directory")
        .arg(goal);
    make.arg(format!("DESTDIR={}", into.display()));
    make.args(["PREFIX=/opt", "PAMDIR=/modules"]);
    make.env("CARGO_TARGET_DIR", built)
        .env_remove("MAKEFLAGS")
        .env_remove("MAKELEVEL");
    make.output().unwrap()
}

/// An empty directory that is only this test's.
fn directory(name: &str) -> PathBuf {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("install-{name}"));
    std::fs::remove_dir_all(&path).ok();
    std::fs::create_dir_all(&path).unwrap();
    path
}

fn files(directory: &Path) -> Vec<String> {
    let find = Command::new("find")
        .current_dir(directory)
        .args([".", "-type", "f", "-printf", r"%P\n"])
        .output();
    let mut found: Vec<String> = String::from_utf8(find.unwrap().stdout)
        .unwrap()
        .lines()
        .map(str::to_owned)
        .collect();
    found.sort();
    found
}

#[test]
fn uninstall_undoes_install_but_for_policy_and_state() {
    let (target, root) = (directory("all-built"), directory("all-root"));
    built(&target);
    let made = make("install", &target, &root);
    assert!(made.status.success(), "{made:?}");

    let mut expected = FILES.map(str::to_owned).to_vec();
    expected.push("opt/share/man/man8/twofactor.8".into());
    for example in files(&workspace().join("pam.d")) {
        expected.push(format!("opt/share/doc/pam_twofactor/pam.d/{example}"));
    }
    let documents = files(&workspace().join("docs"));
    let is_installed = |name: &str| {
        let directories = ["internals/", "automation/", "pictures/"];
        !name.contains('/')
            || directories
                .iter()
                .any(|directory| name.starts_with(directory))
    };
    for document in documents.iter().filter(|name| is_installed(name)) {
        expected.push(format!("opt/share/doc/pam_twofactor/docs/{document}"));
    }
    for linked in [
        "authselect/add-code",
        "fail2ban/pam_twofactor.conf",
        "selinux/twofactor.fc",
        "selinux/twofactor.te",
    ] {
        expected.push(format!("opt/share/doc/pam_twofactor/packaging/{linked}"));
    }
    for policy in files(&workspace().join("docs/policies")) {
        expected.push(format!("opt/share/doc/pam_twofactor/policies/{policy}"));
    }
    let page = files(&workspace().join("cockpit"));
    for file in page.iter().filter(|name| !name.starts_with("po/")) {
        expected.push(format!("opt/share/cockpit/twofactor/{file}"));
    }
    expected.push("opt/share/metainfo/org.pam_twofactor.cockpit.metainfo.xml".into());
    expected.sort();
    assert_eq!(files(&root), expected);
    for directory in ["", "/users", "/state"] {
        assert!(root.join(format!("var/lib/twofactor{directory}")).is_dir());
    }

    let policy = root.join("etc/security/twofactor.toml");
    std::fs::write(&policy, "enabled = true\n").unwrap();
    assert!(make("install", &target, &root).status.success());
    assert_eq!(
        std::fs::read_to_string(&policy).unwrap(),
        "enabled = true\n"
    );

    let unmade = make("uninstall", &target, &root);
    assert!(unmade.status.success(), "{unmade:?}");
    assert_eq!(files(&root), ["etc/security/twofactor.toml"]);
    assert!(root.join("var/lib/twofactor/users").is_dir());
    for emptied in [
        "usr/lib/systemd/system/polkit-agent-helper@.service.d",
        "etc/apparmor.d/abstractions/authentication.d",
    ] {
        assert!(!root.join(emptied).exists(), "{emptied}");
    }
}

#[test]
fn the_command_knows_where_the_examples_are() {
    let known = include_str!("../../cli/src/example_files.rs");
    for (installed_by, setting, directory) in [
        (
            include_str!("../../packaging/debian/rules"),
            "EXAMPLEDIR=/usr/share/doc/libpam-twofactor/examples/pam.d",
            "/usr/share/doc/libpam-twofactor/examples/pam.d",
        ),
        (
            include_str!("../../packaging/rpm/pam_twofactor.spec"),
            "EXAMPLEDIR=%{docdir}/pam.d",
            "/usr/share/doc/pam_twofactor/pam.d",
        ),
        (
            include_str!("../../Makefile"),
            "EXAMPLEDIR  = $(DOCDIR)/pam.d",
            "/usr/local/share/doc/pam_twofactor/pam.d",
        ),
    ] {
        assert!(installed_by.contains(setting), "{setting}");
        assert!(known.contains(&format!("\"{directory}\"")), "{directory}");
    }
}

#[test]
fn install_needs_everything_built() {
    for missing in [
        "release/pam_twofactor.so",
        "man/twofactor.8",
        "completions/_twofactor",
    ] {
        let (target, root) = (directory("missing-built"), directory("missing-root"));
        built(&target);
        std::fs::remove_file(target.join(missing)).unwrap();
        let made = make("install", &target, &root);
        let said = String::from_utf8(made.stderr.clone()).unwrap();
        assert!(
            !made.status.success() && said.contains(missing) && said.contains("Run first: make"),
            "{made:?}"
        );
        assert_eq!(files(&root), Vec::<String>::new());
    }
}

#[test]
fn uninstall_waits_for_stacks_without_the_module() {
    let (target, root) = (directory("refused-built"), directory("refused-root"));
    built(&target);
    assert!(make("install", &target, &root).status.success());
    let before = files(&root);
    let stacks = root.join("etc/pam.d");
    std::fs::create_dir_all(&stacks).unwrap();
    std::fs::copy(workspace().join("pam.d/sshd"), stacks.join("sshd")).unwrap();
    let refused = make("uninstall", &target, &root);
    assert!(!refused.status.success(), "{refused:?}");
    std::fs::remove_file(stacks.join("sshd")).unwrap();
    std::os::unix::fs::symlink(workspace().join("pam.d/sshd"), stacks.join("sshd")).unwrap();
    let refused = make("uninstall", &target, &root);
    assert!(!refused.status.success(), "{refused:?}");
    assert_eq!(files(&root), before);
}

#[test]
fn uninstall_waits_for_setup_to_be_taken_back() {
    let (target, root) = (directory("setup-built"), directory("setup-root"));
    built(&target);
    assert!(make("install", &target, &root).status.success());
    let note = root.join("var/lib/twofactor/setup.json");
    std::fs::write(&note, "{}").unwrap();
    let before = files(&root);
    let refused = make("uninstall", &target, &root);
    let said = String::from_utf8(refused.stderr.clone()).unwrap();
    assert!(
        !refused.status.success() && said.contains("twofactor setup --undo"),
        "{refused:?}"
    );
    assert_eq!(files(&root), before);
    std::fs::remove_file(note).unwrap();
    assert!(make("uninstall", &target, &root).status.success());
}

#[test]
fn install_replaces_no_missing_policy() {
    let (target, root) = (directory("policy-built"), directory("policy-root"));
    built(&target);
    let stacks = root.join("etc/pam.d");
    std::fs::create_dir_all(&stacks).unwrap();
    std::fs::copy(workspace().join("pam.d/sshd"), stacks.join("sshd")).unwrap();
    let refused = make("install", &target, &root);
    let said = String::from_utf8(refused.stderr.clone()).unwrap();
    assert!(
        !refused.status.success() && said.contains("twofactor.toml is missing"),
        "{refused:?}"
    );
    assert_eq!(files(&root), ["etc/pam.d/sshd"]);

    std::fs::rename(stacks.join("sshd"), stacks.join("sshd.dpkg-old")).unwrap();
    let made = make("install", &target, &root);
    assert!(made.status.success(), "{made:?}");
}

#[test]
fn uninstall_leaves_what_it_has_not_installed() {
    let (target, root) = (directory("own-built"), directory("own-root"));
    built(&target);
    assert!(make("install", &target, &root).status.success());
    let own = "opt/share/doc/pam_twofactor/pam.d/notes";
    std::fs::write(root.join(own), "mine").unwrap();
    assert!(make("uninstall", &target, &root).status.success());
    assert_eq!(files(&root), ["etc/security/twofactor.toml", own]);
    assert!(!root.join("opt/share/doc/pam_twofactor/policies").exists());
}

#[test]
fn uninstall_leaves_the_module_of_a_package() {
    // Without DESTDIR nothing but this refusal keeps it from this machine's files, so those are named elsewhere.
    let path = directory("owner");
    let tool = path.join("dpkg-query");
    std::fs::write(
        &tool,
        "#!/bin/sh\n[ \"$*\" = \"-S /none/pam_twofactor.so\" ]\n",
    )
    .unwrap();
    std::fs::set_permissions(&tool, PermissionsExt::from_mode(0o755)).unwrap();
    let refused = Command::new("sh")
        .args([
            "-c",
            "PATH=$0:$PATH exec make uninstall PREFIX=/none PAMDIR=/none",
        ])
        .arg(&path)
        .current_dir(workspace())
        .env_remove("MAKEFLAGS")
        .env_remove("MAKELEVEL")
        .output()
        .unwrap();
    let said = String::from_utf8(refused.stderr.clone()).unwrap();
    assert!(
        !refused.status.success() && said.contains("belongs to a package"),
        "{refused:?}"
    );
}

/// `make install` on a machine of its own, without DESTDIR.
fn make_on(machine: &Machine, target: &Path, modules: &str) -> harness::Run {
    let scratch = target.parent().unwrap().display();
    let make = machine.program("make").args(&[
        "--no-print-directory",
        "-C",
        &workspace().display().to_string(),
        "install",
        &format!("PREFIX={scratch}/opt"),
        &format!("PAMDIR={modules}"),
    ]);
    make.env("CARGO_TARGET_DIR", target)
        .env("MAKEFLAGS", "")
        .run()
}

#[test]
fn install_marks_an_older_directory_and_no_lost_one() {
    let machine = Machine::new();
    let target = machine.scratch().join("built");
    built(&target);
    std::fs::copy(harness::command(), target.join("release/twofactor")).unwrap();
    let (state, ids) = ("/var/lib/twofactor", "/etc/security/twofactor.id");
    for part in ["users", "state"] {
        machine
            .run("install", &["-d", "-m", "0700", &format!("{state}/{part}")])
            .ok();
    }
    let record = "format = 1\nwriter = \"twofactor 0.1.0\"\nuser = \"alice\"\nuid = 1234\n\n[[device]]\n\
                  id = \"8f0c2d61a94e7b35\"\nname = \"phone\"\nkind = \"totp\"\nalgorithm = \"SHA1\"\ndigits = 6\n\
                  interval = 30\nsecret = \"GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ\"\ncreated = 1763776000\n";
    machine.write_file(format!("{state}/users/alice.toml"), record, 0o600);
    let stopped = make_on(&machine, &target, "/proc/modules");
    assert_ne!(stopped.code, Some(0), "{stopped:?}");
    let (mark, id) = mark_of(state).unwrap();
    assert_eq!(machine.read(ids), format!("{id} {state}\n"));
    assert_eq!(machine.read(format!("{state}/users/+1234")), "alice\n");
    let modules = machine.scratch().display().to_string();
    make_on(&machine, &target, &modules).ok();
    assert_eq!(mark_of(state).unwrap().1, id);

    std::fs::remove_file(&mark).unwrap();
    make_on(&machine, &target, &modules).ok();
    assert!(mark_of(state).is_none());
}
