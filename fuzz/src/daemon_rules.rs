//! The rules of the protocol once more, as plainly as they can be put; those of one code are `login::rules`.

use std::collections::HashMap;

use twofactor_core::device::{Device, MAX_DEVICES};

use crate::login::rules::{ExpectedResult, ModelCode, ModelDevice, ModelPolicy, ModelUser};
use crate::pending_model::{DIGITS, PendingModel, PendingProof, code_of};

/// Wrong codes in 30 days after which only root helps.
const TOTAL: usize = 100;
/// Seconds of a period, of which eleven count.
const PERIOD: u64 = 3 * 24 * 3600;
/// Seconds for which a ticket waits.
const PATIENCE: u64 = 600;

/// The settings that decide about changes.
#[derive(Debug, Clone, Copy)]
pub struct ServiceRules {
    pub manage: bool,
    pub first_device: &'static str,
    pub unset_last: bool,
}

/// A device that counts, and what computes its codes.
pub struct TokenModel {
    pub number: u64,
    pub name: String,
    pub device: Device,
}

/// One user.
pub struct UserModel {
    pub tokens: Vec<TokenModel>,
    pub codes: ModelUser,
    /// Number of the set of recovery codes; 0 for none.
    pub set: u64,
    /// Times of the wrong codes that count for 30 days.
    charged: Vec<u64>,
    pub ticket: Option<TicketModel>,
    pub invitation: Option<InvitationModel>,
}

/// The ticket of a user; a later login has another one in its place.
#[derive(Debug, Clone, Copy)]
pub struct TicketModel {
    pub issued: u64,
    pub session: u32,
}

/// The invitation of a user without a device; a later one has its place.
pub struct InvitationModel {
    pub number: u64,
    pub code: String,
    pub expires: u64,
}

/// A call with its proof.
pub struct ProofModel<'a> {
    pub rules: ServiceRules,
    pub now: u64,
    pub code: Option<&'a str>,
    /// The audit session of the caller.
    pub session: Option<u32>,
}

impl Default for UserModel {
    fn default() -> Self {
        let rules = ModelPolicy {
            window: 1,
            attempts: 5,
            lockout: 30,
            max_lockout: 900,
            max_failures: 0,
        };
        Self {
            tokens: Vec::new(),
            codes: ModelUser {
                rules,
                devices: Vec::new(),
                recovery: Vec::new(),
                bypass: None,
                failures: 0,
                untold: 0,
                last_failure: 0,
                refused: Vec::new(),
            },
            set: 0,
            charged: Vec::new(),
            ticket: None,
            invitation: None,
        }
    }
}

