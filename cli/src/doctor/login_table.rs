//! The table "service by user", and what is wrong with sshd's settings for some or all of its users.

use std::cell::OnceCell;

use twofactor_core::account::Account;
use twofactor_core::policy::decision::LoginRequest;
use twofactor_core::policy::{Policy, PolicyTime};
use twofactor_store::account_rules::KnownGroups;
use twofactor_store::login_decision::RecordedUser;
use twofactor_store::sys::accounts;

use super::doctor_finding::DoctorFinding;
use super::installed_system::InstalledSystem;
use super::login_forecast::{self, LoginForecast, LoginPath, LoginReason, PolicyDemand};
use super::login_groups::{LoginGroup, LoginGrouping};
use super::module_facts::LoginFacts;
use super::pam::{ConfigError, HandlerType, ModuleCall, ServiceStacks, StackHandler};
use super::pam_programs::PamProgram;
use super::pam_services::PamServices;
use super::policy_demand::demand_on;
use super::program_limits;
use super::sshd::{SSHD, SshdSettings, SshdUserSettings};
use super::stack_simulation::{StackSimulation, looks_at_users};
use super::user_findings::ExaminedUser;
use crate::roster::AccountRole;

/// Users with rows of their own in the report for programs; `--user` asks for one.
const LISTED: usize = 30;

/// The table.
#[derive(Default)]
pub struct LoginTable {
    /// Its rows for the first users, by user.
    pub logins: Vec<LoginForecast>,
    /// Number of users who have no rows in `logins`.
    pub left_out: usize,
    /// All users, grouped by what they are asked for.
    pub groups: Vec<LoginGroup>,
    /// Faults of sshd's settings.
    pub findings: Vec<DoctorFinding>,
}

/// A service as the table is made.
struct ServiceRow<'a> {
    name: &'a str,
    /// The program, where it is one of those that are known.
    program: Option<PamProgram>,
    stacks: &'a Result<ServiceStacks, ConfigError>,
    /// Settings, where it is that of sshd.
    sshd: Option<&'a SshdUserSettings>,
    /// True if the lines of the stack tell users apart.
    tells_users_apart: bool,
    /// The ways in that were worked out, by what they depend on.
    known: Vec<(LoginClass, Vec<LoginPath>)>,
}

/// Everything that the ways in of a user depend on at one service.
#[derive(Clone, PartialEq, Eq)]
struct LoginClass {
    demanded: PolicyDemand,
    is_root: bool,
    /// Number of sshd's settings.
    settings: Option<usize>,
    /// The user, where the stack tells users apart.
    user: Option<String>,
}

impl LoginTable {
    /// Puts it together.
    pub fn of(
        system: &InstalledSystem,
        pam_services: &PamServices,
        (policy, time): (Option<&Policy>, PolicyTime),
        users: &[ExaminedUser],
    ) -> Self {
        let listed = sorted(users);
        let mut table = Self {
            left_out: listed.len().saturating_sub(LISTED),
            ..Self::default()
        };
        let shown = pam_services.shown(policy);
        let has_sshd = shown.iter().any(|(name, _)| *name == SSHD);
        let accounts = listed.iter().map(|user| &user.account);
        let sshd = has_sshd.then(|| SshdUserSettings::ask(&system.sshd, accounts));
        let mut rows: Vec<ServiceRow> = Vec::new();
        for (name, stacks) in shown {
            let sshd = sshd.as_ref().filter(|sshd| sshd.service() == name);
            if let Some(sshd) = sshd {
                table.findings.extend(sshd.check(policy, name, stacks));
            }
            let program = match policy {
                Some(policy) => PamProgram::under(policy, name),
                None => PamProgram::of(name),
            };
            rows.push(ServiceRow::new((name, program), stacks, sshd));
        }
        let mut groups = KnownGroups::for_many();
        let mut grouping = LoginGrouping::new(rows.len());
        for (number, user) in listed.iter().enumerate() {
            let demands = demanded((policy, time), user, &rows, &mut groups);
            for (position, (row, demanded)) in rows.iter_mut().zip(demands).enumerate() {
                let service = row.name;
                let ways = row.ways(system, user, demanded);
                if number < LISTED {
                    table.logins.push(LoginForecast {
                        service: service.to_owned(),
                        user: user.account.name.clone(),
                        ways: ways.to_vec(),
                    });
                }
                grouping.add(position, number, ways);
            }
        }
        let services = rows.iter().map(|row| row.name);
        let names: Vec<&str> = listed
            .iter()
            .map(|user| user.account.name.as_str())
            .collect();
        table.groups = grouping.groups(services, &names);
        // By service, as they were before users were grouped.
        let order = |service: &str| rows.iter().position(|row| row.name == service);
        table.logins.sort_by_key(|login| order(&login.service));
        table
    }
}

