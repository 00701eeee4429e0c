//! Questions of sshd's PAM file, as far as they count for sshd's settings.

use super::super::pam::{ConfigError, ServiceStacks};
use super::super::stack_simulation::StackSimulation;

/// Questions of the auth lines of sshd's stack.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SshdDialogue {
    /// Password and code, one after the other.
    Both,
    /// Password and code in one field.
    OneField,
    /// A code and no password.
    CodeOnly,
}

impl SshdDialogue {
    /// The dialogues of these stacks; [`Self::Both`] if they cannot be read.
    pub fn of(stacks: &Result<ServiceStacks, ConfigError>) -> Self {
        let Ok(stacks) = stacks else {
            return Self::Both;
        };
        let simulation = StackSimulation {
            handlers: &stacks.auth,
            facts: None,
            found: &|_| true,
        };
        let one_field = simulation
            .ours()
            .into_iter()
            .filter_map(|at| simulation.module(at))
            .any(|module| module.has("forward_pass"));
        match (
            one_field,
            simulation.passwords().is_empty(),
            simulation.ours().is_empty(),
        ) {
            (true, ..) => Self::OneField,
            (false, true, false) => Self::CodeOnly,
            _ => Self::Both,
        }
    }
}