impl UserModel {
    /// The answer to `Gate`.
    pub fn gate(&self, now: u64) -> &'static str {
        if self.tokens.is_empty() {
            "unenrolled"
        } else if self.is_locked(now) {
            "locked"
        } else {
            "ask"
        }
    }

    pub fn is_locked(&self, now: u64) -> bool {
        let counts = |time: &&u64| now / PERIOD - **time / PERIOD < 11;
        let total = self.charged.iter().filter(counts).count();
        total >= TOTAL || self.codes.closed(now as i64).is_some()
    }

    /// The answer to `Verify`.
    pub fn verify(&mut self, code: &str, now: u64) -> &'static str {
        if self.tokens.is_empty() {
            return "unenrolled";
        }
        self.judge(code, now)
    }

    fn judge(&mut self, code: &str, now: u64) -> &'static str {
        if self.is_locked(now) {
            return "locked";
        }
        let tokens = &self.tokens;
        let mut cache = HashMap::new();
        let mut shown = |number: usize, counter: i64| {
            let key = (number, counter);
            let device = &tokens[number].device;
            let code = cache.entry(key).or_insert_with(|| code_of(device, counter));
            code.clone()
        };
        let before = self.codes.failures;
        let expected = self.codes.attempt(code, now as i64, &mut shown);
        if self.codes.failures > before {
            self.charged.push(now);
        }
        match expected {
            ExpectedResult::Device(..)
            | ExpectedResult::Recovery(..)
            | ExpectedResult::Bypass(_) => "accepted",
            ExpectedResult::Known(_) | ExpectedResult::Used(_) => "used",
            ExpectedResult::Spent => "spent",
            ExpectedResult::Expired => "expired",
            ExpectedResult::Wrong => "wrong",
            ExpectedResult::Repeated => "repeated",
            ExpectedResult::Locked(_) | ExpectedResult::LockedUntilUnlock => "locked",
        }
    }

    /// The session of the caller, if there is a ticket for it that is no older.
    fn ticket(&self, session: Option<u32>, now: u64, age: u64) -> Result<u32, &'static str> {
        let ticket = self.ticket.filter(|ticket| now - ticket.issued < age);
        let ticket = ticket.filter(|ticket| Some(ticket.session) == session);
        Ok(ticket.ok_or("login_required")?.session)
    }

    fn factor(&self) -> PendingProof {
        PendingProof::Code(self.tokens.iter().map(|it| it.number).collect(), self.set)
    }

    /// The code of the invitation, charged as each other one. The same wrong one is compared each time.
    fn prove_invitation(&mut self, code: &str, now: u64) -> Result<PendingProof, &'static str> {
        let invitation = self.invitation.as_ref().ok_or("invitation_required")?;
        let number = invitation.number;
        self.codes.bypass = Some(ModelCode {
            text: invitation.code.clone(),
            used: false,
            expires: invitation.expires as i64,
        });
        let remembered = std::mem::take(&mut self.codes.refused);
        let judged = self.judge(code, now);
        self.codes.bypass = None;
        self.codes.refused = remembered;
        match judged {
            "accepted" => Ok(PendingProof::Invitation(number)),
            refused => Err(refused),
        }
    }

    fn prove(&mut self, call: &ProofModel<'_>) -> Result<(), &'static str> {
        let code = call.code.ok_or("code_required")?;
        // A refused proof is not remembered: each is counted.
        let remembered = self.codes.refused.clone();
        match self.judge(code, call.now) {
            "accepted" => Ok(()),
            refused => {
                self.codes.refused = remembered;
                Err(refused)
            }
        }
    }

    /// The refusal of a `Begin`; otherwise the proof that it was given.
    pub fn begin(
        &mut self,
        name: &str,
        call: &ProofModel<'_>,
    ) -> Result<PendingProof, &'static str> {
        if self.tokens.iter().any(|token| token.name == name) {
            return Err("name_taken");
        }
        if self.tokens.len() >= MAX_DEVICES {
            return Err("too_many_devices");
        }
        if !self.tokens.is_empty() {
            self.prove(call)?;
            return Ok(self.factor());
        }
        // One that has expired is none.
        let invitation = self.invitation.as_ref();
        let is_invited = invitation.is_some_and(|it| call.now < it.expires);
        let code = call.code.filter(|_| is_invited);
        match (call.rules.first_device, code) {
            ("off", _) => Err("NotAllowed"),
            (_, Some(code)) => self.prove_invitation(code, call.now),
            ("invite", None) => Err("invitation_required"),
            _ => Ok(PendingProof::Login(self.ticket(
                call.session,
                call.now,
                PATIENCE,
            )?)),
        }
    }

    /// The refusal of a `Renew`; otherwise its proof, with the device that is renewed.
    pub fn renew(
        &mut self,
        name: Option<&str>,
        call: &ProofModel<'_>,
    ) -> Result<(PendingProof, u64), &'static str> {
        let number = self.chosen(name)?;
        self.prove(call)?;
        Ok((self.factor(), number))
    }

    fn chosen(&self, name: Option<&str>) -> Result<u64, &'static str> {
        let token = match (name, self.tokens.as_slice()) {
            (_, []) => return Err("unenrolled"),
            (None, [only]) => Some(only),
            (None, _) => None,
            (Some(name), tokens) => tokens.iter().find(|token| token.name == name),
        };
        token.map(|token| token.number).ok_or("no_such_device")
    }

    /// `shown` are the names of all devices, where the call has them.
    pub fn unset(
        &mut self,
        name: Option<&str>,
        shown: Option<&[String]>,
        call: &ProofModel<'_>,
    ) -> Result<(), &'static str> {
        if self.tokens.is_empty() {
            return Err("unenrolled");
        }
        let Some(name) = name else {
            let names: Vec<&String> = self.tokens.iter().map(|token| &token.name).collect();
            if shown.is_some_and(|shown| !shown.iter().eq(names)) {
                return Err("changed");
            }
            if !call.rules.unset_last {
                return Err("NotAllowed");
            }
            self.ticket(call.session, call.now, PATIENCE)?;
            self.prove(call)?;
            *self = Self::default();
            return Ok(());
        };
        let number = self.chosen(Some(name))?;
        if self.tokens.len() == 1 {
            return Err("last_device");
        }
        self.prove(call)?;
        let place = self.place(number).expect("the device");
        self.tokens.remove(place);
        self.codes.devices.remove(place);
        Ok(())
    }

    pub fn new_recovery_codes(&mut self, call: &ProofModel<'_>) -> Result<(), &'static str> {
        if self.tokens.is_empty() {
            return Err("unenrolled");
        }
        self.ticket(call.session, call.now, PATIENCE)?;
        // A recovery code is no proof of this, and is not known at all.
        let recovery = std::mem::take(&mut self.codes.recovery);
        let proven = self.prove(call);
        self.codes.recovery = recovery;
        proven?;
        self.ticket = None;
        Ok(())
    }

    fn place(&self, number: u64) -> Option<usize> {
        self.tokens.iter().position(|token| token.number == number)
    }

    /// Stores a device whose code was given.
    pub fn store(
        &mut self,
        pending: PendingModel,
        next: i64,
        number: u64,
        rules: ServiceRules,
        now: u64,
    ) -> Result<(), &'static str> {
        let place = pending.replaces.map(|old| self.place(old));
        if place == Some(None) {
            return Err("changed");
        }
        if place.is_none() {
            if self.tokens.iter().any(|token| token.name == pending.name) {
                return Err("name_taken");
            }
            if self.tokens.len() >= MAX_DEVICES {
                return Err("too_many_devices");
            }
        }
        let is_first = self.tokens.is_empty();
        match &pending.proof {
            PendingProof::Login(_) if rules.first_device != "login" => return Err("NotAllowed"),
            PendingProof::Invitation(_) if rules.first_device == "off" => {
                return Err("NotAllowed");
            }
            PendingProof::Login(_) | PendingProof::Invitation(_) if !is_first => {
                return Err("changed");
            }
            PendingProof::Login(session) => {
                self.ticket(Some(*session), now, 2 * PATIENCE)?;
                self.ticket = None;
            }
            PendingProof::Invitation(number) => {
                let is_same = |it: &&InvitationModel| it.number == *number && now < it.expires;
                let invitation = self.invitation.as_ref().filter(is_same);
                invitation.ok_or("invitation_required")?;
            }
            proof if *proof != self.factor() => return Err("changed"),
            PendingProof::Code(..) => {}
        }
        self.invitation = None;
        let token = TokenModel {
            number,
            name: pending.name.clone(),
            device: pending.device,
        };
        let mut codes = ModelDevice::new(&pending.name, None, usize::from(DIGITS));
        codes.next = next;
        match place.flatten() {
            Some(place) => {
                self.tokens[place] = token;
                self.codes.devices[place] = codes;
            }
            None => {
                self.tokens.push(token);
                self.codes.devices.push(codes);
            }
        }
        Ok(())
    }

    /// Takes new recovery codes, as they were shown.
    pub fn take_recovery_codes(&mut self, codes: &[String], set: u64) {
        let once = |text: &String| ModelCode {
            text: text.replace('-', ""),
            used: false,
            expires: i64::MAX,
        };
        self.codes.recovery = codes.iter().map(once).collect();
        self.set = set;
    }
}