/// Administrators first, then users with a device.
fn sorted(users: &[ExaminedUser]) -> Vec<&ExaminedUser> {
    let mut sorted: Vec<&ExaminedUser> = users.iter().collect();
    sorted.sort_by_key(|user| {
        (
            user.role != AccountRole::Administrator,
            user.factor.lacks_device(),
            &user.account.name,
        )
    });
    sorted
}

impl<'a> ServiceRow<'a> {
    fn new(
        (name, program): (&'a str, Option<PamProgram>),
        stacks: &'a Result<ServiceStacks, ConfigError>,
        sshd: Option<&'a SshdUserSettings>,
    ) -> Self {
        let handlers = stacks.as_ref().map_or(&[][..], |stacks| &stacks.auth);
        let tells = |handler: &StackHandler| match &handler.run {
            HandlerType::Module(module) => looks_at_users(module),
            _ => false,
        };
        Self {
            name,
            program,
            stacks,
            sshd,
            tells_users_apart: handlers.iter().any(tells),
            known: Vec::new(),
        }
    }

    /// The ways in of a user, worked out once for all users who are alike.
    fn ways(
        &mut self,
        system: &InstalledSystem,
        user: &ExaminedUser,
        demanded: PolicyDemand,
    ) -> &[LoginPath] {
        let account = &user.account;
        let demanded = self.program.map_or(demanded, |program| {
            program_limits::demanded((program, system.daemon), demanded, account.uid)
        });
        let settings = self.sshd.and_then(|sshd| sshd.of(&account.name));
        let class = LoginClass {
            demanded,
            is_root: account.uid == 0,
            settings: settings.map(|(number, _)| number),
            user: self.tells_users_apart.then(|| account.name.clone()),
        };
        if self.tells_users_apart {
            // No other user is like this one.
            self.known.clear();
        }
        let known = self.known.iter().position(|(known, _)| *known == class);
        let position = known.unwrap_or_else(|| {
            let settings = settings.map(|(_, settings)| settings);
            let ways = ways(
                (system, self.name, self.stacks),
                account,
                demanded,
                settings,
            );
            self.known.push((class, ways));
            self.known.len() - 1
        });
        // The position is that of one that was found, or of the last one.
        self.known
            .get(position)
            .map_or(&[][..], |(_, ways)| ways.as_slice())
    }
}

fn ways(
    (system, service, stacks): (&InstalledSystem, &str, &Result<ServiceStacks, ConfigError>),
    account: &Account,
    demanded: PolicyDemand,
    sshd: Option<&SshdSettings>,
) -> Vec<LoginPath> {
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
    let found = |module: &ModuleCall| system.found(module);
    let handlers = stacks.as_ref().map_or(&[][..], |stacks| &stacks.auth);
    let simulation = StackSimulation {
        handlers,
        facts: Some(&facts),
        found: &found,
    };
    let way = login_forecast::by_pam(stacks, &simulation, demanded);
    let way = match PamProgram::of(service) {
        Some(program) => program_limits::way(program, way, demanded),
        None => way,
    };
    match sshd {
        Some(settings) => login_forecast::by_sshd(settings, account.uid, &way, demanded),
        None => vec![way],
    }
}

/// The policy's demand on a user at each service: its rows and those of the user's files, in the order in which a login comes to
/// them. Groups are looked up once for all services.
fn demanded(
    (policy, time): (Option<&Policy>, PolicyTime),
    user: &ExaminedUser,
    rows: &[ServiceRow<'_>],
    groups: &mut KnownGroups,
) -> Vec<PolicyDemand> {
    let Some(policy) = policy else {
        return vec![PolicyDemand::Refused(LoginReason::Unusable); rows.len()];
    };
    let account = Some(&user.account);
    let mut recorded = RecordedUser {
        policy,
        time,
        groups: groups.of(account),
        has_device: !user.factor.lacks_device(),
        requirement: None,
    };
    let demand = |row: &ServiceRow<'_>| {
        let request = LoginRequest {
            account,
            service: row.name,
            address: None,
        };
        demand_on(policy, user, recorded.decision(&request))
    };
    rows.iter().map(demand).collect()
}
