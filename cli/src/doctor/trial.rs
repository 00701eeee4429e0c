//! Logins on paper: a stack is walked with right and wrong passwords and codes.
#![forbid(unsafe_code)]

use super::modules::{Facts, Part, part};
use super::pam::{Action, Code, Handler, Module, Run, Walk, dispatch};

/// The auth lines of a service, as one user meets them, or anybody.
pub struct Trial<'a> {
    /// The lines.
    pub handlers: &'a [Handler],
    /// Who logs in.
    pub facts: Option<&'a Facts<'a>>,
    /// Whether libpam finds a module.
    pub found: &'a dyn Fn(&Module) -> bool,
}

/// One login.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Login {
    /// What was typed as the password.
    pub password: Password,
    /// What pam_twofactor.so answers.
    pub ours: Code,
    /// One line that answers something else than is usual.
    pub unusual: Option<(usize, Code)>,
}

/// What was typed as the password.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Password {
    /// The one that this line accepts, and no other.
    RightFor(usize),
    /// One that nobody accepts.
    Wrong,
}

impl Login {
    /// The usual one.
    pub const fn new(password: Password, ours: Code) -> Self {
        Self {
            password,
            ours,
            unusual: None,
        }
    }

    /// The same, with another answer of one line.
    pub const fn but(self, line: usize, code: Code) -> Self {
        Self {
            unusual: Some((line, code)),
            ..self
        }
    }
}

impl<'a> Trial<'a> {
    /// What libpam does.
    pub fn walk(&self, login: Login) -> Walk {
        dispatch(self.handlers, &mut |at, module| match login.unusual {
            _ if !(self.found)(module) => Code::MODULE_UNKNOWN,
            Some((line, code)) if line == at => code,
            _ => self.answer(at, module, login),
        })
    }

    /// The lines that ask for a code.
    pub fn ours(&self) -> Vec<usize> {
        self.lines(Part::Ours)
    }

    /// The lines that check a password.
    pub fn passwords(&self) -> Vec<usize> {
        self.lines(Part::Password)
    }

    /// The lines whose answer nobody can tell.
    pub fn open(&self) -> Vec<usize> {
        self.lines(Part::Open)
    }

    /// Every way to pass: with the password that a line accepts, or without any where none is checked.
    pub fn ways(&self) -> Vec<Password> {
        let lines: Vec<Password> = self
            .passwords()
            .into_iter()
            .map(Password::RightFor)
            .collect();
        match lines.is_empty() {
            true => vec![Password::Wrong],
            false => lines,
        }
    }

    /// What a line does.
    pub fn part(&self, at: usize) -> Option<Part> {
        self.module(at).map(|module| part(module, self.facts))
    }

    /// The module of a line.
    pub fn module(&self, at: usize) -> Option<&'a Module> {
        match self.handlers.get(at).map(|handler| &handler.run) {
            Some(Run::Module(module)) => Some(module),
            _ => None,
        }
    }

    fn lines(&self, wanted: Part) -> Vec<usize> {
        (0..self.handlers.len())
            .filter(|at| self.part(*at) == Some(wanted))
            .collect()
    }

    fn answer(&self, at: usize, module: &Module, login: Login) -> Code {
        match part(module, self.facts) {
            Part::Ours => login.ours,
            Part::Always(code) => code,
            Part::Password => match login.password == Password::RightFor(at) {
                true => Code::SUCCESS,
                false => Code::AUTH_ERR,
            },
            Part::Open => self.usual(at),
        }
    }

    /// Of what nobody can tell, the answer with which an ordinary login goes on: passed, unless that is a short cut.
    fn usual(&self, at: usize) -> Code {
        let action = |code| {
            self.handlers
                .get(at)
                .map(|handler| handler.control.action(code))
        };
        let short_cut = matches!(action(Code::SUCCESS), Some(Action::Done | Action::Jump(_)));
        let harmless = !matches!(
            action(Code::AUTH_ERR),
            Some(Action::Bad | Action::Die) | None
        );
        match short_cut && harmless {
            true => Code::AUTH_ERR,
            false => Code::SUCCESS,
        }
    }
}
