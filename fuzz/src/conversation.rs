//! Plays a conversation, which a string of bytes chooses, with the daemon and with the model side by side.

mod changes;

use serde_json::{Value, json};
use twofactor_core::device::MAX_DEVICES;
use twofactor_protocol::service::ServiceCall;
use twofactord::fuzzing::ConnectionMemory;

use crate::daemon_machine::{DaemonMachine, USERS};
use crate::daemon_rules::{InvitationModel, ServiceRules, TicketModel, UserModel};
use crate::pending_model::{PendingModel, code_of};

/// Names of devices, one of which is none: one more than a user may have.
const NAMES: [&str; MAX_DEVICES + 2] = [
    "phone", "token", "tablet", "all", "watch", "key", "spare", "desk", "car",
];

/// Names that are called about: the users', and one without an account.
const CALLED: [&str; 3] = [USERS[0], USERS[1], "carol"];

/// Seconds that pass.
const PASSING: [u64; 8] = [1, 29, 30, 599, 600, 3_600, 86_400, 34 * 86_400];

/// Audit sessions: two of each user, and none.
const SESSIONS: [Option<u32>; 3] = [Some(7), Some(8), None];

/// One open connection in both worlds.
#[derive(Default)]
struct OpenTalk {
    user: usize,
    session: Option<u32>,
    memory: ConnectionMemory,
    pending: Option<PendingModel>,
}

struct Play<'a> {
    machine: &'a DaemonMachine,
    bytes: &'a [u8],
    talks: Vec<OpenTalk>,
    users: Vec<UserModel>,
    rules: ServiceRules,
    now: u64,
    /// Number of the last device or set of recovery codes.
    number: u64,
    guesses: u32,
}

/// Plays it to its end; panics where daemon and model differ.
pub fn play(machine: &DaemonMachine, bytes: &[u8]) {
    machine.empty();
    let talk = |user: usize| OpenTalk {
        user,
        session: SESSIONS[0],
        ..OpenTalk::default()
    };
    let mut play = Play {
        machine,
        bytes,
        talks: [0, 0, 1].map(talk).into(),
        users: USERS.iter().map(|_| UserModel::default()).collect(),
        rules: ServiceRules {
            manage: true,
            first_device: "login",
            unset_last: true,
        },
        now: 1_700_000_000,
        number: 0,
        guesses: 0,
    };
    play.write_policy();
    machine.clock(play.now);
    while play.goes_on().is_some() {}
    play.is_as_stored();
}

