//! The PAM services of the machine, and which of them matter here.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use twofactor_core::policy::{Policy, sibling};
use twofactor_core::{POLICY_FILE, STATE_DIR};

use super::doctor_finding::DoctorFinding;
use super::installed_system::InstalledSystem;
use super::module_facts::{ModuleRole, OURS, asks_for_a_code, part};
use super::other_service;
use super::pam::{
    ConfigError, HandlerType, ModuleCall, ServiceStacks, StackHandler, StackOrigin, read,
};
use super::pam_programs::{self, OF_XSECURELOCK, PamProgram, XSECURELOCK};
use super::polkit_sandbox;
use super::stack_checks::{self, CheckedService, is_named_on, names_module};
use super::stack_simulation::StackSimulation;
use crate::command_context::CommandContext;
use crate::example_files;
use crate::suggested_command;

/// Services through which people log in, where they are installed.
const KNOWN_LOGINS: [&str; 11] = [
    "sshd",
    "login",
    "su",
    "su-l",
    "sudo",
    "sudo-i",
    "cockpit",
    "gdm-password",
    "lightdm",
    "sddm",
    "xrdp-sesman",
];
/// Beginnings of files that are no services, but parts of others.
const PARTS: [&str; 7] = [
    "common-",
    "system-",
    "password-auth",
    "fingerprint-auth",
    "smartcard-auth",
    "postlogin",
    "other",
];
/// Parts of the names of copies that editors and packages leave.
const COPIES: [&str; 5] = ["~", ".dpkg-", ".rpm", ".ucf-", ".bak"];

/// True if a PAM file is that of a service: neither a part of others nor a copy.
pub fn is_service(name: &str) -> bool {
    !PARTS.iter().any(|part| name.starts_with(part))
        && !COPIES.iter().any(|copy| name.contains(copy))
}

/// The services.
pub struct PamServices {
    services: BTreeMap<String, Result<ServiceStacks, ConfigError>>,
}

impl PamServices {
    /// Reads the stacks of every service.
    pub fn of(system: &InstalledSystem) -> Self {
        let services = system.names().into_iter().filter(|name| is_service(name));
        let services = services.map(|name| {
            let stacks = read(system, &name);
            (name, stacks)
        });
        Self {
            services: services.collect(),
        }
    }

    /// The services whose auth lines name the module.
    pub fn used(&self) -> Vec<String> {
        let used = self.services.iter().filter(|(_, stacks)| uses(stacks));
        used.map(|(name, _)| name.clone()).collect()
    }

    /// The files that the stacks with the module are made of.
    pub fn files(&self) -> BTreeSet<PathBuf> {
        let used = self.services.values().filter(|stacks| uses(stacks));
        used.flatten()
            .flat_map(lines)
            .map(|handler| PathBuf::from(&handler.place.file))
            .collect()
    }

    /// The files of the module that are named, and by which services; where it belongs if no file names it.
    pub fn modules(&self, system: &InstalledSystem) -> BTreeMap<PathBuf, Vec<String>> {
        let mut modules: BTreeMap<PathBuf, Vec<String>> = BTreeMap::new();
        for (name, stacks) in &self.services {
            let paths: BTreeSet<PathBuf> = stacks
                .iter()
                .flat_map(lines)
                .filter_map(module)
                .filter(|module| module.name() == OURS)
                .map(|module| system.module(module))
                .collect();
            for path in paths {
                modules.entry(path).or_default().push(name.clone());
            }
        }
        if modules.is_empty() {
            modules.insert(system.ours(), Vec::new());
        }
        modules
    }

