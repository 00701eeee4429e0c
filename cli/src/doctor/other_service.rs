//! The file that libpam uses in place of a service's own: it may let in without the code.

use super::doctor_finding::DoctorFinding;
use super::module_facts::OURS;
use super::pam::{ConfigError, ModuleCall, ReturnCode, ServiceStacks};
use super::stack_simulation::{SimulatedLogin, StackSimulation};
use crate::example_files;

/// Looks at the stack of `other`. Nothing where it refuses, or asks for a code.
pub fn check(
    other: &Result<ServiceStacks, ConfigError>,
    found: &dyn Fn(&ModuleCall) -> bool,
) -> Option<DoctorFinding> {
    // A file that libpam cannot use lets no user in.
    let stacks = other.as_ref().ok()?;
    let file = stacks.file.as_deref()?;
    let simulation = StackSimulation {
        handlers: &stacks.auth,
        facts: None,
        found,
    };
    let wrong_code = |way| {
        simulation
            .walk(SimulatedLogin::new(way, ReturnCode::AUTH_ERR))
            .status
    };
    let mut ways = simulation.ways().into_iter();
    ways.any(|way| wrong_code(way) == ReturnCode::SUCCESS).then(|| {
        DoctorFinding::warning(
            "other-without-code",
            file,
            format!(
                "{file} lets in without a code, and libpam uses it for every service whose own file it cannot read, also one that names {OURS}"
            ),
            format!(
                "Once logins with a code work, copy {} over {file}",
                example_files::file("other")
            ),
        )
    })
}

#[cfg(test)]
mod tests {
    use super::super::pam::{ConfigFile, ConfigFiles, read};
    use super::*;

    struct GivenOther<'a>(&'a str);

    impl ConfigFiles for GivenOther<'_> {
        fn open(&self, _name: &str) -> Option<ConfigFile> {
            Some(ConfigFile {
                path: "/etc/pam.d/other".to_owned(),
                text: self.0.to_owned(),
            })
        }
    }

    #[test]
    fn a_stack_that_lets_in_whatever_the_code_is_found() {
        let unix = "auth requisite pam_unix.so\n";
        for (auth, open) in [
            ("auth required pam_deny.so\n", false),
            (
                "auth required pam_warn.so\nauth required pam_deny.so\n",
                false,
            ),
            ("auth required pam_permit.so\n", true),
            (unix, true),
            (&format!("{unix}auth required pam_twofactor.so\n"), false),
            (&format!("{unix}auth optional pam_twofactor.so\n"), true),
            (
                "auth sufficient pam_unix.so\nauth required pam_twofactor.so\n",
                true,
            ),
            ("auth include \\", false),
        ] {
            let stacks = read(&GivenOther(auth), "other");
            let found = check(&stacks, &|_| true);
            assert_eq!(
                found.map(|finding| finding.check),
                open.then_some("other-without-code"),
                "{auth}"
            );
        }
    }
}
