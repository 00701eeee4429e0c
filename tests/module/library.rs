//! The shared library itself.

use harness::Program;

fn printed(program: &str, arguments: &[&str]) -> String {
    let run = Program::new(program).args(arguments).arg(harness::module());
    run.run().ok().stdout
}

#[test]
fn it_exports_the_six_entry_points_and_nothing_else() {
    let symbols = printed("nm", &["--dynamic", "--defined-only", "--format=posix"]);
    let mut names: Vec<&str> = symbols
        .lines()
        .map(|line| line.split(' ').next().unwrap())
        .collect();
    names.sort_unstable();
    assert_eq!(
        names,
        [
            "pam_sm_acct_mgmt",
            "pam_sm_authenticate",
            "pam_sm_chauthtok",
            "pam_sm_close_session",
            "pam_sm_open_session",
            "pam_sm_setcred",
        ]
    );
}

#[test]
fn it_stays_loaded_and_needs_libpam_and_libc_alone() {
    let dynamic = printed("readelf", &["--dynamic", "--wide"]);
    let flags = dynamic.lines().find(|line| line.contains("(FLAGS_1)"));
    assert!(flags.unwrap().ends_with("Flags: NOW NODELETE"), "{dynamic}");
    for line in dynamic.lines().filter(|line| line.contains("(NEEDED)")) {
        let known = ["libpam.so.", "libgcc_s.so.", "libc.so.", "ld-linux"];
        assert!(
            known.iter().any(|name| line.contains(&format!("[{name}"))),
            "{line}"
        );
    }
    assert!(
        !dynamic.contains("RPATH") && !dynamic.contains("RUNPATH"),
        "{dynamic}"
    );
    assert!(!dynamic.contains("TEXTREL"), "{dynamic}");
    let segments = printed("readelf", &["--segments", "--wide"]);
    let stack = segments
        .lines()
        .find(|line| line.contains("GNU_STACK"))
        .unwrap();
    assert!(
        stack.contains(" RW ") && segments.contains("GNU_RELRO"),
        "{segments}"
    );
}

/// A loader before glibc 2.36 unpacks no relocations, and refuses a module that wants it to.
#[test]
fn every_loader_takes_its_relocations() {
    let dynamic = printed("readelf", &["--dynamic", "--wide"]);
    assert!(dynamic.contains("(RELA)") && !dynamic.contains("(RELR)"));
    let versions = printed("readelf", &["--version-info", "--wide"]);
    assert!(versions.contains("GLIBC_") && !versions.contains("GLIBC_ABI_DT_RELR"));
}
