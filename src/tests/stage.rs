//! A PAM application that answers from a list and remembers everything, before real files and real accounts.
//!
//! tests/module/returns proves the same through real libpam; here a test is cheap enough to be run for every mutant.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, VecDeque};
use std::fs;
use std::path::PathBuf;

use zeroize::Zeroizing;

use crate::auth_phase;
use crate::module_arguments::{FileChoice, FirstPass, LogDetail, ModuleArguments, PromptLayout};
use crate::recovery_claim::RecoveryClaim;
use crate::return_codes::AuthResult;
use crate::ticket_claim::TicketClaim;
use crate::transaction::{EchoMode, LogPriority, MessageMode, NoAnswer, PamTransaction};
use crate::unenrolled_mark::UnenrolledMark;
use twofactor_core::device::{Device, OtpKind};
use twofactor_core::state::UserState;
use twofactor_store::PolicyFile;
use twofactor_store::sys::accounts;
use twofactor_store::testing::{ScratchStore, device, enroll_devices};

/// The account with a token. Every machine has it.
pub const ENROLLED: &str = "root";
/// One without.
pub const NEWCOMER: &str = "daemon";
/// The question of a policy without a prompt of its own.
pub const QUESTION: (&str, &str) = ("asks", "Verification code: ");
pub const WRONG: (&str, &str) = ("complains", "Wrong code.");

/// One machine and one transaction on it.
pub struct StagedTransaction {
    pub scratch: ScratchStore,
    pub arguments: ModuleArguments,
    pub messages: MessageMode,
    pub user: Option<Vec<u8>>,
    pub service: Option<Vec<u8>>,
    pub rhost: Option<Vec<u8>>,
    pub ruser: Option<Vec<u8>>,
    pub password: Option<Vec<u8>>,
    pub marks: Vec<UnenrolledMark>,
    pub has_daemon: bool,
    pub claimed: Option<TicketClaim>,
    pub recovered: Option<RecoveryClaim>,
    pub expects_session: bool,
    pub tty: Option<Vec<u8>>,
    pub columns: Option<usize>,
    pub variables: BTreeMap<String, String>,
    /// Number of times that any variable was looked up.
    pub lookups: Cell<usize>,
    pub delays: Vec<u32>,
    /// Action that happens while the first question is open.
    pub meanwhile: Option<fn(&mut Self)>,
    pub answers: VecDeque<Vec<u8>>,
    said: Vec<(&'static str, String)>,
    logged: RefCell<Vec<(LogPriority, String)>>,
}

impl StagedTransaction {
    pub fn new(policy: &str) -> Self {
        let scratch = ScratchStore::new();
        let account = accounts::by_name(ENROLLED).unwrap().unwrap();
        enroll_devices(&scratch.store(), &account, &[token()]);
        let file = scratch.path().join("policy.toml");
        let arguments = ModuleArguments {
            policy: file,
            state: scratch.top(),
            detail: LogDetail::Outcomes,
            first_pass: FirstPass::Unused,
            layout: PromptLayout::Code,
            files: FileChoice::Other,
        };
        let stage = Self {
            scratch,
            arguments,
            messages: MessageMode::Wanted,
            user: Some(ENROLLED.into()),
            service: Some(b"login".to_vec()),
            rhost: None,
            ruser: None,
            password: None,
            marks: Vec::new(),
            has_daemon: true,
            claimed: None,
            recovered: None,
            expects_session: false,
            tty: None,
            columns: None,
            variables: BTreeMap::new(),
            lookups: Cell::default(),
            delays: Vec::new(),
            meanwhile: None,
            answers: VecDeque::new(),
            said: Vec::new(),
            logged: RefCell::default(),
        };
        stage.set_policy(policy);
        stage
    }

    pub fn of(user: &str, policy: &str) -> Self {
        let mut stage = Self::new(policy);
        stage.user = Some(user.into());
        stage
    }

    pub fn set_policy(&self, text: &str) {
        fs::write(PolicyFile::new(&self.arguments.policy).path(), text).unwrap();
    }

    /// Runs the authentication phase with these answers; a question beyond them gets none.
    pub fn run(&mut self, answers: &[&str]) -> AuthResult {
        self.answers = answers.iter().map(|it| it.as_bytes().to_vec()).collect();
        self.said.clear();
        self.logged.get_mut().clear();
        self.delays.clear();
        let arguments = self.arguments.clone();
        let messages = self.messages;
        auth_phase::authenticate(self, &arguments, messages)
    }

    /// Leaves the mark of an earlier attempt of the same line.
    pub fn mark(&mut self, account: &str) {
        self.marks = vec![UnenrolledMark::new(&self.arguments, account)];
    }

    /// The account of the last mark.
    pub fn marked(&self) -> Option<&str> {
        self.marks.last().map(|mark| mark.account.as_str())
    }