impl Play<'_> {
    fn below(&mut self, end: usize) -> Option<usize> {
        let (byte, rest) = self.bytes.split_first()?;
        self.bytes = rest;
        Some(usize::from(*byte) % end)
    }

    /// One thing that happens. `None` at the end.
    fn goes_on(&mut self) -> Option<()> {
        match self.below(32)? {
            0 => {
                let (count, choice) = (
                    self.talks.len(),
                    self.below(self.talks.len() * SESSIONS.len())?,
                );
                let talk = choice % count;
                self.talks[talk] = OpenTalk {
                    user: self.talks[talk].user,
                    session: SESSIONS[choice / count],
                    ..OpenTalk::default()
                };
            }
            1 | 2 => {
                self.now += PASSING[self.below(PASSING.len())?];
                self.machine.clock(self.now);
            }
            3..=5 => {
                let choice = self.below(USERS.len() * 2)?;
                let (user, session) = (choice % USERS.len(), [7, 8][choice / USERS.len()]);
                self.machine.log_in(user, session);
                let issued = self.now;
                self.users[user].ticket = Some(TicketModel { issued, session });
            }
            6 => self.invites()?,
            7 => {
                self.rules = ServiceRules {
                    manage: self.below(4)? > 0,
                    first_device: ["login", "invite", "off", "login"][self.below(4)?],
                    unset_last: self.below(4)? > 0,
                };
                self.write_policy();
            }
            8 => self.garbage()?,
            9 | 10 => self.asks_status()?,
            11..=15 => self.verifies()?,
            16..=19 => self.begins()?,
            20..=24 => self.confirms()?,
            25 | 26 => self.renews()?,
            27..=29 => self.unsets()?,
            _ => self.replaces_codes()?,
        }
        Some(())
    }

    /// Root invites a user; one with a device is not invited.
    fn invites(&mut self) -> Option<()> {
        let user = self.below(USERS.len())?;
        let expires = self.now + PASSING[self.below(PASSING.len())?];
        if self.users[user].tokens.is_empty() {
            let code = self.machine.invite(user, self.now, expires);
            self.number += 1;
            self.users[user].invitation = Some(InvitationModel {
                number: self.number,
                code,
                expires,
            });
        }
        Some(())
    }

    fn write_policy(&self) {
        let ServiceRules {
            manage,
            first_device,
            unset_last,
        } = self.rules;
        self.machine.policy(&format!(
            "enabled = true\n[self_service]\nmanage = {manage}\nfirst_device = \"{first_device}\"\nunset_last = {unset_last}\n"
        ));
    }

    /// Bytes that are no call are answered with an error at most, and change nothing.
    fn garbage(&mut self) -> Option<()> {
        let talk = self.below(self.talks.len())?;
        let count = self.below(64)?.min(self.bytes.len());
        let (message, rest) = self.bytes.split_at(count);
        self.bytes = rest;
        if ServiceCall::read(message).is_ok() {
            return Some(());
        }
        let before = self.machine.files();
        let talk = &mut self.talks[talk];
        let caller = (talk.user, talk.session);
        let reply = self.machine.answer(message, caller, &mut talk.memory);
        assert!(reply.is_none_or(|reply| reply["error"].is_string()));
        assert!(self.machine.files() == before);
        Some(())
    }

    fn asks_status(&mut self) -> Option<()> {
        let (talk, name) = self.asker()?;
        let status = self.call(talk, "Status", &json!({"user": name}))?;
        let gate = self.call(talk, "Gate", &json!({"user": name}));
        let Some(user) = self.own(talk, name) else {
            assert_eq!(word(&status), "NotYours");
            assert_eq!(gate, Some(status));
            return Some(());
        };
        let (user, now) = (&self.users[user], self.now);
        assert_eq!(word(&gate?), user.gate(now));
        let own = &status["parameters"];
        let devices = own["devices"].as_array()?;
        let devices: Vec<&str> = devices
            .iter()
            .filter_map(|it| it["name"].as_str())
            .collect();
        let expected: Vec<&str> = user.tokens.iter().map(|it| it.name.as_str()).collect();
        assert_eq!(devices, expected);
        let left = user.codes.recovery.iter().filter(|it| !it.used).count();
        assert_eq!(own["recovery_codes_left"], left);
        assert_eq!(own["failures"], user.codes.failures);
        assert_eq!(own["locked"], user.is_locked(now));
        Some(())
    }

    fn verifies(&mut self) -> Option<()> {
        let (talk, name) = self.asker()?;
        let code = self.code(talk)?.unwrap_or_else(|| "000000".to_owned());
        let reply = self.call(talk, "Verify", &json!({"user": name, "code": code}))?;
        let now = self.now;
        let expected = match self.own(talk, name) {
            None => "NotYours",
            Some(user) => self.users[user].verify(&code, now),
        };
        assert_eq!(word(&reply), expected, "{reply}");
        Some(())
    }

    /// A connection and the name that it calls about, mostly its own.
    fn asker(&mut self) -> Option<(usize, &'static str)> {
        let talk = self.below(self.talks.len())?;
        let name = match self.below(16)? {
            other @ 0..3 => CALLED[other],
            _ => USERS[self.talks[talk].user],
        };
        Some((talk, name))
    }

    fn own(&self, talk: usize, name: &str) -> Option<usize> {
        let user = self.talks[talk].user;
        (USERS[user] == name).then_some(user)
    }

    /// A code to give: of a device that counts or waits, a recovery code, that of an invitation, one that is none, or nothing.
    fn code(&mut self, talk: usize) -> Option<Option<String>> {
        let (choice, place) = (self.below(16)?, self.below(12)?);
        let model = &self.users[self.talks[talk].user];
        let token = |number: usize| {
            let device = &model.tokens.get(number % model.tokens.len().max(1))?.device;
            Some((
                device,
                model.codes.devices[number % model.tokens.len()].next,
            ))
        };
        let pending =
            |talk: &OpenTalk| Some(code_of(&talk.pending.as_ref()?.device, place as i64 % 3));
        let code = match choice {
            0 => None,
            1..=4 => token(place).map(|(device, next)| code_of(device, next)),
            5 => token(place).map(|(device, next)| code_of(device, (next - 1).max(0))),
            6 => token(0).map(|(device, next)| code_of(device, (next + place as i64 - 4).max(0))),
            7 => model
                .codes
                .recovery
                .get(place)
                .map(|code| code.text.clone()),
            8..=12 => pending(&self.talks[talk]),
            13 => self.talks.iter().find_map(pending),
            14 => {
                let invitation = model.invitation.as_ref().map(|it| it.code.clone());
                invitation.or_else(|| Some("246810".to_owned()))
            }
            _ => {
                self.guesses += 1;
                Some(format!("{:06}", 500_000 + self.guesses))
            }
        };
        Some(code)
    }

    /// Puts a call, and sees that no stored key is in the reply.
    fn call(&mut self, talk: usize, method: &str, parameters: &Value) -> Option<Value> {
        let message = json!({"method": format!("io.twofactor.{method}"), "parameters": parameters});
        let is_foreign = self.own(talk, parameters["user"].as_str()?).is_none();
        let before = is_foreign.then(|| self.machine.files());
        let open = &mut self.talks[talk];
        let message = message.to_string();
        let caller = (open.user, open.session);
        let reply = self
            .machine
            .answer(message.as_bytes(), caller, &mut open.memory);
        let mut reply = reply.expect("a reply to a call");
        if let Some(change) = reply["parameters"].get("change") {
            reply["parameters"] = change.clone();
        }
        assert!(before.is_none_or(|before| before == self.machine.files()));
        let text = reply.to_string();
        for token in self.users.iter().flat_map(|user| &user.tokens) {
            let key = token.device.secret.to_base32();
            assert!(!text.contains(&key[..]), "a stored key is shown: {method}");
        }
        Some(reply)
    }

    /// The files hold what the model has, and the counter of logins is never charged.
    fn is_as_stored(&self) {
        for (number, user) in self.users.iter().enumerate() {
            let record = self.machine.record(number);
            let devices = record.iter().flat_map(|record| &record.devices);
            let keys: Vec<_> = devices.map(|it| it.secret.to_base32()).collect();
            let expected: Vec<_> = user
                .tokens
                .iter()
                .map(|it| it.device.secret.to_base32())
                .collect();
            assert!(keys == expected, "other devices are stored");
            if let Some(state) = self.machine.state(number) {
                assert_eq!(state.failures, 0);
                assert_eq!(state.daemon.in_a_row, user.codes.failures);
            }
        }
    }
}

/// The last part of the name of an error, or the word of an answer.
fn word(reply: &Value) -> &str {
    let parameters = &reply["parameters"];
    let error = reply["error"].as_str().map(|name| name.rsplit('.').next());
    let word = error.flatten().or_else(|| parameters["result"].as_str());
    word.or_else(|| parameters["state"].as_str()).unwrap_or("")
}
