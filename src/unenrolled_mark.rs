//! The marks of the authentication phase, which its account phase goes by: an account that a line of the module found without a
//! device.
//!
//! A stack may have several lines, each with a policy and a state directory of its own. None takes back what another one found.

use std::path::{Path, PathBuf};

use crate::module_arguments::ModuleArguments;

/// Finding of one PAM line: an account has no device in a state directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnenrolledMark {
    /// The name of the account.
    pub account: String,
    policy: PathBuf,
    state: PathBuf,
}

impl UnenrolledMark {
    /// The finding of a line with these arguments.
    pub fn new(arguments: &ModuleArguments, account: &str) -> Self {
        Self {
            account: account.to_owned(),
            policy: arguments.policy.clone(),
            state: arguments.state.clone(),
        }
    }

    /// True if a line with these arguments made it: one with the same policy and state directory.
    pub fn is_of(&self, arguments: &ModuleArguments) -> bool {
        self.policy == arguments.policy && self.is_in(&arguments.state)
    }

    /// True if it says that there is no device in this state directory, whatever policy asked for one.
    pub fn is_in(&self, state: &Path) -> bool {
        self.state == state
    }
}

/// The mark that a line goes by: its own, or else the last one. Whatever line made it, no user without the device that it
/// asks for is let in by a stack whose account lines differ.
pub fn of<'m>(
    marks: &'m [UnenrolledMark],
    arguments: &ModuleArguments,
) -> Option<&'m UnenrolledMark> {
    let own = marks.iter().find(|mark| mark.is_of(arguments));
    own.or_else(|| marks.last())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tests::stage::{ENROLLED, NEWCOMER, StagedTransaction};

    #[test]
    fn a_line_goes_by_its_own_mark_before_others() {
        let own = StagedTransaction::new("enabled = true\n").arguments;
        let (mut other, mut third) = (own.clone(), own.clone());
        other.policy = "/etc/other.toml".into();
        third.state = "/srv/other".into();
        let marks = [
            UnenrolledMark::new(&own, ENROLLED),
            UnenrolledMark::new(&other, NEWCOMER),
        ];
        assert_eq!(of(&marks, &own), marks.first());
        assert_eq!(of(&marks, &other), marks.last());
        assert_eq!(of(&marks, &third), marks.last());
        assert_eq!(of(&[], &own), None);
    }
}
