//! The daemon's answers on real files, without sockets: below the directory for temporary files, which `fuzz/run` removes.

use std::fs;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use serde_json::Value;
use twofactor_core::account::Account;
use twofactor_core::record::UserRecord;
use twofactor_core::state::{UserState, decode_file};
use twofactor_core::verify::AnswerForm;
use twofactor_protocol::gate_call::GateAnswer;
use twofactor_protocol::reply::ServiceError;
use twofactor_protocol::service::{ChangeCall, StatusReply};
use twofactor_protocol::verify_call::VerifyAnswer;
use twofactor_store::change_tickets::TicketStore;
use twofactor_store::operations::{
    self, EarlierInvitation, InvitationResult, InvitationTerms, UserFactor,
};
use twofactor_store::sys::clock;
use twofactor_store::testing::SilentLog;
use twofactor_store::{FactorStore, MarkDisagreement};
use twofactord::fuzzing::{
    AskedAccount, CallResponse, CallingProcess, ConnectionMemory, FactorAccess, FactorUnavailable,
    FileFactors, response,
};

use crate::store;

/// The users, in the order of their uids from [`FIRST_UID`] on.
pub const USERS: [&str; 2] = ["alice", "bob"];
const FIRST_UID: u32 = 1000;

/// The files of a daemon, and the daemon's way to them.
pub struct DaemonMachine {
    directory: PathBuf,
    factors: AccountFactors,
    tickets: TicketStore,
}

/// The factors in the files, and accounts that no database has.
struct AccountFactors(FileFactors);

impl DaemonMachine {
    /// Needs root: files of others are refused.
    #[must_use]
    pub fn new() -> Self {
        let directory = store::make_top();
        let (policy, state) = (directory.join("policy.toml"), directory.join("store"));
        FactorStore::initialize(&state, &policy, MarkDisagreement::Settle).unwrap();
        let tickets = TicketStore::at(&directory.join("tickets"));
        Self {
            factors: AccountFactors(FileFactors::new(&policy, &state, tickets.clone())),
            directory,
            tickets,
        }
    }

    /// Removes what is kept about all users.
    pub fn empty(&self) {
        for part in ["store/users", "store/state", "tickets"] {
            for entry in entries(&self.directory.join(part)) {
                if entry.is_dir() {
                    fs::remove_dir_all(entry).unwrap();
                } else {
                    fs::remove_file(entry).unwrap();
                }
            }
        }
    }

    /// Writes the policy.
    pub fn policy(&self, text: &str) {
        let mut options = fs::OpenOptions::new();
        options.write(true).create(true).truncate(true).mode(0o600);
        let mut file = options.open(self.directory.join("policy.toml")).unwrap();
        std::io::Write::write_all(&mut file, text.as_bytes()).unwrap();
    }

    /// Stops the clocks at a time.
    pub fn clock(&self, seconds: u64) {
        clock::stopped::at(seconds);
    }

    /// A user logs in with the password, in this audit session.
    pub fn log_in(&self, user: usize, session: u32) {
        self.tickets.issue(uid(user), session).unwrap();
    }

    /// Root invites a user, who has no device, until a time: the code, as it is compared.
    pub fn invite(&self, user: usize, now: u64, expires: u64) -> String {
        let store = FactorStore::open(
            &self.directory.join("store"),
            &self.directory.join("policy.toml"),
        );
        let (store, account) = (store.unwrap(), account(user));
        let factor = UserFactor {
            store: &store,
            account: &account,
            audit: &SilentLog,
        };
        let terms = InvitationTerms {
            now,
            expires,
            earlier: EarlierInvitation::Replace,
        };
        match operations::invite(&factor, terms).unwrap() {
            InvitationResult::Issued(code) => code.grouped().replace('-', ""),
            _ => panic!("no code"),
        }
    }

    /// The reply to a message of a user, read as JSON; `None` where the connection is closed.
    pub fn answer(
        &self,
        message: &[u8],
        (user, session): (usize, Option<u32>),
        conversation: &mut ConnectionMemory,
    ) -> Option<Value> {
        let caller = CallingProcess {
            uid: uid(user),
            pid: 7,
            session,
            terminal: None,
        };
        match response(message, caller, &self.factors, conversation) {
            CallResponse::Reply(reply) => {
                let reply = reply.strip_suffix(b"\0").expect("an end");
                Some(serde_json::from_slice(reply).expect("JSON"))
            }
            CallResponse::Close => None,
        }
    }

    /// The record of a user.
    #[must_use]
    pub fn record(&self, user: usize) -> Option<UserRecord> {
        let path = format!("store/users/{}.toml", USERS[user]);
        let text = fs::read_to_string(self.directory.join(path)).ok()?;
        Some(UserRecord::parse(&text).unwrap())
    }

    /// The state of a user.
    #[must_use]
    pub fn state(&self, user: usize) -> Option<UserState> {
        let path = format!("store/state/{}", USERS[user]);
        let bytes = fs::read(self.directory.join(path)).ok()?;
        Some(decode_file(&bytes).unwrap().state)
    }

    /// All files of the state directory with their content.
    #[must_use]
    pub fn files(&self) -> Vec<(PathBuf, Vec<u8>)> {
        let parts = ["store/users", "store/state"].map(|part| self.directory.join(part));
        let mut waiting = parts.to_vec();
        let mut found = Vec::new();
        while let Some(path) = waiting.pop() {
            if path.is_dir() {
                waiting.extend(entries(&path));
            } else {
                let content = fs::read(&path).unwrap();
                found.push((path, content));
            }
        }
        found.sort();
        found
    }
}

impl Default for DaemonMachine {
    fn default() -> Self {
        Self::new()
    }
}

fn entries(directory: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(directory).into_iter().flatten();
    entries.map(|entry| entry.unwrap().path()).collect()
}

fn uid(user: usize) -> u32 {
    FIRST_UID + u32::try_from(user).unwrap()
}

fn account(user: usize) -> Account {
    Account {
        name: USERS[user].to_owned(),
        uid: uid(user),
        gid: uid(user),
    }
}

impl FactorAccess for AccountFactors {
    fn account(&self, user: &str, _: CallingProcess) -> Result<Option<Account>, FactorUnavailable> {
        let position = USERS.iter().position(|name| *name == user);
        Ok(position.map(account))
    }

    fn status(
        &self,
        account: &Account,
        caller: CallingProcess,
    ) -> Result<StatusReply, FactorUnavailable> {
        self.0.status(account, caller)
    }

    fn gate(
        &self,
        asked: &AskedAccount,
        caller: CallingProcess,
    ) -> Result<GateAnswer, FactorUnavailable> {
        self.0.gate(asked, caller)
    }

    fn verify(
        &self,
        asked: &AskedAccount,
        caller: CallingProcess,
        code: &str,
        form: AnswerForm,
    ) -> Result<VerifyAnswer, ServiceError> {
        self.0.verify(asked, caller, code, form)
    }

    fn change(
        &self,
        account: &Account,
        caller: CallingProcess,
        call: &ChangeCall,
        conversation: &mut ConnectionMemory,
    ) -> Result<Vec<u8>, ServiceError> {
        self.0.change(account, caller, call, conversation)
    }

    fn verifier(
        &self,
        user: &str,
        caller: CallingProcess,
    ) -> Result<Option<String>, FactorUnavailable> {
        self.0.verifier(user, caller)
    }

    fn note_foreign(&self, user: &str, caller: CallingProcess) {
        self.0.note_foreign(user, caller);
    }
}
