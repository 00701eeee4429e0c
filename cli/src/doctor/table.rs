//! The table "service by user", and what is wrong with sshd's settings for some or all of its users.

use std::cell::OnceCell;
use std::collections::BTreeMap;

use twofactor_core::policy::decision::{LoginRequest, PolicyDecision, UserEnrollment};
use twofactor_core::policy::{Policy, PolicyTime};
use twofactor_store::attempt::KnownGroups;
use twofactor_store::decision::decide;
use twofactor_store::sys::accounts;

use super::caller_limits;
use super::callers::CallingProgram;
use super::finding::{DoctorFinding, FindingLevel};
use super::installed_system::InstalledSystem;
use super::logins::{self, LoginForecast, LoginReason, LoginResult, PolicyAnswer};
use super::modules::LoginFacts;
use super::pam::{ConfigError, ModuleCall, ServiceStacks};
use super::pam_services::PamServices;
use super::simulation::StackSimulation;
use super::sshd::{SshdDialogue, SshdSettings};
use super::stacks::{is_named_on, names_module};
use super::user_findings::{ExaminedUser, FactorStatus};
use crate::roster::{AccountRole, EnrollmentStatus};

/// Users in the table. With more of them it is of no use; `--user` asks for one.
const LISTED: usize = 30;
/// The finding that sshd does not print its settings.
pub const UNREADABLE: &str = "sshd-unreadable";
/// sshd's service, unless sshd says otherwise.
const SSHD: &str = "sshd";

/// The table.
#[derive(Default)]
pub struct LoginTable {
    /// Its rows, by service.
    pub logins: Vec<LoginForecast>,
    /// Number of users who are not in it.
    pub left_out: usize,
    /// Faults of sshd's settings.
    pub findings: Vec<DoctorFinding>,
}

impl LoginTable {
    /// Puts it together: administrators first, then who has a device.
    pub fn of(
        world: &InstalledSystem,
        survey: &PamServices,
        policy: (Option<&Policy>, PolicyTime),
        users: &[ExaminedUser],
    ) -> Self {
        Self::limited(world, survey, policy, users, LISTED)
    }

    /// The table of all users with a device, and of the first others: for looking through, not for reading.
    pub fn whole(
        world: &InstalledSystem,
        survey: &PamServices,
        policy: (Option<&Policy>, PolicyTime),
        users: &[ExaminedUser],
    ) -> Self {
        let devices = users.iter().filter(|user| !user.factor.lacks_device());
        let limit = LISTED + devices.count();
        Self::limited(world, survey, policy, users, limit)
    }

