//! The questions of a user's next login, service by service: the policy, the stack and sshd's settings put together.

use serde::Serialize;

use super::module_facts::{ModuleRole, unknown_argument};
use super::pam::{ConfigError, ReturnCode, ServiceStacks};
use super::sshd::{DIALOGUE, KEY, PASSWORD, SshdSettings};
use super::stack_simulation::{SimulatedLogin, StackSimulation, TypedPassword};

/// Login of one user at one service. The serialized form is an interface.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct LoginForecast {
    /// The PAM service.
    pub service: String,
    /// Login name; at su and sudo that of the PAM user: the target of su, the caller of sudo.
    pub user: String,
    /// The ways in, each of which is enough. None: no user gets in.
    pub ways: Vec<LoginPath>,
}

/// One way in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct LoginPath {
    /// sshd's methods, as in AuthenticationMethods; `null` for other services.
    pub method: Option<String>,
    /// Questions, in order: `password`, `code`, `password-and-code` (one field), `key` and others of sshd.
    pub asks: Vec<&'static str>,
    /// Result with the right answers.
    pub result: LoginResult,
    /// Reason why no code is asked for, or why it is refused; `null` where a code is asked for.
    pub why: Option<LoginReason>,
}

/// Result of a login with the right answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum LoginResult {
    /// Let in.
    In,
    /// Refused.
    Refused,
}

/// Reason why no code is asked for, or why a login is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum LoginReason {
    /// Two-factor login is switched off.
    Disabled,
    /// Two-factor login is off for this service.
    ServiceOff,
    /// An `[[exempt]]` entry.
    Exempt,
    /// No device, and the policy leaves that open, or not.
    NoDevice,
    /// No device; one is offered after the password.
    #[serde(rename = "may-enrol")]
    MayEnroll,
    /// No device; one has to be enrolled after the password.
    #[serde(rename = "must-enrol")]
    MustEnroll,
    /// No device, and no invitation to enroll one, which the policy asks for.
    NotInvited,
    /// Too many wrong codes.
    LockedOut,
    /// The policy, or a file of the user, cannot be used.
    Unusable,
    /// The stack does not name the module.
    NotInStack,
    /// The stack passes before the code.
    Skipped,
    /// A wrong code lets in as well.
    WrongCodeToo,
    /// libpam does not find the module.
    ModuleMissing,
    /// The line of the module has a wrong argument.
    Argument,
    /// The stack lets no user in.
    Stack,
    /// sshd answers the question for the code with the password.
    PasswordAsCode,
    /// sshd does not let root in this way.
    RootLogin,
    /// sshd does not use PAM.
    UsePam,
    /// By key: sshd does not run the lines that ask for a code.
    Key,
    /// The program runs as the user, who may not read records.
    RunsAsUser,
    /// The program runs as an account other than root, to which records are closed.
    NotRoot,
    /// The program gives the password to every question.
    OneAnswer,
    /// The program never runs the auth lines.
    NeverAsked,
}

/// The policy's demand on a user at a service, before the stack is taken into account.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PolicyDemand {
    /// A code.
    Code,
    /// Nothing, for this reason.
    Nothing(LoginReason),
    /// Refused, for this reason.
    Refused(LoginReason),
    /// No device; a code is asked for all the same (`uniform_prompt`), and whatever is typed it ends like this.
    Uniform(LoginResult),
}

/// One user at one service other than sshd, or at sshd's dialogue.
pub fn by_pam(
    stacks: &Result<ServiceStacks, ConfigError>,
    simulation: &StackSimulation<'_>,
    demanded: PolicyDemand,
) -> LoginPath {
    let refused = || LoginPath::new(&[], LoginResult::Refused, Some(LoginReason::Stack));
    if stacks.is_err() {
        return refused();
    }
    let module = answer(simulation, demanded);
    let ways = simulation.ways().into_iter();
    // Of several sources of passwords the one that is passed most easily counts.
    ways.map(|typed| by_password(simulation, typed, demanded, module))
        .min_by_key(|way| (way.result == LoginResult::Refused, way.asks.len()))
        .unwrap_or_else(refused)
}

