//! The plan of a setup, made and checked before the first change.

use std::path::{Path, PathBuf};

use twofactor_core::policy::{Policy, sibling};
use twofactor_core::spelling_suggestion;

use super::pam_profile::{self, ProfileResult};
use super::setup_journal::FileChange;
use super::supported_system::{COMMON, DIRECTORY};
use super::{config_files, sshd_dropin, stack_edit, supported_system};
use crate::command_failure::CommandFailure;
use crate::doctor::sshd;
use crate::doctor::stack_preview::{ChangedTexts, MachinePreview, StackVerdict};
use crate::doctor::{DoctorFinding, InstalledSystem};
use crate::example_files;

/// sshd's service.
const SSHD: &str = "sshd";
/// Services whose sessions are logins: users without a device are told there that they can have one, and a session that began with a code
/// is known there.
const SESSION_LOGINS: [&str; 3] = [SSHD, "login", "cockpit"];

/// The services that a setup is for.
#[derive(Clone, Copy, Debug)]
pub struct SetupScope<'a> {
    /// Named services.
    pub services: &'a [String],
    /// The PAM files that get the module.
    pub reach: SetupReach,
    /// User who tries it; sshd's settings are those for this user.
    pub user: &'a str,
    /// The policy afterwards.
    pub policy: &'a Policy,
}

/// The PAM files that get the module.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SetupReach {
    /// The files of the services.
    Services,
    /// The files that all services share.
    Everywhere,
}

/// The planned changes.
#[derive(Debug, Default)]
pub struct SetupPlan {
    /// The files, in order.
    pub changes: Vec<FileChange>,
    /// The services that get a code, with their siblings that have a PAM file.
    pub services: Vec<String>,
    /// Others that get the module, since they share a changed file.
    pub shared: Vec<String>,
    /// Notes for the administrator.
    pub notes: Vec<String>,
    /// Effects that lock users out.
    pub dangers: Vec<String>,
}

impl SetupPlan {
    /// Plans the changes.
    ///
    /// # Errors
    /// A refusal where setup cannot do it on this machine, with the steps to do by hand.
    pub fn of(preview: &MachinePreview, scope: SetupScope<'_>) -> Result<Self, CommandFailure> {
        supported_system::check(preview)?;
        let mut plan = Self {
            services: known(preview, scope.services)?,
            ..Self::default()
        };
        if scope.reach == SetupReach::Everywhere {
            plan.share(preview)?;
        }
        for service in plan.services.clone() {
            plan.add_service(preview, &service)?;
        }
        plan.judge_shared(preview, &scope)?;
        let asks = scope.policy.service_on(SSHD)
            && preview.has_sshd()
            && plan.shared.iter().any(|service| service == SSHD);
        if asks || plan.services.iter().any(|service| service == SSHD) {
            plan.add_sshd(preview, scope.user)?;
        }
        plan.check_account_lines(preview, scope.policy);
        Ok(plan)
    }

    /// The machine with the planned changes.
    pub fn machine(&self, preview: &MachinePreview) -> InstalledSystem {
        let settings = if self.changes_sshd() {
            sshd_dropin::SETTINGS.to_vec()
        } else {
            Vec::new()
        };
        preview.system().planned(self.texts(), settings)
    }

    /// The services that ask for codes only with these changes, if the policy is on for them: their PAM files did not name the
    /// module, or sshd did not ask its questions.
    pub fn newly_asking(&self, before: &MachinePreview, planned: &MachinePreview) -> Vec<String> {
        let had = before.used();
        let asks_now =
            |service: &String| !had.contains(service) || (service == SSHD && self.changes_sshd());
        planned.used().into_iter().filter(asks_now).collect()
    }

    /// Judges the stacks that get the module because they share a file that is changed. An unsound one that the policy
    /// switches on is a danger, and no reason to refuse: the others need not wait for it.
    fn judge_shared(
        &mut self,
        preview: &MachinePreview,
        scope: &SetupScope<'_>,
    ) -> Result<(), CommandFailure> {
        let planned = MachinePreview::of(self.machine(preview));
        if scope.reach == SetupReach::Everywhere
            && let StackVerdict::Unsound(why) = planned.judge(&ChangedTexts::new(), COMMON)
        {
            return Err(cannot(COMMON, &why));
        }
        let before = preview.used();
        for service in planned.used() {
            // With --everywhere also services that had the module before: the policy switches them on now.
            let new = scope.reach == SetupReach::Everywhere || !before.contains(&service);
            if !new || self.services.contains(&service) || !scope.policy.service_on(&service) {
                continue;
            }
            match planned.judge(&ChangedTexts::new(), &service) {
                StackVerdict::Sound => self.shared.push(service),
                StackVerdict::AsksStrangers => self.dangers.push(asks_strangers(&service)),
                StackVerdict::Unsound(why) => self.dangers.push(format!("{service}: {why}")),
            }
        }
        Ok(())
    }

