//! Users with devices whose keys the test knows, enrolled by the library itself, and a stack that tells all return
//! codes of the module apart.

use std::cell::Cell;
use std::path::{Path, PathBuf};

use crate::otp::hotp_codes;
use crate::pam::{Drive, EXACT, ModuleMessage, PamOutcome, code};
use crate::{Machine, Totp};
use twofactor_core::account::Account;
use twofactor_core::device::{CredentialId, Device, OtpKind};
use twofactor_core::otp::{Algorithm, Digits, Interval};
use twofactor_core::record::UserRecord;
use twofactor_core::recovery::{OneTimeCode, RecoverySet};
use twofactor_core::secret::Secret;
use twofactor_core::state::{self, DeviceState, UserState};
use twofactor_core::{POLICY_FILE, STATE_DIR};
use twofactor_store::FactorStore;

/// The key of every device that is enrolled here, in base32.
pub const SECRET: &str = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ";

/// The service of `machine` and `login`.
pub const SERVICE: &str = "test";

/// The shortest policy that asks for codes.
pub const ON: &str = "enabled = true\n";

/// Value that a stack of `add_stack` returns when the module returned PAM_IGNORE: the code of the module after it.
/// Ours never returns it, and `said` leaves out what it says.
pub const IGNORED: i32 = code::CRED_EXPIRED;

/// The prompt of a policy that sets none.
pub const PROMPT: &str = "Verification code: ";

/// Text where something is unusable.
pub const UNUSABLE: &str = "Two-factor login does not work because of an error on this machine, so this login is refused. Tell your administrator.";

/// A machine with a policy and a service `SERVICE` with the module alone, without arguments.
pub fn machine(policy: &str) -> Machine {
    let machine = Machine::new();
    crate::module();
    machine.policy(policy);
    // libpam loads the modules of this file, too, for every transaction.
    machine.stack("other", "auth required pam_deny.so\n");
    initialize(Path::new(STATE_DIR));
    add_stack(&machine, SERVICE, "");
    machine
}

/// Makes a directory of records and states as a package does, or marks the one that is there.
pub fn initialize(directory: &Path) -> FactorStore {
    let made = FactorStore::initialize(
        directory,
        Path::new(POLICY_FILE),
        twofactor_store::MarkDisagreement::Settle,
    );
    made.unwrap().0
}

/// Adds a service with the module alone in every phase. libpam returns what the module returned, and `IGNORED` for
/// PAM_IGNORE.
pub fn add_stack(machine: &Machine, service: &str, arguments: &str) {
    let behind = [
        ("auth", "auth=cred_expired"),
        ("account", "acct=cred_expired"),
        (
            "session",
            "open_session=cred_expired close_session=cred_expired",
        ),
        ("password", "prechauthtok=cred_expired"),
    ];
    let lines: Vec<String> = behind
        .iter()
        .map(|(phase, ends)| {
            format!("{phase} {EXACT} pam_twofactor.so {arguments}\n{phase} requisite pam_debug.so {ends}\n")
        })
        .collect();
    machine.stack(service, &lines.concat());
}

/// The authentication of a user at `SERVICE`.
pub fn login(user: impl AsRef<[u8]>) -> Drive {
    Drive::installed().service(SERVICE).user(user)
}

/// Adds a user with a counting token, the kind of device whose next code needs no waiting.
pub fn enroll_token(machine: &Machine, user: &str) -> Token {
    let account = add_account(machine, user);
    write_record(&account, vec![device("token", OtpKind::Hotp)]);
    Token::new(user)
}

/// Adds a user with a phone that counts time.
pub fn enroll_phone(machine: &Machine, user: &str) -> Totp {
    let account = add_account(machine, user);
    let kind = OtpKind::Totp {
        interval: Interval::THIRTY,
    };
    write_record(&account, vec![device("phone", kind)]);
    Totp::new(SECRET)
}

/// Waits until all records are old enough that a login reads them once: before, it makes one call more.
pub fn settle_records() {
    std::thread::sleep(std::time::Duration::from_secs(3));
}

/// Gives an enrolled user ten recovery codes; returns them as they are shown.
pub fn add_recovery_codes(user: &str) -> Vec<String> {
    let (set, codes) = RecoverySet::generate(1).unwrap();
    change_record(user, |record| record.recovery = Some(set));
    codes
        .iter()
        .map(|code| code.grouped().to_string())
        .collect()
}

/// Gives an enrolled user a bypass code until a Unix time; returns it as it is shown.
pub fn add_bypass(user: &str, expires: u64) -> String {
    let (bypass, code) = OneTimeCode::generate(expires).unwrap();
    change_record(user, |record| record.bypass = Some(bypass));
    code.grouped().to_string()
}

/// A user of the machine with a group of the same number, not enrolled.
pub fn add_account(machine: &Machine, user: &str) -> Account {
    let uid = machine.add_user(user);
    Account {
        name: user.to_owned(),
        uid,
        gid: uid,
    }
}

/// A device with `SECRET`, six digits and SHA1.
pub fn device(name: &str, kind: OtpKind) -> Device {
    Device {
        id: CredentialId::generate().unwrap(),
        name: name.parse().unwrap(),
        kind,
        algorithm: Algorithm::Sha1,
        digits: Digits::SIX,
        secret: Secret::from_base32(SECRET).unwrap(),
        created: 1,
    }
}

/// Gives a token to `user{number}`, one of the users that [`Machine::add_users`] makes from `first_id` on.
pub fn write_numbered(number: u32, first_id: u32) {
    let account = Account {
        name: format!("user{number}"),
        uid: first_id + number,
        gid: first_id + number,
    };
    write_record(&account, vec![device("token", OtpKind::Hotp)]);
}

