//! Names in `[[exempt]]` and `[[require]]` by which an entry applies to no user, or as which no user logs in.

pub mod exempt_names;
pub mod require_names;

use std::fmt;

use twofactor_core::log::log_line::LogLine;
use twofactor_core::log::unusable_name::{unusable_group, unusable_user};
use twofactor_core::policy::Policy;

/// A name that no login goes by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnmatchedName {
    /// The table that has it.
    pub table: NamingTable,
    /// The name of a user or of a group.
    pub kind: NameKind,
    /// The name.
    pub name: String,
    /// The login name of the account that is also known by this one.
    pub account: Option<String>,
    /// The fault alone.
    pub error: String,
    /// The fault, and what that does.
    pub cause: String,
    /// The step to take about it.
    pub fix: String,
}

/// A table of the policy that names users and groups.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NamingTable {
    /// `[[exempt]]`
    Exempt,
    /// `[[require]]`
    Require,
}

/// Subject of a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NameKind {
    /// A user.
    User,
    /// A group.
    Group,
}

impl UnmatchedName {
    /// In one line.
    pub fn warning(&self) -> String {
        format!("{}. {}", self.cause, self.fix)
    }

    /// The log line.
    pub fn line(&self, by: u32) -> LogLine {
        let line = match self.kind {
            NameKind::User => {
                let about = LogLine::default().with("user", &self.name);
                unusable_user(about, self.account.as_deref(), &self.error)
            }
            NameKind::Group => unusable_group(LogLine::default(), &self.name, &self.error),
        };
        line.with("table", &self.table).with("by", &by)
    }
}

impl fmt::Display for NamingTable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Exempt => "exempt",
            Self::Require => "require",
        })
    }
}

/// All of a policy, each once. Every name is looked up, which may take its time.
pub fn find(policy: &Policy) -> Vec<UnmatchedName> {
    let mut found = exempt_names::find(policy);
    found.extend(require_names::find(policy));
    found
}
