//! Settings of sshd for very many users: it is asked once for all users that the same `Match` lines apply to.

use std::collections::{BTreeMap, BTreeSet};

use twofactor_core::account::Account;
use twofactor_core::policy::Policy;
use twofactor_store::sys::accounts;
use twofactor_store::sys::group_listing::GroupListing;

use super::super::doctor_finding::{DoctorFinding, FindingLevel};
use super::super::pam::{ConfigError, ServiceStacks};
use super::super::stack_checks::{is_named_on, names_module};
use super::dialogue::SshdDialogue;
use super::match_lines::{self, MatchedNames};
use super::program::SshdProgram;
use super::settings::{SSHD, SshdSettings};
use crate::impact;
use crate::progress::ProgressLine;

/// The finding that sshd does not print its settings.
pub const UNREADABLE: &str = "sshd-unreadable";

/// The users that sshd treats alike: the names and patterns of `Match` lines that apply to them, of users and of groups.
type UserClass = (Vec<String>, Vec<String>);

/// sshd's settings for each user, or why it does not tell them.
#[derive(Default)]
pub struct SshdUserSettings {
    /// The settings, each with the names of its users.
    settings: Vec<(SshdSettings, Vec<String>)>,
    /// Position of each user's settings.
    of_user: BTreeMap<String, usize>,
    error: Option<String>,
}

impl SshdUserSettings {
    /// Asks for the settings of these accounts.
    pub fn ask<'a>(sshd: &SshdProgram, users: impl IntoIterator<Item = &'a Account>) -> Self {
        let mut found = Self::default();
        if !sshd.is_installed() {
            return found;
        }
        let users: Vec<&Account> = users.into_iter().collect();
        let mut classes = UserClasses::of(sshd);
        let mut known: BTreeMap<UserClass, usize> = BTreeMap::new();
        let mut progress = ProgressLine::new("Asked sshd about", users.len());
        for user in users {
            progress.add(1);
            let class = classes.as_mut().and_then(|classes| classes.class(user));
            let position = match class.as_ref().and_then(|class| known.get(class)) {
                Some(position) => *position,
                None => match sshd.settings_of(&user.name) {
                    Ok(settings) => found.position(settings),
                    // It will say the same to all the others.
                    Err(error) => {
                        found.error = Some(error);
                        break;
                    }
                },
            };
            if let Some(class) = class {
                known.insert(class, position);
            }
            found.of_user.insert(user.name.clone(), position);
            if let Some((_, names)) = found.settings.get_mut(position) {
                names.push(user.name.clone());
            }
        }
        found
    }

    fn position(&mut self, settings: SshdSettings) -> usize {
        let known = self
            .settings
            .iter()
            .position(|(known, _)| *known == settings);
        known.unwrap_or_else(|| {
            self.settings.push((settings, Vec::new()));
            self.settings.len() - 1
        })
    }

    /// The settings of a user, and a number that stands for them.
    pub fn of(&self, user: &str) -> Option<(usize, &SshdSettings)> {
        let position = *self.of_user.get(user)?;
        let (settings, _) = self.settings.get(position)?;
        Some((position, settings))
    }

    /// All settings, each once.
    pub fn settings(&self) -> impl Iterator<Item = &SshdSettings> {
        self.settings.iter().map(|(settings, _)| settings)
    }

    /// The PAM service that sshd uses.
    pub fn service(&self) -> &str {
        let first = self.settings.first();
        first.map_or(SSHD, |(settings, _)| settings.service())
    }

    /// The reason why sshd does not tell its settings.
    pub fn error(&self) -> Option<&str> {
        self.error.as_deref()
    }

    /// Faults of the settings, each with the users that they are of, where not of all.
    pub fn check(
        &self,
        policy: Option<&Policy>,
        service: &str,
        stacks: &Result<ServiceStacks, ConfigError>,
    ) -> Vec<DoctorFinding> {
        let named = stacks
            .as_ref()
            .is_ok_and(|stacks| names_module(&stacks.auth));
        if !named && !policy.is_some_and(|policy| is_named_on(policy, service)) {
            return Vec::new();
        }
        let mut findings: Vec<(DoctorFinding, Vec<String>)> = Vec::new();
        let asks = SshdDialogue::of(stacks);
        for (settings, users) in &self.settings {
            let names = policy.and_then(|policy| settings.names(policy));
            for finding in settings.check(asks).into_iter().chain(names) {
                match findings.iter_mut().find(|(known, _)| *known == finding) {
                    Some((_, known)) => known.extend(users.iter().cloned()),
                    None => findings.push((finding, users.clone())),
                }
            }
        }
        let all_users = self.of_user.len();
        let told = findings.into_iter().map(|(mut finding, mut users)| {
            if users.len() < all_users {
                users.sort();
                let users = impact::names(&users);
                finding.cause = format!("{} (`Match` makes it so for {users})", finding.cause);
            }
            finding
        });
        told.chain(self.error.as_ref().map(|error| unreadable(error)))
            .collect()
    }
}