/// Makes the record and the state of an account, in the directory that the module uses.
pub fn write_record(account: &Account, devices: Vec<Device>) {
    write_record_in(Path::new(STATE_DIR), account, devices);
}

/// Makes the record and the state of an account in a state directory.
pub fn write_record_in(directory: &Path, account: &Account, devices: Vec<Device>) {
    let store = initialize(directory);
    let entries: Vec<DeviceState> = devices
        .iter()
        .map(|device| DeviceState {
            id: device.id,
            next: 0,
            drift: 0,
            last_used: 0,
            committed: true,
        })
        .collect();
    let mut record = UserRecord::new(account.name.clone(), account.uid);
    record.devices = devices;
    let mut locked = store.lock_for_change(account).unwrap();
    locked.replace_record(&record, &entries).unwrap();
}

/// Changes the record of an enrolled user with a plain name.
pub fn change_record(user: &str, change: impl FnOnce(&mut UserRecord)) {
    let store =
        FactorStore::open(Path::new(STATE_DIR), Path::new(twofactor_core::POLICY_FILE)).unwrap();
    let mut record = store.record_named(user).unwrap().unwrap();
    let account = Account {
        name: user.to_owned(),
        uid: record.uid,
        gid: record.uid,
    };
    change(&mut record);
    let mut locked = store.lock_for_change(&account).unwrap();
    locked.replace_record(&record, &[]).unwrap();
}

/// Path of the record of a user with a plain name is.
pub fn record_path(user: &str) -> PathBuf {
    Path::new(STATE_DIR)
        .join("users")
        .join(format!("{user}.toml"))
}

/// Path of the state of a user with a plain name is.
pub fn state_path(user: &str) -> PathBuf {
    Path::new(STATE_DIR).join("state").join(user)
}

/// The path of a state directory's mark, and the id in its name.
pub fn mark_of(state: &str) -> Option<(PathBuf, String)> {
    let entries = std::fs::read_dir(state).unwrap();
    entries.into_iter().find_map(|entry| {
        let path = entry.unwrap().path();
        let id = path
            .file_name()?
            .to_str()?
            .strip_prefix("mark-")?
            .to_owned();
        Some((path, id))
    })
}

/// Path of the policy.
pub fn policy_path() -> &'static Path {
    Path::new(POLICY_FILE)
}

/// The state of a user as it stands on the disk.
pub fn state_of(user: &str) -> UserState {
    let bytes = std::fs::read(state_path(user)).unwrap();
    state::decode_file(&bytes).unwrap().state
}

/// Overwrites the state of a user.
pub fn set_state(user: &str, change: impl FnOnce(&mut UserState)) {
    let mut changed = state_of(user);
    change(&mut changed);
    std::fs::write(state_path(user), state::encode_file(&changed)).unwrap();
}

/// Runs a transaction, and sees to it that the module left the process as it was.
pub fn run(drive: Drive) -> PamOutcome {
    let outcome = drive.run();
    assert_eq!(outcome.changed, [""; 0], "left behind in the process");
    outcome
}

/// The code of the authentication.
pub fn auth(drive: Drive) -> i32 {
    run(drive).auth
}

/// Everything the module asked and said in order: style and text.
pub fn said(outcome: &PamOutcome) -> Vec<(&str, &str)> {
    let of_ours = |message: &&ModuleMessage| !message.text.ends_with("=cred_expired");
    let messages = outcome.messages.iter().filter(of_ours);
    messages
        .map(|message| (message.style.as_str(), message.text.as_str()))
        .collect()
}

/// Lines that the module logged since the last call, without the part that libpam puts in front.
pub fn logged(machine: &Machine) -> Vec<String> {
    let lines = machine.log();
    machine.forget_log();
    lines
        .into_iter()
        .filter_map(|line| {
            let (from, said) = line.message.split_once("): ")?;
            from.starts_with("pam_twofactor(").then(|| said.to_owned())
        })
        .collect()
}

/// A counting token: every code of it is new.
#[derive(Debug, Clone)]
pub struct Token {
    /// Its user.
    pub user: String,
    codes: Vec<String>,
    next: Cell<usize>,
    guesses: Cell<usize>,
}

/// Number of codes of a `Token`.
const CODES: u64 = 400;

impl Token {
    /// The token of a user, who has none yet or a new one with the same key.
    pub fn new(user: &str) -> Self {
        Self {
            user: user.to_owned(),
            codes: hotp_codes(SECRET, 0, CODES, 6),
            next: Cell::new(0),
            guesses: Cell::new(0),
        }
    }

    /// The next code, as if its button was pressed.
    pub fn code(&self) -> String {
        let position = self.next.replace(self.next.get() + 1);
        self.codes[position].clone()
    }

    /// The code at a counter.
    pub fn code_at(&self, counter: usize) -> &str {
        &self.codes[counter]
    }

    /// Codes that this token never shows.
    pub fn wrong_codes(&self) -> impl Iterator<Item = String> {
        let numbers = (0..).map(|number| format!("{number:06}"));
        numbers.filter(|code| !self.codes.contains(code))
    }

    /// A code that this token never shows, another one each time: one that was refused is not compared again.
    pub fn wrong(&self) -> String {
        let guess = self.guesses.replace(self.guesses.get() + 1);
        self.wrong_codes().nth(guess).unwrap()
    }

    /// The authentication of its owner at `SERVICE`.
    pub fn login(&self) -> Drive {
        login(&self.user)
    }
}
