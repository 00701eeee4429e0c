//! The findings of doctor on PAM files that are not written yet.

use std::collections::BTreeMap;

use twofactor_core::policy::Policy;

use super::doctor_finding::{DoctorFinding, FindingLevel};
use super::installed_system::InstalledSystem;
use super::module_facts::OURS;
use super::pam::{ConfigFile, ConfigFiles, ModuleCall, StackOrigin, read};
use super::pam_services::{PamServices, is_service};
use super::sshd::SshdDialogue;
use super::stack_checks::{self, ACCOUNT_LINE, CheckedService, names_module};

/// Texts by path that stand for the files there.
pub type ChangedTexts = BTreeMap<String, String>;

/// Effect on logins at a service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StackVerdict {
    /// The code is asked for after the right password, and only there.
    Sound,
    /// The code is asked for also after a wrong password.
    AsksStrangers,
    /// Something is wrong, for this reason.
    Unsound(String),
}

/// The PAM files of a machine, some of them with other texts.
pub struct PreviewedFiles<'a> {
    /// Source of the others.
    pub files: &'a dyn ConfigFiles,
    /// The texts.
    pub changed: &'a ChangedTexts,
}

impl ConfigFiles for PreviewedFiles<'_> {
    fn open(&self, name: &str) -> Option<ConfigFile> {
        let source = self.files.open(name)?;
        match self.changed.get(&source.path) {
            Some(text) => Some(ConfigFile {
                text: text.clone(),
                ..source
            }),
            None => Some(source),
        }
    }
}

/// Judges the auth lines of a service: the account lines come after them, and are judged by the policy. `found` is true of modules that libpam can load.
pub fn judge(
    files: &dyn ConfigFiles,
    service: &str,
    found: &dyn Fn(&ModuleCall) -> bool,
) -> StackVerdict {
    let stacks = read(files, service);
    let checked = CheckedService {
        name: service,
        stacks: &stacks,
        found: &|module| module.name() == OURS || found(module),
    };
    let named = stacks
        .as_ref()
        .is_ok_and(|stacks| names_module(&stacks.auth));
    let findings = stack_checks::check(&checked, None);
    let problem = findings
        .iter()
        .find(|finding| finding.is_problem() && finding.check != ACCOUNT_LINE);
    match problem {
        Some(finding) => StackVerdict::Unsound(finding.cause.clone()),
        None if !named => StackVerdict::Unsound(format!("{service} does not name {OURS}")),
        None if findings
            .iter()
            .any(|finding| finding.check == "code-after-wrong-password") =>
        {
            StackVerdict::AsksStrangers
        }
        None => StackVerdict::Sound,
    }
}

/// The machine, for changes that are not made yet.
pub struct MachinePreview {
    system: InstalledSystem,
}

impl MachinePreview {
    /// Looks at it.
    pub fn look() -> Self {
        Self::of(InstalledSystem::look())
    }

    /// One that was looked at already.
    pub const fn of(system: InstalledSystem) -> Self {
        Self { system }
    }

    /// The machine that was looked at.
    pub const fn system(&self) -> &InstalledSystem {
        &self.system
    }

    /// The services whose auth lines name the module.
    pub fn used(&self) -> Vec<String> {
        PamServices::of(&self.system).used()
    }

    /// True if there is an sshd.
    pub const fn has_sshd(&self) -> bool {
        self.system.sshd.is_installed()
    }

    /// The PAM file of a service, or the one at an absolute path.
    pub fn file(&self, name: &str) -> Option<ConfigFile> {
        self.system.open(name)
    }

    /// The names of all services that have a PAM file.
    pub fn names(&self) -> std::collections::BTreeSet<String> {
        let mut names = self.system.names();
        names.retain(|name| is_service(name));
        names
    }

    /// True if libpam can load the module where it belongs.
    pub fn has_module(&self) -> bool {
        let module = ModuleCall {
            path: OURS.to_owned(),
            arguments: Vec::new(),
        };
        self.system.found(&module)
    }

    /// Effect on logins at a service once the texts are written.
    pub fn judge(&self, changed: &ChangedTexts, service: &str) -> StackVerdict {
        let files = PreviewedFiles {
            files: &self.system,
            changed,
        };
        judge(&files, service, &|module| self.system.found(module))
    }

    /// True if the service's own auth lines name the module once the texts are written.
    pub fn names_module(&self, changed: &ChangedTexts, service: &str) -> bool {
        let files = PreviewedFiles {
            files: &self.system,
            changed,
        };
        read(&files, service)
            .is_ok_and(|stacks| stacks.auth_of == StackOrigin::Own && names_module(&stacks.auth))
    }

    /// True if the account lines of a service name the module once the texts are written.
    pub fn names_account(&self, changed: &ChangedTexts, service: &str) -> bool {
        let files = PreviewedFiles {
            files: &self.system,
            changed,
        };
        read(&files, service).is_ok_and(|stacks| names_module(&stacks.account))
    }

    /// The fault of a service's account lines under a policy, once the texts are written. It is a problem where users who have to
    /// enroll are let in.
    pub fn account_line(
        &self,
        changed: &ChangedTexts,
        service: &str,
        policy: &Policy,
    ) -> Option<DoctorFinding> {
        let files = PreviewedFiles {
            files: &self.system,
            changed,
        };
        let checked = CheckedService {
            name: service,
            stacks: &read(&files, service),
            found: &|module| module.name() == OURS || self.system.found(module),
        };
        stack_checks::check(&checked, Some(policy))
            .into_iter()
            .find(|finding| finding.check == ACCOUNT_LINE)
    }

    /// Lets sshd check its configuration.
    ///
    /// # Errors
    /// The answer of sshd.
    pub fn test_sshd(&self) -> Result<(), String> {
        self.system.sshd.check_configuration()
    }

    /// Reasons that keep sshd from asking this user for a code, with its settings as they are and these texts.
    ///
    /// # Errors
    /// The message of an sshd that does not tell its settings.
    pub fn sshd_problems(
        &self,
        changed: &ChangedTexts,
        user: &str,
    ) -> Result<Vec<DoctorFinding>, String> {
        let settings = self.system.sshd.settings_of(user)?;
        let files = PreviewedFiles {
            files: &self.system,
            changed,
        };
        let stacks = read(&files, settings.service());
        let mut findings = settings.check(SshdDialogue::of(&stacks));
        findings.retain(|finding| finding.level == FindingLevel::Problem);
        Ok(findings)
    }
}
