//! Check that the account line binds: only there can users be refused who have to enroll.
//!
//! The auth lines let them pass without a word and leave a mark, which the account line of the same policy and state directory finds.

use std::collections::BTreeSet;

use twofactor_core::{POLICY_FILE, STATE_DIR};

use super::super::module_facts::ModuleRole;
use super::super::pam::{ModuleCall, ReturnCode, ServiceStacks};
use super::super::stack_simulation::{StackSimulation, looks_at_users};

/// Answers of other account lines that are tried. A password that has to be changed is no refusal.
const ANSWERS: [ReturnCode; 4] = [
    ReturnCode::SUCCESS,
    ReturnCode::NEW_AUTHTOK_REQD,
    ReturnCode::AUTH_ERR,
    ReturnCode::IGNORE,
];
/// Arguments that say which files a line uses, and the files without them.
const FILES: [(&str, &str); 2] = [("policy=", POLICY_FILE), ("state=", STATE_DIR)];

/// Reason why a user that the account line refuses is let in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum AccountFault {
    /// No account line has the files of this auth line.
    OtherFiles {
        /// The auth line.
        auth: usize,
    },
    /// The line is reached, and its refusal counts for nothing.
    Ignored {
        /// The line.
        line: usize,
    },
    /// The line is not reached.
    Skipped {
        /// The line.
        line: usize,
        /// The last one before that had its turn.
        by: Option<usize>,
    },
    /// The line is reached or not, as another one answers that looks at who the user is.
    Depends {
        /// The line.
        line: usize,
        /// The other one.
        on: usize,
    },
    /// No line lets in the users that the module lets pass: it ignores them, and libpam refuses where no line decides.
    NoneLetsIn,
}

/// The account lines of a service whose auth lines name the module.
pub(super) struct AccountStack<'a> {
    auth: StackSimulation<'a>,
    account: StackSimulation<'a>,
}

impl<'a> AccountStack<'a> {
    /// The account lines of these stacks. `found` is true for modules that libpam finds.
    pub(super) fn of(stacks: &'a ServiceStacks, found: &'a dyn Fn(&ModuleCall) -> bool) -> Self {
        let simulation = |handlers| StackSimulation {
            handlers,
            facts: None,
            found,
        };
        Self {
            auth: simulation(&stacks.auth),
            account: simulation(&stacks.account),
        }
    }

    /// The auth lines.
    pub(super) const fn auth(&self) -> &StackSimulation<'a> {
        &self.auth
    }

    /// The account lines.
    pub(super) const fn account(&self) -> &StackSimulation<'a> {
        &self.account
    }

    /// The first fault; those that are certain before those that depend on the user.
    pub(super) fn fault(&self) -> Option<AccountFault> {
        let mut looked_at = BTreeSet::new();
        let mut faults = Vec::new();
        for auth in self.auth.ours() {
            let files = files(&self.auth, auth);
            if looked_at.insert(files) {
                faults.extend(self.fault_of(auth, files));
            }
        }
        faults.sort_by_key(|fault| matches!(fault, AccountFault::Depends { .. }));
        let none_lets_in = (!self.lets_in()).then_some(AccountFault::NoneLetsIn);
        faults.first().copied().or(none_lets_in)
    }

    /// True if users pass that the module lets pass, or if that depends on the user.
    pub(super) fn lets_in(&self) -> bool {
        let mut lines = 0..self.account.handlers.len();
        let depends = lines.any(|at| self.account.module(at).is_some_and(looks_at_users));
        depends || self.passed(&[], None).is_some()
    }

    /// The fault for users who pass an auth line with these files.
    fn fault_of(&self, auth: usize, files: [&str; 2]) -> Option<AccountFault> {
        let same = |at: &usize| self::files(&self.account, *at) == files;
        let lines: Vec<usize> = self.account.ours().into_iter().filter(same).collect();
        let Some(line) = lines.first().copied() else {
            return Some(AccountFault::OtherFiles { auth });
        };
        self.passed(&lines, None)
            .map(|called| fault(line, &lines, &called))
            .or_else(|| self.other_answers(line, &lines))
    }

    /// The fault that shows where one of the other lines answers otherwise than is usual.
    fn other_answers(&self, line: usize, lines: &[usize]) -> Option<AccountFault> {
        let mut depends = None;
        for at in 0..self.account.handlers.len() {
            let role = self.account.part(at);
            let Some(module) = self.account.module(at) else {
                continue;
            };
            if !matches!(role, Some(ModuleRole::Password | ModuleRole::Open)) {
                continue;
            }
            // Of the caller, as pam_rootok.so is in the auth lines: who gives no password needs no device.
            if module.arguments.iter().any(|word| word == "use_uid") {
                continue;
            }
            let passes = |code: &ReturnCode| self.passed(lines, Some((at, *code)));
            let Some(called) = ANSWERS.iter().find_map(passes) else {
                continue;
            };
            if !looks_at_users(module) {
                return Some(fault(line, lines, &called));
            }
            depends = depends.or(Some(AccountFault::Depends { line, on: at }));
        }
        depends
    }

    /// The lines that had their turn, where the login passes although `lines` refuse.
    fn passed(&self, lines: &[usize], unusual: Option<(usize, ReturnCode)>) -> Option<Vec<usize>> {
        let walk = self.account.walk_account(lines, unusual);
        let passes = [ReturnCode::SUCCESS, ReturnCode::NEW_AUTHTOK_REQD].contains(&walk.status);
        passes.then_some(walk.called)
    }
}

/// The fault of a login that passed these lines, where `lines` refuse.
fn fault(line: usize, lines: &[usize], called: &[usize]) -> AccountFault {
    match called.iter().find(|at| lines.contains(at)) {
        Some(reached) => AccountFault::Ignored { line: *reached },
        None => AccountFault::Skipped {
            line,
            by: called.iter().rev().find(|at| **at < line).copied(),
        },
    }
}

/// The files that a line uses: policy and state directory.
fn files<'a>(simulation: &StackSimulation<'a>, at: usize) -> [&'a str; 2] {
    let arguments = simulation.module(at).map(|module| &module.arguments);
    FILES.map(|(key, default)| {
        let mut given = arguments.into_iter().flatten();
        let named = given.find_map(|word| word.strip_prefix(key));
        named.unwrap_or(default)
    })
}