/// The login of a user whose password is `typed`; `code` and `problem` are the [`answer`] of the module.
fn by_password(
    simulation: &StackSimulation<'_>,
    typed: TypedPassword,
    demanded: PolicyDemand,
    (code, problem): (ReturnCode, Option<LoginReason>),
) -> LoginPath {
    let walk = simulation.walk(SimulatedLogin::new(typed, code));
    let asks = asks(simulation, &walk.called, demanded, problem);
    let is_ours = |at: &usize| simulation.part(*at) == Some(ModuleRole::Ours);
    let asked = walk.called.iter().any(is_ours);
    let result = if walk.status == ReturnCode::SUCCESS {
        LoginResult::In
    } else {
        LoginResult::Refused
    };
    let why = match (result, asked, demanded) {
        (LoginResult::Refused, false, _) => Some(LoginReason::Stack),
        (LoginResult::In, false, _) if simulation.ours().is_empty() => {
            Some(LoginReason::NotInStack)
        }
        (LoginResult::In, false, _) => Some(LoginReason::Skipped),
        (_, true, PolicyDemand::Refused(why)) => Some(problem.unwrap_or(why)),
        (_, true, PolicyDemand::Uniform(_)) => Some(problem.unwrap_or(LoginReason::NoDevice)),
        (LoginResult::Refused, true, _) => Some(problem.unwrap_or(LoginReason::Stack)),
        (LoginResult::In, true, PolicyDemand::Nothing(why)) => Some(why),
        (LoginResult::In, true, PolicyDemand::Code) => problem.or_else(|| {
            lets_in_with_wrong_code(simulation, typed).then_some(LoginReason::WrongCodeToo)
        }),
    };
    LoginPath::new(&asks, result, why)
}

fn lets_in_with_wrong_code(simulation: &StackSimulation<'_>, typed: TypedPassword) -> bool {
    let walk = simulation.walk(SimulatedLogin::new(typed, ReturnCode::AUTH_ERR));
    walk.status == ReturnCode::SUCCESS
}

/// The ways that sshd has for a user, where `pam` is what its dialogue asks for.
pub fn by_sshd(
    settings: &SshdSettings,
    uid: u32,
    pam: &LoginPath,
    demanded: PolicyDemand,
) -> Vec<LoginPath> {
    let combinations = settings.combinations();
    let ways = combinations.iter().map(|methods| {
        let mut way = LoginPath::new(&[], LoginResult::In, None);
        for method in methods {
            let part = match method.as_str() {
                DIALOGUE => pam.clone(),
                PASSWORD if !settings.on("usepam") => {
                    LoginPath::new(&["password"], LoginResult::In, Some(LoginReason::UsePam))
                }
                PASSWORD => one_answer(pam, demanded, LoginReason::PasswordAsCode),
                KEY => LoginPath::new(&["key"], LoginResult::In, Some(LoginReason::Key)),
                "hostbased" => {
                    LoginPath::new(&["host-key"], LoginResult::In, Some(LoginReason::Key))
                }
                method if method.starts_with("gssapi-") => {
                    LoginPath::new(&["kerberos"], LoginResult::In, Some(LoginReason::Key))
                }
                // It is told that doctor does not know it.
                _ => LoginPath::new(&["unknown"], LoginResult::In, Some(LoginReason::Key)),
            };
            way.add(part);
        }
        if uid == 0 && !root_may(settings.root(), methods) {
            way.result = LoginResult::Refused;
            way.why = Some(LoginReason::RootLogin);
        }
        way.method = Some(methods.join(","));
        way
    });
    ways.collect()
}