/// The classes of users, by the names that stand in `Match` lines.
struct UserClasses {
    names: MatchedNames,
    /// The groups that exist, with their numbers.
    groups: Vec<(String, u32)>,
    listing: GroupListing,
    /// The names of the groups of all users so far, where patterns are compared with them.
    group_names: BTreeMap<u32, Option<String>>,
}

impl UserClasses {
    /// `None` where they cannot be told: then sshd is asked about each user.
    fn of(sshd: &SshdProgram) -> Option<Self> {
        let names = sshd.is_packaged().then(MatchedNames::read)??;
        let mut groups = Vec::new();
        for group in &names.groups {
            let id = accounts::group_id(group).ok()?;
            groups.extend(id.map(|id| (group.clone(), id)));
        }
        Some(Self {
            names,
            groups,
            listing: GroupListing::read(),
            group_names: BTreeMap::new(),
        })
    }

    /// `None` where it cannot be told.
    fn class(&mut self, user: &Account) -> Option<UserClass> {
        let is_in = |(group, id): &&(String, u32)| self.listing.includes((group, *id), user);
        let groups = self.groups.iter().filter(is_in);
        let mut groups: Vec<String> = groups.map(|(group, _)| group.clone()).collect();
        groups.extend(self.groups_by_pattern(user)?);
        let names = self.names.users.iter();
        let names = names.filter(|pattern| match_lines::matches(&user.name, pattern));
        Some((names.cloned().collect(), groups))
    }

    /// The groups of the user to which a pattern applies.
    fn groups_by_pattern(&mut self, user: &Account) -> Option<BTreeSet<String>> {
        let mut found = BTreeSet::new();
        if self.names.group_patterns.is_empty() {
            return Some(found);
        }
        for id in accounts::group_ids(user).ok()? {
            let name = match self.group_names.get(&id) {
                Some(name) => name.clone(),
                None => accounts::group_name(id).ok()?,
            };
            self.group_names.insert(id, name.clone());
            let mut patterns = self.names.group_patterns.iter();
            found.extend(
                name.filter(|name| patterns.any(|pattern| match_lines::matches(name, pattern))),
            );
        }
        Some(found)
    }
}

/// The step that lets sshd print its settings.
pub fn silence_cure(error: &str) -> &'static str {
    if error.contains("privilege separation directory") {
        "mkdir -p /run/sshd, and once more; or start sshd: systemctl start ssh"
    } else {
        "sshd -t says where it is wrong"
    }
}

fn unreadable(error: &str) -> DoctorFinding {
    DoctorFinding {
        level: FindingLevel::Problem,
        check: UNREADABLE,
        subject: SSHD.to_owned(),
        cause: format!(
            "sshd does not print its settings, so it is not known if it can ask for a code: {error}"
        ),
        fix: silence_cure(error).to_owned(),
    }
}