    /// Questions and messages, in order.
    pub fn said(&self) -> Vec<(&str, &str)> {
        let said = self.said.iter();
        said.map(|(how, text)| (*how, text.as_str())).collect()
    }

    /// The log lines, without the part that all of them begin with.
    pub fn logged(&self) -> Vec<(LogPriority, String)> {
        self.logged.borrow().clone()
    }

    /// The only log line.
    pub fn line(&self) -> (LogPriority, String) {
        let lines = self.logged();
        assert_eq!(lines.len(), 1, "{lines:?}");
        lines[0].clone()
    }

    /// Stored state of the enrolled account.
    pub fn state(&self) -> UserState {
        let bytes = fs::read(self.state_file()).unwrap();
        twofactor_core::state::decode_file(&bytes).unwrap().state
    }

    /// Stores something else.
    pub fn set_state(&self, state: &UserState) {
        fs::write(self.state_file(), twofactor_core::state::encode_file(state)).unwrap();
    }

    fn state_file(&self) -> PathBuf {
        self.scratch.top().join("state").join(ENROLLED)
    }
}

/// The device of the enrolled account: counted, so that each test has as many codes as it likes.
fn token() -> Device {
    device("token", 2, OtpKind::Hotp)
}

/// A code of it.
pub fn code(counter: u64) -> String {
    token().code(counter).reveal().to_string()
}

impl PamTransaction for StagedTransaction {
    fn user(&mut self) -> Result<Vec<u8>, NoAnswer> {
        self.user.clone().ok_or(NoAnswer)
    }

    fn service(&self) -> Option<Vec<u8>> {
        self.service.clone()
    }

    fn rhost(&self) -> Option<Vec<u8>> {
        self.rhost.clone()
    }

    fn ruser(&self) -> Option<Vec<u8>> {
        self.ruser.clone()
    }

    fn has_terminal(&self) -> bool {
        true
    }

    fn tty(&self) -> Option<Vec<u8>> {
        self.tty.clone()
    }

    fn columns(&self) -> Option<usize> {
        self.columns
    }

    fn set_variable(&mut self, assignment: &str) -> Result<(), NoAnswer> {
        let (name, value) = match assignment.split_once('=') {
            Some((name, value)) => (name, Some(value.to_owned())),
            None => (assignment, None),
        };
        match value {
            Some(value) => _ = self.variables.insert(name.to_owned(), value),
            None => _ = self.variables.remove(name),
        }
        Ok(())
    }

    fn variable(&self, name: &str) -> Option<String> {
        self.lookups.set(self.lookups.get() + 1);
        self.variables.get(name).cloned()
    }

    fn password(&self) -> Option<Zeroizing<Vec<u8>>> {
        self.password.clone().map(Zeroizing::new)
    }

    fn set_password(&mut self, password: &[u8]) -> Result<(), NoAnswer> {
        self.password = Some(password.to_vec());
        Ok(())
    }

    fn ask(&mut self, prompt: &str, echo: EchoMode) -> Result<Zeroizing<Vec<u8>>, NoAnswer> {
        let how = match echo {
            EchoMode::Hidden => "asks",
            EchoMode::Shown => "asks, showing",
        };
        self.said.push((how, prompt.to_owned()));
        if let Some(meanwhile) = self.meanwhile.take() {
            meanwhile(self);
        }
        self.answers.pop_front().map(Zeroizing::new).ok_or(NoAnswer)
    }

    fn inform(&mut self, text: &str) {
        self.said.push(("informs", text.to_owned()));
    }

    fn complain(&mut self, text: &str) {
        self.said.push(("complains", text.to_owned()));
    }

    fn claim_ticket(&mut self, claim: Option<TicketClaim>) {
        self.claimed = claim;
    }

    fn has_daemon(&self) -> bool {
        self.has_daemon
    }

    fn ticket_claim(&self) -> Option<TicketClaim> {
        self.claimed.clone()
    }

    fn expect_session(&mut self, is_expected: bool) {
        self.expects_session = is_expected;
    }

    fn expects_session(&self) -> bool {
        self.expects_session
    }

    fn claim_recovery(&mut self, claim: Option<RecoveryClaim>) {
        self.recovered = claim;
    }

    fn recovery_claim(&self) -> Option<RecoveryClaim> {
        self.recovered.clone()
    }

    fn set_unenrolled_marks(&mut self, marks: Vec<UnenrolledMark>) -> Result<(), NoAnswer> {
        self.marks = marks;
        Ok(())
    }

    fn unenrolled_marks(&self) -> Vec<UnenrolledMark> {
        self.marks.clone()
    }

    fn delay_failure(&mut self, seconds: u32) {
        self.delays.push(seconds);
    }

    fn log(&self, priority: LogPriority, line: &str) {
        self.logged.borrow_mut().push((priority, line.to_owned()));
    }
}