impl LoginPath {
    /// One way.
    pub fn new(asks: &[&'static str], result: LoginResult, why: Option<LoginReason>) -> Self {
        Self {
            method: None,
            asks: asks.to_vec(),
            result,
            why,
        }
    }

    /// One method after another: both have to be passed, and a code at one of them is enough.
    fn add(&mut self, next: Self) {
        let has_code = |way: &Self| way.asks.iter().any(|ask| ask.contains("code"));
        let refused = [&*self, &next]
            .into_iter()
            .find(|way| way.result == LoginResult::Refused)
            .and_then(|way| way.why);
        self.why = match refused {
            Some(why) => Some(why),
            None if has_code(self) || has_code(&next) => [self.why, next.why]
                .into_iter()
                .flatten()
                .find(|why| *why == LoginReason::WrongCodeToo),
            None => next.why.or(self.why),
        };
        if next.result == LoginResult::Refused {
            self.result = LoginResult::Refused;
        }
        self.asks.extend(next.asks);
    }
}

/// The module's answer when everything typed is right, and the faults of its line.
fn answer(
    simulation: &StackSimulation<'_>,
    demanded: PolicyDemand,
) -> (ReturnCode, Option<LoginReason>) {
    let modules = || {
        simulation
            .ours()
            .into_iter()
            .filter_map(|at| simulation.module(at))
    };
    if modules().any(|module| unknown_argument(module).is_some()) {
        return (ReturnCode::SERVICE_ERR, Some(LoginReason::Argument));
    }
    let missing = modules().any(|module| !(simulation.found)(module));
    let problem = missing.then_some(LoginReason::ModuleMissing);
    let code = match demanded {
        PolicyDemand::Code => ReturnCode::SUCCESS,
        PolicyDemand::Nothing(_) | PolicyDemand::Uniform(LoginResult::In) => ReturnCode::IGNORE,
        PolicyDemand::Refused(LoginReason::LockedOut) => ReturnCode::MAXTRIES,
        PolicyDemand::Refused(
            LoginReason::Unusable | LoginReason::RunsAsUser | LoginReason::NotRoot,
        ) => ReturnCode::AUTHINFO_UNAVAIL,
        PolicyDemand::Refused(_) | PolicyDemand::Uniform(LoginResult::Refused) => {
            ReturnCode::AUTH_ERR
        }
    };
    (code, problem)
}

/// The questions of the lines that had their turn. Only the first line that checks a password asks for it.
fn asks(
    simulation: &StackSimulation<'_>,
    called: &[usize],
    demanded: PolicyDemand,
    problem: Option<LoginReason>,
) -> Vec<&'static str> {
    let mut asks: Vec<&'static str> = Vec::new();
    for at in called {
        let module = simulation.module(*at);
        let one_field = module.is_some_and(|module| module.has("forward_pass"));
        let typed = asks.iter().any(|ask| ask.starts_with("password"));
        match (simulation.part(*at), demanded) {
            (Some(ModuleRole::Password), _) if !typed => asks.push("password"),
            (Some(ModuleRole::Ours), PolicyDemand::Code | PolicyDemand::Uniform(_))
                if problem.is_none() =>
            {
                asks.push(if one_field {
                    "password-and-code"
                } else {
                    "code"
                });
            }
            (Some(ModuleRole::Ours), PolicyDemand::Nothing(_))
                if one_field && !typed && problem.is_none() =>
            {
                asks.push("password");
            }
            _ => {}
        }
    }
    asks
}

/// sshd's method `password`, and programs like it: the password is the answer to both questions.
pub fn one_answer(pam: &LoginPath, demanded: PolicyDemand, why: LoginReason) -> LoginPath {
    let two = pam.asks.contains(&"code");
    match demanded {
        PolicyDemand::Code if two => LoginPath::new(&["password"], LoginResult::Refused, Some(why)),
        PolicyDemand::Uniform(_) if two => LoginPath::new(&["password"], pam.result, pam.why),
        _ => pam.clone(),
    }
}

/// sshd_config(5), PermitRootLogin.
fn root_may(setting: &str, methods: &[String]) -> bool {
    match setting {
        "no" => false,
        "yes" => true,
        _ => {
            !methods
                .iter()
                .any(|method| method == DIALOGUE || method == PASSWORD)
                || methods.iter().any(|method| method == KEY)
        }
    }
}
