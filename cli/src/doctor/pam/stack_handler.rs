//! The parts of a stack: its lines, and the modules they name.

use std::fmt;

use super::control::ModuleControl;

/// Purpose of a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ManagementGroup {
    /// `auth`.
    Auth,
    /// `account`.
    Account,
    /// `session`.
    Session,
    /// `password`.
    Password,
}

/// Place of a line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigPlace {
    /// The file.
    pub file: String,
    /// Its line, from 1.
    pub line: usize,
}

impl fmt::Display for ConfigPlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} line {}", self.file, self.line)
    }
}

/// One line of a stack.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StackHandler {
    /// Its place.
    pub place: ConfigPlace,
    /// In how many substacks.
    pub level: usize,
    /// Action for each answer.
    pub control: ModuleControl,
    /// Source of the answer.
    pub run: HandlerType,
}

/// Source of the answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HandlerType {
    /// A module.
    Module(ModuleCall),
    /// Nothing: the line cannot be used, for this reason, and refuses.
    Fails(&'static str),
    /// Nothing: a substack begins after it.
    Substack,
}

/// A module as a line names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ModuleCall {
    /// Name, or absolute path.
    pub path: String,
    /// Arguments.
    pub arguments: Vec<String>,
}

impl ModuleCall {
    /// The name of its file.
    pub fn name(&self) -> &str {
        self.path.rsplit('/').next().unwrap_or_default()
    }

    /// True if an argument is given.
    pub fn has(&self, argument: &str) -> bool {
        self.arguments.iter().any(|word| word == argument)
    }
}

/// A PAM file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigFile {
    /// Path at which it was found.
    pub path: String,
    /// Its text.
    pub text: String,
}

/// Source of PAM files.
pub trait ConfigFiles {
    /// The file of a service, or at an absolute path; `None` when it cannot be read.
    fn open(&self, name: &str) -> Option<ConfigFile>;
}

/// The stacks of a service.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ServiceStacks {
    /// Its own file; without one it is that of `other`.
    pub file: Option<String>,
    /// Its `auth` lines.
    pub auth: Vec<StackHandler>,
    /// Origin of the auth lines.
    pub auth_of: StackOrigin,
    /// Its `account` lines.
    pub account: Vec<StackHandler>,
    /// Origin of the account lines.
    pub account_of: StackOrigin,
    /// Its `session` lines.
    pub session: Vec<StackHandler>,
}

/// Origin of the lines of a stack.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum StackOrigin {
    /// Lines of the service's own file.
    #[default]
    Own,
    /// Lines of `other`: the service's own file has none of this kind.
    Other,
}

/// Reason why libpam refuses every transaction of a service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigError {
    /// Place, if it is in a file.
    pub place: Option<ConfigPlace>,
    /// The fault.
    pub why: String,
}