    /// The new texts, by path.
    pub fn texts(&self) -> ChangedTexts {
        let texts = self.changes.iter();
        texts
            .map(|change| (change.path.display().to_string(), change.after.clone()))
            .collect()
    }

    /// True if sshd has to read its settings again.
    pub fn changes_sshd(&self) -> bool {
        self.changes
            .iter()
            .any(|change| change.path == Path::new(sshd_dropin::PATH))
    }

    /// The module in what all services share.
    fn share(&mut self, preview: &MachinePreview) -> Result<(), CommandFailure> {
        let shared = Path::new(DIRECTORY).join("common-auth");
        if config_files::read(&shared)?.is_some_and(|text| stack_edit::names_module(&text)) {
            return Ok(());
        }
        match pam_profile::preview()? {
            ProfileResult::Written(changes) => self.changes.extend(changes),
            ProfileResult::Refused(why) => {
                self.notes.push(format!(
                    "pam-auth-update is not used: {why}. The lines go into the files common-* directly, after what it writes"
                ));
                self.share_by_hand(preview)?;
            }
        }
        Ok(())
    }

    fn share_by_hand(&mut self, preview: &MachinePreview) -> Result<(), CommandFailure> {
        let judge = |path: &Path, text: &str| {
            let changed = [(path.display().to_string(), text.to_owned())];
            preview.judge(&ChangedTexts::from(changed), "common-auth")
        };
        self.edit("common-auth", |path, text| {
            let last = stack_edit::with_last(text, stack_edit::AUTH);
            match judge(path, &last) {
                StackVerdict::Sound => Ok(last),
                _ => stack_edit::with_code(text, &|candidate| judge(path, candidate)),
            }
        })?;
        self.edit("common-account", |_, text| {
            Ok(stack_edit::with_first(text, stack_edit::ACCOUNT))
        })?;
        self.edit("common-session", |_, text| {
            Ok(stack_edit::with_last(text, stack_edit::SESSION))
        })
    }

    /// The module in the file of one service, unless its stack names it already.
    fn add_service(
        &mut self,
        preview: &MachinePreview,
        service: &str,
    ) -> Result<(), CommandFailure> {
        let texts = self.texts();
        if preview.names_module(&texts, service) {
            match preview.judge(&texts, service) {
                StackVerdict::Unsound(why) => return Err(cannot(service, &why)),
                StackVerdict::AsksStrangers => self.notes.push(asks_strangers(service)),
                StackVerdict::Sound => {}
            }
            return self.add_account(preview, service);
        }
        let judge = |path: &Path, text: &str| {
            let mut changed = texts.clone();
            changed.insert(path.display().to_string(), text.to_owned());
            preview.judge(&changed, service)
        };
        self.edit(service, |path, text| {
            let code = stack_edit::with_code(text, &|candidate| judge(path, candidate))?;
            let account = stack_edit::with_account(&code, &|name| text_of(preview, &texts, name));
            Ok(if SESSION_LOGINS.contains(&service) {
                stack_edit::with_session(&account)
            } else {
                account
            })
        })
        .map_err(|failure| match failure.next {
            Some(_) => failure,
            None => cannot(service, &failure.what),
        })?;
        if preview.judge(&self.texts(), service) == StackVerdict::AsksStrangers {
            self.dangers.push(asks_strangers(service));
        }
        Ok(())
    }

    /// The account line in the file of one service whose account lines do not name the module.
    fn add_account(
        &mut self,
        preview: &MachinePreview,
        service: &str,
    ) -> Result<(), CommandFailure> {
        let texts = self.texts();
        let is_here = Path::new(DIRECTORY).join(service).exists();
        if !is_here || preview.names_account(&texts, service) {
            return Ok(());
        }
        self.edit(service, |_, text| {
            let source = |name: &str| text_of(preview, &texts, name);
            Ok(stack_edit::with_account(text, &source))
        })
    }

    /// Account lines that let in users who have to enroll, or no user, are a danger; those that would let them in are noted. Not
    /// every program calls account lines, so that the administrator decides.
    fn check_account_lines(&mut self, preview: &MachinePreview, policy: &Policy) {
        let texts = self.texts();
        let services = self.services.iter().chain(&self.shared);
        let found: Vec<DoctorFinding> = services
            .filter_map(|service| preview.account_line(&texts, service, policy))
            .collect();
        for finding in found {
            let list = if finding.is_problem() {
                &mut self.dangers
            } else {
                &mut self.notes
            };
            list.push(finding.text().trim_end_matches('.').to_owned());
        }
    }

