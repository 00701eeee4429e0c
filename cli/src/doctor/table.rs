//! The table "service by user", and what is wrong with sshd's settings for some or all of its users.
#![forbid(unsafe_code)]

use std::cell::OnceCell;
use std::collections::BTreeMap;

use twofactor_core::policy::decision::{self, Demand, Enrolment};
use twofactor_core::policy::{Policy, Subject};
use twofactor_store::attempt::KnownGroups;
use twofactor_store::sys::accounts;

use super::callers::Caller;
use super::finding::{Finding, Level};
use super::limits;
use super::logins::{self, Demanded, Ends, Login, Why};
use super::modules::Facts;
use super::pam::{Broken, Module, Service};
use super::sshd::{Dialogue, Settings};
use super::stacks::{is_named_on, names_module};
use super::survey::Survey;
use super::trial::Trial;
use super::users::{Kept, User};
use super::world::World;
use crate::people::Role;

/// Users in the table. With more of them it is of no use; `--user` asks for one.
const LISTED: usize = 30;
/// sshd's service, unless sshd says otherwise.
const SSHD: &str = "sshd";

/// The table.
#[derive(Default)]
pub struct Table {
    /// Its rows, by service.
    pub logins: Vec<Login>,
    /// How many users are not in it.
    pub left_out: usize,
    /// What is wrong with sshd's settings.
    pub findings: Vec<Finding>,
}

impl Table {
    /// Puts it together: administrators first, then who has a device.
    pub fn of(world: &World, survey: &Survey, policy: Option<&Policy>, users: &[User]) -> Self {
        let mut listed: Vec<&User> = users.iter().collect();
        listed.sort_by_key(|user| {
            (
                user.role != Role::Administrator,
                user.kept.is_bare(),
                user.account.name.clone(),
            )
        });
        let mut table = Self {
            left_out: listed.len().saturating_sub(LISTED),
            ..Self::default()
        };
        listed.truncate(LISTED);
        let shown = survey.shown(policy);
        let sshd = shown
            .iter()
            .any(|(name, _)| *name == SSHD)
            .then(|| Sshd::ask(world, &listed));
        let mut groups = KnownGroups::default();
        for (service, stacks) in shown {
            let sshd = sshd.as_ref().filter(|sshd| sshd.service() == service);
            if let Some(sshd) = sshd {
                table.findings.extend(sshd.check(policy, service, stacks));
            }
            for user in &listed {
                let demanded = demanded(policy, user, service, &mut groups);
                let demanded = Caller::of(service).map_or(demanded, |caller| {
                    limits::demanded(caller, demanded, user.account.uid)
                });
                let settings = sshd.and_then(|sshd| sshd.settings.get(user.account.name.as_str()));
                table
                    .logins
                    .push(login(world, service, stacks, user, demanded, settings));
            }
        }
        table
    }
}

fn login(
    world: &World,
    service: &str,
    stacks: &Result<Service, Broken>,
    user: &User,
    demanded: Demanded,
    sshd: Option<&Settings>,
) -> Login {
    let account = &user.account;
    let groups = OnceCell::new();
    let member = |group: &str| {
        let own = groups.get_or_init(|| accounts::group_ids(account).ok());
        let gid = accounts::group_id(group).ok()?;
        let own = own.as_ref()?;
        Some(gid.is_some_and(|gid| own.contains(&gid)))
    };
    let facts = Facts {
        service,
        user: &account.name,
        uid: account.uid,
        member: &member,
    };
    let found = |module: &Module| world.found(module);
    let handlers = stacks.as_ref().map_or(&[][..], |stacks| &stacks.auth);
    let trial = Trial {
        handlers,
        facts: Some(&facts),
        found: &found,
    };
    let way = logins::by_pam(stacks, &trial, demanded);
    let way = match Caller::of(service) {
        Some(caller) => limits::way(caller, way, demanded),
        None => way,
    };
    let ways = match sshd {
        Some(settings) => logins::by_sshd(settings, account.uid, &way, demanded),
        None => vec![way],
    };
    Login {
        service: service.to_owned(),
        user: account.name.clone(),
        ways,
    }
}