    /// The services that the table shows, in its order.
    pub fn shown<'a>(
        &'a self,
        policy: Option<&Policy>,
    ) -> Vec<(&'a str, &'a Result<ServiceStacks, ConfigError>)> {
        let position = |name: &str| KNOWN_LOGINS.iter().position(|login| *login == name);
        let named = |name: &str| policy.is_some_and(|policy| is_named_on(policy, name));
        let mut shown: Vec<_> = self
            .services
            .iter()
            .filter(|(name, stacks)| uses(stacks) || position(name).is_some() || named(name))
            .map(|(name, stacks)| (name.as_str(), stacks))
            .collect();
        shown.sort_by_key(|(name, _)| (position(name).unwrap_or(KNOWN_LOGINS.len()), *name));
        shown
    }

    /// Services that the policy switches on by `default` only, and that ask no user.
    fn bare(&self, policy: &Policy) -> Option<DoctorFinding> {
        let on = |name: &&str| policy.asks_at(name) && !policy.own_services().contains_key(*name);
        let bare: Vec<&str> = self
            .shown(Some(policy))
            .into_iter()
            .filter(|(_, stacks)| stacks.is_ok() && !uses(stacks))
            .map(|(name, _)| name)
            .filter(on)
            .collect();
        (!bare.is_empty() && !self.used().is_empty()).then(|| {
            let names = bare.join(", ");
            DoctorFinding::warning(
                "module-not-in-stack",
                &names,
                format!("the policy is on for every service (services.default), but the PAM files of {names} do not name {OURS}: no user is asked there"),
                format!(
                    "If that is meant, nothing. If not: twofactor setup SERVICE, or put the lines of the examples in {} into them",
                    example_files::directory()
                ),
            )
        })
    }

    /// Lines of the module that use other files than doctor does.
    fn other_files(&self, context: &CommandContext) -> Vec<DoctorFinding> {
        let mut findings: Vec<DoctorFinding> = Vec::new();
        for (name, stacks) in &self.services {
            let modules = stacks.iter().flat_map(|stacks| &stacks.auth);
            for module in modules
                .filter_map(module)
                .filter(|module| part(module, None) == ModuleRole::Ours)
            {
                let of = |key: &str, default: &str| {
                    let given = module.arguments.iter();
                    let path = given.filter_map(|word| word.strip_prefix(key)).next();
                    PathBuf::from(path.unwrap_or(default))
                };
                let (policy, state) = (of("policy=", POLICY_FILE), of("state=", STATE_DIR));
                if policy != context.policy_path() || state != context.state_path() {
                    let (policy, state) = (policy.to_string_lossy(), state.to_string_lossy());
                    findings.push(DoctorFinding::warning(
                        "other-files",
                        name,
                        format!("the module uses {policy} and {state} there, which doctor has not looked at: what is said of this service is said of other files"),
                        suggested_command::twofactor("doctor", &[], &[("--policy", &policy), ("--state", &state)]),
                    ));
                }
            }
        }
        findings
    }

    /// The auth lines that name one of these modules, each once.
    pub fn lines_of(&self, modules: &[&str]) -> Vec<String> {
        let handlers = self.services.values().flatten();
        let named = handlers
            .flat_map(|stacks| &stacks.auth)
            .filter_map(|handler| {
                let name = module(handler)?.name();
                let line = format!("{} ({name})", handler.place);
                modules.contains(&name).then_some(line)
            });
        let lines: BTreeSet<String> = named.collect();
        lines.into_iter().collect()
    }

    /// The auth lines of these services that ask for a code by another module, each once.
    pub fn other_code_lines(&self, services: &[String]) -> Vec<String> {
        let named = self.services.iter();
        let named = named.filter(|(name, _)| services.contains(name));
        let handlers = named.flat_map(|(_, stacks)| stacks).flat_map(|it| &it.auth);
        let lines = handlers.filter_map(|handler| {
            let module = module(handler).filter(|module| asks_for_a_code(module))?;
            Some(format!("{} ({})", handler.place, module.name()))
        });
        let lines: BTreeSet<String> = lines.collect();
        lines.into_iter().collect()
    }

    /// Lines of other modules that ask for a code, beside those of ours.
    fn other_codes(&self) -> Vec<DoctorFinding> {
        let mut lines: BTreeMap<String, (String, Vec<&str>)> = BTreeMap::new();
        for (name, stacks) in self.services.iter().filter(|(_, stacks)| uses(stacks)) {
            for handler in stacks.iter().flat_map(|stacks| &stacks.auth) {
                if let Some(module) = module(handler).filter(|module| asks_for_a_code(module)) {
                    let line = (module.name().to_owned(), Vec::new());
                    let (_, services) = lines.entry(handler.place.to_string()).or_insert(line);
                    services.push(name);
                }
            }
        }
        let told = lines.into_iter().map(|(place, (module, services))| {
            let subject = services.join(", ");
            DoctorFinding::warning(
                "other-code-module",
                &subject,
                format!("{place} names {module} beside {OURS}: users are asked for two codes, and refused where they have only one"),
                "Once the devices are taken over (twofactor import), remove that line. If both are meant, or it checks a password only, nothing.",
            )
        });
        told.collect()
    }

    /// Programs that would refuse under this policy, as their services show.
    pub fn refusing(&self, system: &InstalledSystem, policy: &Policy) -> Vec<DoctorFinding> {
        let found = |module: &ModuleCall| module.name() == OURS || system.found(module);
        let finding = |program: (&str, PamProgram), service: &str, stacks: &ServiceStacks| {
            let simulation = StackSimulation {
                handlers: &stacks.auth,
                facts: None,
                found: &found,
            };
            pam_programs::check(&simulation, program, service, (policy, system.daemon))
        };
        let used = self.services.iter().filter(|(_, stacks)| uses(stacks));
        let used = used.filter_map(|(name, stacks)| {
            finding(
                (name, PamProgram::under(policy, name)?),
                name,
                stacks.as_ref().ok()?,
            )
        });
        let installed = Path::new(XSECURELOCK).exists();
        let shared = OF_XSECURELOCK.into_iter().filter(|_| installed);
        let shared = shared.filter_map(|service| {
            let stacks = read(system, service);
            let stacks = stacks.as_ref().ok().filter(|_| uses(&stacks))?;
            finding(("xsecurelock", PamProgram::User), service, stacks)
        });
        used.chain(shared).collect()
    }

    /// polkit, where it asks for a code.
    fn sandbox(&self, context: &CommandContext, policy: &Policy) -> Option<DoctorFinding> {
        let stacks = self.services.get(polkit_sandbox::SERVICE)?;
        let on = policy.asks_at(polkit_sandbox::SERVICE);
        let asks = on && uses(stacks) && !pam_programs::is_exempt(policy, polkit_sandbox::SERVICE);
        asks.then(|| polkit_sandbox::check(context.state_path()))?
    }

    /// Faults of what stands in for services that ask for a code.
    fn fallback(
        &self,
        system: &InstalledSystem,
        policy: &Policy,
        found: &dyn Fn(&ModuleCall) -> bool,
    ) -> Option<DoctorFinding> {
        let asks = |(name, stacks): (&String, &Result<ServiceStacks, ConfigError>)| {
            policy.asks_at(name) && uses(stacks)
        };
        let guarded = self.services.iter().any(asks);
        guarded.then(|| other_service::check(&read(system, "other"), found))?
    }

    /// A service without a PAM file that is switched with its sibling, which has one: this system calls it by that name only.
    fn goes_along(&self, name: &str) -> bool {
        sibling(name).is_some_and(|sibling| self.services.contains_key(sibling))
    }

    /// Faults of the stacks, each by itself.
    pub fn stack_findings(
        &self,
        system: &InstalledSystem,
        policy: Option<&Policy>,
    ) -> Vec<DoctorFinding> {
        // That ours is missing is told by itself, and must not hide what else is wrong.
        let found = |module: &ModuleCall| module.name() == OURS || system.found(module);
        let mut services = self.shown(policy);
        let unknown: Vec<(&String, Result<ServiceStacks, ConfigError>)> = policy
            .iter()
            .flat_map(|policy| policy.services.named.keys())
            .filter(|name| !self.services.contains_key(*name) && !self.goes_along(name))
            .map(|name| (name, read(system, name)))
            .collect();
        services.extend(unknown.iter().map(|(name, stacks)| (name.as_str(), stacks)));
        let checked = services.into_iter().flat_map(|(name, stacks)| {
            let service = CheckedService {
                name,
                stacks,
                found: &found,
            };
            stack_checks::check(&service, policy)
        });
        checked.collect()
    }

    /// Faults of the stacks, and of what they have to do with each other and with other programs.
    pub fn check(
        &self,
        context: &CommandContext,
        system: &InstalledSystem,
        policy: Option<&Policy>,
    ) -> Vec<DoctorFinding> {
        let found = |module: &ModuleCall| module.name() == OURS || system.found(module);
        self.stack_findings(system, policy)
            .into_iter()
            .chain(policy.and_then(|policy| self.bare(policy)))
            .chain(self.other_files(context))
            .chain(self.other_codes())
            .chain(policy.and_then(|policy| self.sandbox(context, policy)))
            .chain(
                policy
                    .iter()
                    .flat_map(|policy| self.refusing(system, policy)),
            )
            .chain(policy.and_then(|policy| self.fallback(system, policy, &found)))
            .collect()
    }
}

/// True if the auth lines name the module. A file without any is of a service that asks for nothing, such as
/// systemd-user: that `other` stands in for them changes no login.
fn uses(stacks: &Result<ServiceStacks, ConfigError>) -> bool {
    stacks
        .as_ref()
        .is_ok_and(|stacks| stacks.auth_of == StackOrigin::Own && names_module(&stacks.auth))
}

fn lines(stacks: &ServiceStacks) -> impl Iterator<Item = &StackHandler> {
    stacks.auth.iter().chain(&stacks.account)
}

const fn module(handler: &StackHandler) -> Option<&ModuleCall> {
    match &handler.run {
        HandlerType::Module(module) => Some(module),
        _ => None,
    }
}