    /// sshd's settings, where they keep it from asking for a code.
    fn add_sshd(&mut self, preview: &MachinePreview, user: &str) -> Result<(), CommandFailure> {
        let problems = preview
            .sshd_problems(&self.texts(), user)
            .map_err(|error| silent_sshd(&error))?;
        if problems.is_empty() {
            return Ok(());
        }
        if let Some(other) = problems
            .iter()
            .find(|problem| !sshd_dropin::CURES.contains(&problem.check))
        {
            return Err(CommandFailure::refused(&other.cause).next(&other.fix));
        }
        let path = PathBuf::from(sshd_dropin::PATH);
        let before = config_files::read(&path)?;
        if before.as_deref() == Some(sshd_dropin::TEXT) {
            let causes: Vec<&str> = problems.iter().map(|one| one.cause.as_str()).collect();
            return Err(overruled(&causes.join("; ")));
        }
        self.changes.push(FileChange {
            path,
            before,
            after: sshd_dropin::TEXT.to_owned(),
        });
        Ok(())
    }

    /// Changes a PAM file.
    fn edit(
        &mut self,
        name: &str,
        change: impl FnOnce(&Path, &str) -> Result<String, String>,
    ) -> Result<(), CommandFailure> {
        let path = Path::new(DIRECTORY).join(name);
        let before = config_files::read(&path)?.ok_or_else(|| {
            CommandFailure::refused(format!("there is no file {}", path.display())).next(format!(
                "Copy the one of the distribution there first: find /usr -path '*/pam.d/{name}'"
            ))
        })?;
        let after = change(&path, &before).map_err(CommandFailure::refused)?;
        if after != before {
            self.changes.push(FileChange {
                path,
                before: Some(before),
                after,
            });
        }
        Ok(())
    }
}

/// The text of a PAM file as it is planned.
fn text_of(preview: &MachinePreview, texts: &ChangedTexts, name: &str) -> Option<String> {
    let path = Path::new(DIRECTORY).join(name);
    let source = preview.file(path.to_str()?)?;
    Some(texts.get(&source.path).cloned().unwrap_or(source.text))
}

/// Refuses because sshd gives no settings.
pub fn silent_sshd(error: &str) -> CommandFailure {
    CommandFailure::refused(format!("sshd does not print its settings: {error}"))
        .next(format!("{}.", sshd::silence_cure(error)))
}

/// Refuses because another file overrides sshd's settings.
pub fn overruled(causes: &str) -> CommandFailure {
    CommandFailure::refused(format!("{causes}, also with {}", sshd_dropin::PATH)).next(
        "sshd takes the first value that it finds. The line \"Include /etc/ssh/sshd_config.d/*.conf\" has to stand first in \
         /etc/ssh/sshd_config, and no file that sorts before and no Match block may set it otherwise.",
    )
}

/// The services and their siblings that have a PAM file.
fn known(preview: &MachinePreview, services: &[String]) -> Result<Vec<String>, CommandFailure> {
    let names = preview.names();
    let mut known: Vec<String> = Vec::new();
    for service in services {
        let pair = [Some(service.as_str()), sibling(service)];
        let pair = pair.into_iter().flatten();
        let mut found: Vec<&str> = pair.filter(|name| names.contains(*name)).collect();
        // Debian's su-l includes su: once that one asks, its own file needs no line.
        found.sort_unstable();
        if found.is_empty() {
            return Err(no_such_service(service, names.iter().map(String::as_str)));
        }
        for name in found {
            if !known.iter().any(|one| one == name) {
                known.push(name.to_owned());
            }
        }
    }
    Ok(known)
}

/// A service without a PAM file.
pub fn no_such_service<'a>(service: &str, names: impl Iterator<Item = &'a str>) -> CommandFailure {
    let service_word = crate::formatting::plain(service);
    let failure = CommandFailure::refused(format!(
        "there is no PAM file of the service {service_word}"
    ));
    match spelling_suggestion::closest(service, names) {
        Some(near) => failure.next(format!("Did you mean {near}?")),
        None => failure.next(format!("To list the services: ls {DIRECTORY}")),
    }
}

/// The danger of a code that is asked for after a wrong password, of which doctor warns as well.
fn asks_strangers(service: &str) -> String {
    format!(
        "{service} asks for the code also after a wrong password, so that any person who knows a user's name can lock that user out with wrong codes. Let a wrong password end the login: requisite instead of required"
    )
}

fn cannot(service: &str, why: &str) -> CommandFailure {
    CommandFailure::refused(format!(
        "no place is found in {DIRECTORY}/{service} for the line that asks for the code: {why}"
    ))
    .next(format!(
        "Correct the file, or put the lines in by hand, as the examples in {} do; then: twofactor doctor",
        example_files::directory()
    ))
}