/// The rows of the policy and of the user's files, in the order in which a login comes to them.
fn demanded(
    policy: Option<&Policy>,
    user: &User,
    service: &str,
    groups: &mut KnownGroups,
) -> Demanded {
    let Some(policy) = policy else {
        return Demanded::Refused(Why::Unusable);
    };
    let mut own = groups.of(Some(&user.account));
    let subject = Subject {
        user: &user.account.name,
        service,
        address: None,
    };
    let enrolment = match user.kept {
        Kept::Nothing | Kept::Invited => Enrolment::Unenrolled,
        Kept::Device | Kept::Locked | Kept::Unusable => Enrolment::Enrolled,
    };
    let mut member = |group: &str| own.include(group);
    let demand = decision::demand(policy, &subject, &mut member, enrolment);
    // Who is not invited is told of no device, and refused where one is demanded.
    let uninvited = policy.enroll_needs_invite && user.kept == Kept::Nothing;
    match (demand, user.kept) {
        (Demand::Disabled, _) => Demanded::Nothing(Why::Disabled),
        (Demand::ServiceOff, _) => Demanded::Nothing(Why::ServiceOff),
        (Demand::Exempt(_), _) => Demanded::Nothing(Why::Exempt),
        (Demand::Nothing, _) if policy.uniform_prompt => Demanded::Uniform(Ends::In),
        (Demand::Device, _) if policy.uniform_prompt => Demanded::Uniform(Ends::Refused),
        (Demand::MustEnrol, _) if policy.uniform_prompt && uninvited => {
            Demanded::Uniform(Ends::Refused)
        }
        (Demand::MayEnrol | Demand::MustEnrol, _) if policy.uniform_prompt => {
            Demanded::Uniform(Ends::In)
        }
        (Demand::Nothing, _) => Demanded::Nothing(Why::NoDevice),
        (Demand::MayEnrol, _) if uninvited => Demanded::Nothing(Why::NotInvited),
        (Demand::MustEnrol, _) if uninvited => Demanded::Refused(Why::NotInvited),
        (Demand::MayEnrol, _) => Demanded::Nothing(Why::MayEnrol),
        (Demand::MustEnrol, _) => Demanded::Nothing(Why::MustEnrol),
        (Demand::Device, _) => Demanded::Refused(Why::NoDevice),
        (Demand::Code, Kept::Locked) => Demanded::Refused(Why::LockedOut),
        (Demand::Code, Kept::Unusable) => Demanded::Refused(Why::Unusable),
        (Demand::Code, _) => Demanded::Code,
    }
}

/// sshd's settings for each user, or why it does not tell them.
struct Sshd {
    settings: BTreeMap<String, Settings>,
    error: Option<String>,
}

impl Sshd {
    fn ask(world: &World, users: &[&User]) -> Self {
        let mut sshd = Self {
            settings: BTreeMap::new(),
            error: None,
        };
        for user in users.iter().filter(|_| world.has_sshd()) {
            let name = &user.account.name;
            match world.sshd(name) {
                Ok(settings) => {
                    sshd.settings.insert(name.clone(), settings);
                }
                // It will say the same to all the others.
                Err(error) => {
                    sshd.error = Some(error);
                    break;
                }
            }
        }
        sshd
    }

    fn service(&self) -> &str {
        self.settings
            .values()
            .next()
            .map_or(SSHD, Settings::service)
    }

    fn check(
        &self,
        policy: Option<&Policy>,
        service: &str,
        stacks: &Result<Service, Broken>,
    ) -> Vec<Finding> {
        let named = stacks
            .as_ref()
            .is_ok_and(|stacks| names_module(&stacks.auth));
        if !named && !policy.is_some_and(|policy| is_named_on(policy, service)) {
            return Vec::new();
        }
        let mut findings: Vec<(Finding, Vec<&str>)> = Vec::new();
        let asks = dialogue(stacks);
        for (user, settings) in &self.settings {
            let names = policy.and_then(|policy| settings.names(policy));
            for finding in settings.check(asks).into_iter().chain(names) {
                match findings.iter_mut().find(|(known, _)| *known == finding) {
                    Some((_, users)) => users.push(user),
                    None => findings.push((finding, vec![user])),
                }
            }
        }
        let everybody = self.settings.len();
        let told = findings.into_iter().map(|(mut finding, users)| {
            if users.len() < everybody {
                finding.cause = format!(
                    "{} (`Match` makes it so for {})",
                    finding.cause,
                    users.join(", ")
                );
            }
            finding
        });
        told.chain(self.error.as_ref().map(|error| unreadable(error)))
            .collect()
    }
}

fn unreadable(error: &str) -> Finding {
    let fix = match error.contains("privilege separation directory") {
        true => "mkdir -p /run/sshd, and once more; or start sshd: systemctl start ssh",
        false => "sshd -t says where it is wrong",
    };
    Finding {
        level: Level::Problem,
        check: "sshd-unreadable",
        subject: SSHD.to_owned(),
        cause: format!(
            "sshd does not tell its settings, so nobody knows whether it can ask for a code: {error}"
        ),
        fix: fix.to_owned(),
    }
}

/// What the auth lines of a stack ask for.
pub fn dialogue(stacks: &Result<Service, Broken>) -> Dialogue {
    let Ok(stacks) = stacks else {
        return Dialogue::Both;
    };
    let trial = Trial {
        handlers: &stacks.auth,
        facts: None,
        found: &|_| true,
    };
    let one_field = trial
        .ours()
        .into_iter()
        .filter_map(|at| trial.module(at))
        .any(|module| module.has("forward_pass"));
    match (
        one_field,
        trial.passwords().is_empty(),
        trial.ours().is_empty(),
    ) {
        (true, ..) => Dialogue::OneField,
        (false, true, false) => Dialogue::CodeOnly,
        _ => Dialogue::Both,
    }
}