    fn limited(
        world: &InstalledSystem,
        survey: &PamServices,
        (policy, time): (Option<&Policy>, PolicyTime),
        users: &[ExaminedUser],
        limit: usize,
    ) -> Self {
        let mut listed: Vec<&ExaminedUser> = users.iter().collect();
        listed.sort_by_key(|user| {
            (
                user.role != AccountRole::Administrator,
                user.factor.lacks_device(),
                user.account.name.clone(),
            )
        });
        let mut table = Self {
            left_out: listed.len().saturating_sub(limit),
            ..Self::default()
        };
        listed.truncate(limit);
        let shown = survey.shown(policy);
        let sshd = shown
            .iter()
            .any(|(name, _)| *name == SSHD)
            .then(|| SshdAnswers::ask(world, &listed));
        let mut groups = KnownGroups::default();
        for (service, stacks) in shown {
            let sshd = sshd.as_ref().filter(|sshd| sshd.service() == service);
            if let Some(sshd) = sshd {
                table.findings.extend(sshd.check(policy, service, stacks));
            }
            for user in &listed {
                let demanded = demanded((policy, time), user, service, &mut groups);
                let demanded = CallingProgram::of(service).map_or(demanded, |caller| {
                    caller_limits::demanded((caller, world.daemon), demanded, user.account.uid)
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
    world: &InstalledSystem,
    service: &str,
    stacks: &Result<ServiceStacks, ConfigError>,
    user: &ExaminedUser,
    demanded: PolicyAnswer,
    sshd: Option<&SshdSettings>,
) -> LoginForecast {
    let account = &user.account;
    let groups = OnceCell::new();
    let member = |group: &str| {
        let own = groups.get_or_init(|| accounts::group_ids(account).ok());
        let gid = accounts::group_id(group).ok()?;
        let own = own.as_ref()?;
        Some(gid.is_some_and(|gid| own.contains(&gid)))
    };
    let facts = LoginFacts {
        service,
        user: &account.name,
        uid: account.uid,
        member: &member,
    };
    let found = |module: &ModuleCall| world.found(module);
    let handlers = stacks.as_ref().map_or(&[][..], |stacks| &stacks.auth);
    let trial = StackSimulation {
        handlers,
        facts: Some(&facts),
        found: &found,
    };
    let way = logins::by_pam(stacks, &trial, demanded);
    let way = match CallingProgram::of(service) {
        Some(caller) => caller_limits::way(caller, way, demanded),
        None => way,
    };
    let ways = match sshd {
        Some(settings) => logins::by_sshd(settings, account.uid, &way, demanded),
        None => vec![way],
    };
    LoginForecast {
        service: service.to_owned(),
        user: account.name.clone(),
        ways,
    }
}

/// The rows of the policy and of the user's files, in the order in which a login comes to them.
fn demanded(
    (policy, time): (Option<&Policy>, PolicyTime),
    user: &ExaminedUser,
    service: &str,
    groups: &mut KnownGroups,
) -> PolicyAnswer {
    let Some(policy) = policy else {
        return PolicyAnswer::Refused(LoginReason::Unusable);
    };
    let request = LoginRequest {
        account: Some(&user.account),
        service,
        address: None,
    };
    let enrollment = if user.factor.lacks_device() {
        UserEnrollment::Unenrolled
    } else {
        UserEnrollment::Enrolled
    };
    let decision = decide(policy, time, &request, groups, enrollment);
    // A user who is not invited is told of no device, and refused where one is demanded.
    let uninvited = policy.enroll_needs_invite
        && user.factor == FactorStatus::Usable(EnrollmentStatus::NotEnrolled);
    match (decision, user.factor) {
        (PolicyDecision::Disabled, _) => PolicyAnswer::Nothing(LoginReason::Disabled),
        (PolicyDecision::ServiceOff, _) => PolicyAnswer::Nothing(LoginReason::ServiceOff),
        (PolicyDecision::Exempt(_), _) => PolicyAnswer::Nothing(LoginReason::Exempt),
        (PolicyDecision::NotRequired, _) if policy.uniform_prompt => {
            PolicyAnswer::Uniform(LoginResult::In)
        }
        (PolicyDecision::DeviceRequired, _) if policy.uniform_prompt => {
            PolicyAnswer::Uniform(LoginResult::Refused)
        }
        (PolicyDecision::EnrollmentRequired, _) if policy.uniform_prompt && uninvited => {
            PolicyAnswer::Uniform(LoginResult::Refused)
        }
        (PolicyDecision::EnrollmentOffered | PolicyDecision::EnrollmentRequired, _)
            if policy.uniform_prompt =>
        {
            PolicyAnswer::Uniform(LoginResult::In)
        }
        (PolicyDecision::NotRequired, _) => PolicyAnswer::Nothing(LoginReason::NoDevice),
        (PolicyDecision::EnrollmentOffered, _) if uninvited => {
            PolicyAnswer::Nothing(LoginReason::NotInvited)
        }
        (PolicyDecision::EnrollmentRequired, _) if uninvited => {
            PolicyAnswer::Refused(LoginReason::NotInvited)
        }
        (PolicyDecision::EnrollmentOffered, _) => PolicyAnswer::Nothing(LoginReason::MayEnroll),
        (PolicyDecision::EnrollmentRequired, _) => PolicyAnswer::Nothing(LoginReason::MustEnroll),
        (PolicyDecision::DeviceRequired, _) => PolicyAnswer::Refused(LoginReason::NoDevice),
        (PolicyDecision::CodeRequired, FactorStatus::LockedOut) => {
            PolicyAnswer::Refused(LoginReason::LockedOut)
        }
        (PolicyDecision::CodeRequired, FactorStatus::Unusable) => {
            PolicyAnswer::Refused(LoginReason::Unusable)
        }
        (PolicyDecision::CodeRequired, _) => PolicyAnswer::Code,
    }
}

/// sshd's settings for each user, or why it does not tell them.
struct SshdAnswers {
    settings: BTreeMap<String, SshdSettings>,
    error: Option<String>,
}

impl SshdAnswers {
    fn ask(world: &InstalledSystem, users: &[&ExaminedUser]) -> Self {
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
            .map_or(SSHD, SshdSettings::service)
    }

    fn check(
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
        let mut findings: Vec<(DoctorFinding, Vec<&str>)> = Vec::new();
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
        let all_users = self.settings.len();
        let told = findings.into_iter().map(|(mut finding, users)| {
            if users.len() < all_users {
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

fn unreadable(error: &str) -> DoctorFinding {
    let fix = if error.contains("privilege separation directory") {
        "mkdir -p /run/sshd, and once more; or start sshd: systemctl start ssh"
    } else {
        "sshd -t says where it is wrong"
    };
    DoctorFinding {
        level: FindingLevel::Problem,
        check: UNREADABLE,
        subject: SSHD.to_owned(),
        cause: format!(
            "sshd does not print its settings, so it is not known if it can ask for a code: {error}"
        ),
        fix: fix.to_owned(),
    }
}

/// Questions of the auth lines of a stack.
pub fn dialogue(stacks: &Result<ServiceStacks, ConfigError>) -> SshdDialogue {
    let Ok(stacks) = stacks else {
        return SshdDialogue::Both;
    };
    let trial = StackSimulation {
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
        (true, ..) => SshdDialogue::OneField,
        (false, true, false) => SshdDialogue::CodeOnly,
        _ => SshdDialogue::Both,
    }
}
