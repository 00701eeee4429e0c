//! Simulation of a PAM stack with right and wrong passwords and codes.

use super::module_facts::{LoginFacts, ModuleRole, part};
use super::pam::{
    ControlAction, DispatchResult, HandlerType, ModuleCall, ReturnCode, StackHandler, dispatch,
};

/// True if the role of an auth line depends on the user: [`part`] looks at the facts.
pub fn looks_at_users(module: &ModuleCall) -> bool {
    ["pam_succeed_if.so", "pam_usertype.so"].contains(&module.name())
}

/// The auth lines of a service, as one user meets them, or any user.
pub struct StackSimulation<'a> {
    /// The lines.
    pub handlers: &'a [StackHandler],
    /// The user and service of the login.
    pub facts: Option<&'a LoginFacts<'a>>,
    /// True if libpam finds a module.
    pub found: &'a dyn Fn(&ModuleCall) -> bool,
}

/// One login.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SimulatedLogin {
    /// Text typed as the password.
    pub password: TypedPassword,
    /// Answer of pam_twofactor.so.
    pub ours: ReturnCode,
    /// One line that answers something else than is usual.
    pub unusual: Option<(usize, ReturnCode)>,
}

/// Text typed as the password.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TypedPassword {
    /// The one that this line accepts, and no other.
    RightFor(usize),
    /// One that no module accepts.
    Wrong,
}

impl SimulatedLogin {
    /// The usual one.
    pub const fn new(password: TypedPassword, ours: ReturnCode) -> Self {
        Self {
            password,
            ours,
            unusual: None,
        }
    }

    /// This login, with another answer of one line.
    pub const fn but(self, line: usize, code: ReturnCode) -> Self {
        Self {
            unusual: Some((line, code)),
            ..self
        }
    }
}

impl<'a> StackSimulation<'a> {
    /// Result of libpam.
    pub fn walk(&self, login: SimulatedLogin) -> DispatchResult {
        dispatch(self.handlers, &mut |at, module| match login.unusual {
            _ if !(self.found)(module) => ReturnCode::MODULE_UNKNOWN,
            Some((line, code)) if line == at => code,
            _ => self.answer(at, module, login),
        })
    }

    /// Result of libpam if these are account lines. Lines in `refusing` refuse, and other lines of this module return PAM_IGNORE.
    /// All other lines succeed; lines that depend on the user give their usual answer. `unusual` overrides the answer of one
    /// line.
    pub fn walk_account(
        &self,
        refusing: &[usize],
        unusual: Option<(usize, ReturnCode)>,
    ) -> DispatchResult {
        dispatch(self.handlers, &mut |at, module| match unusual {
            _ if !(self.found)(module) => ReturnCode::MODULE_UNKNOWN,
            Some((line, code)) if line == at => code,
            _ => match part(module, self.facts) {
                ModuleRole::Ours if refusing.contains(&at) => ReturnCode::PERM_DENIED,
                ModuleRole::Ours => ReturnCode::IGNORE,
                ModuleRole::Always(code) => code,
                ModuleRole::Open if looks_at_users(module) => self.usual(at),
                ModuleRole::Password | ModuleRole::Open => ReturnCode::SUCCESS,
            },
        })
    }

    /// The lines that ask for a code.
    pub fn ours(&self) -> Vec<usize> {
        self.lines(ModuleRole::Ours)
    }

    /// The lines that check a password.
    pub fn passwords(&self) -> Vec<usize> {
        self.lines(ModuleRole::Password)
    }

    /// The lines whose answer cannot be told.
    pub fn open(&self) -> Vec<usize> {
        self.lines(ModuleRole::Open)
    }

    /// Every way to pass: with the password that a line accepts, or without any where none is checked.
    pub fn ways(&self) -> Vec<TypedPassword> {
        let lines: Vec<TypedPassword> = self
            .passwords()
            .into_iter()
            .map(TypedPassword::RightFor)
            .collect();
        if lines.is_empty() {
            vec![TypedPassword::Wrong]
        } else {
            lines
        }
    }

    /// Role of a line.
    pub fn part(&self, at: usize) -> Option<ModuleRole> {
        self.module(at).map(|module| part(module, self.facts))
    }

    /// The module of a line.
    pub fn module(&self, at: usize) -> Option<&'a ModuleCall> {
        match self.handlers.get(at).map(|handler| &handler.run) {
            Some(HandlerType::Module(module)) => Some(module),
            _ => None,
        }
    }

    fn lines(&self, wanted: ModuleRole) -> Vec<usize> {
        (0..self.handlers.len())
            .filter(|at| self.part(*at) == Some(wanted))
            .collect()
    }

    fn answer(&self, at: usize, module: &ModuleCall, login: SimulatedLogin) -> ReturnCode {
        match part(module, self.facts) {
            ModuleRole::Ours => login.ours,
            ModuleRole::Always(code) => code,
            ModuleRole::Password => {
                if login.password == TypedPassword::RightFor(at) {
                    ReturnCode::SUCCESS
                } else {
                    ReturnCode::AUTH_ERR
                }
            }
            ModuleRole::Open => self.usual(at),
        }
    }

    /// The answer of a line that depends on the login, as in an ordinary login: success, unless that is a short cut. A jump over
    /// lines that refuse all users is no short cut: an ordinary login has to make it.
    fn usual(&self, at: usize) -> ReturnCode {
        let action = |code| {
            self.handlers
                .get(at)
                .map(|handler| handler.control.action(code))
        };
        let short_cut = matches!(
            action(ReturnCode::SUCCESS),
            Some(ControlAction::Done | ControlAction::Jump(_))
        );
        let harmless = !matches!(
            action(ReturnCode::AUTH_ERR),
            Some(ControlAction::Bad | ControlAction::Die) | None
        );
        if short_cut && harmless && !self.jumps_over_refusals(at) {
            ReturnCode::AUTH_ERR
        } else {
            ReturnCode::SUCCESS
        }
    }

    /// True if a line that passes jumps over lines alone that refuse all users, as pam_deny.so does.
    fn jumps_over_refusals(&self, at: usize) -> bool {
        let handler = self.handlers.get(at);
        let action = handler.map(|handler| handler.control.action(ReturnCode::SUCCESS));
        let Some(ControlAction::Jump(count)) = action else {
            return false;
        };
        let refuses = |at: usize| {
            let code = match self.part(at) {
                Some(ModuleRole::Always(code)) => code,
                _ => return false,
            };
            !matches!(code, ReturnCode::SUCCESS | ReturnCode::IGNORE)
        };
        count > 0 && (1..=count as usize).all(|next| refuses(at + next))
    }
}
