//! The dialogue in which somebody who gave the right password gets a device.
#![forbid(unsafe_code)]

use crate::check::{Before, Failure, Judged, Session, memberships};
use crate::demand::{Demand, Enrolment, demand};
use crate::device::{Device, DeviceName, Id, Kind, MAX_DEVICES};
use crate::enroll::{self, TRIES};
use crate::policy::{EnrollAtLogin, Policy, Subject};
use crate::record::Record;
use crate::recovery::{OneTimeCode, PlainCode, RecoverySet};
use crate::state::DeviceState;
use crate::sys::accounts::Account;
use crate::sys::{clock, host};
use crate::verify::{Gate, Outcome, Rejected};

use super::super::dialogue::{Dialogue, Medium};
use super::super::host::Priority;
use super::super::log::Line;
use super::super::{messages, report};
use super::{NoInvitation, Permission, Stop, Wish, words};

/// Somebody without a device.
pub struct Newcomer<'a> {
    /// The login, with the policy as it was last read.
    pub session: Session<'a>,
    /// The account that logs in.
    pub account: &'a Account,
    /// Whether the device may be skipped.
    pub wish: Wish,
    /// How log lines about this login begin.
    pub about: &'a Line,
}

impl Newcomer<'_> {
    /// What the policy asks of this login by now.
    pub fn wanted(&self) -> Result<Demand, Failure> {
        let session = &self.session;
        let policy = &session.loaded.policy;
        let members = memberships(session.file, policy, Some(self.account))?;
        let subject = Subject {
            user: &self.account.name,
            service: session.service,
            address: session.address,
        };
        let record = session.store.holder(self.account)?.record;
        let mut member = |group: &str| members.iter().any(|own| own == group);
        let enrolment = Enrolment::of(record.as_ref());
        Ok(demand(policy, &subject, &mut member, enrolment))
    }

    /// The whole dialogue. Nothing is stored before a code of the new device was typed.
    pub fn enrol(&mut self, dialogue: &mut Dialogue<'_>) -> Result<(), Stop> {
        let invite = self.begin(dialogue)?;
        let (device, entry) = self.confirmed(dialogue, DeviceName::first(), self.wish)?;
        let codes = self.store_first(&device, entry, invite)?;
        // A stack may have a second account line.
        let _ = dialogue.host().unmark();
        self.log(dialogue, "enrolled", &device.name);
        dialogue.say(words::STORED);
        dialogue.say(&words::recovery(&codes, self.medium()));
        // The first device counts, whatever becomes of the second.
        match self.second(dialogue, device.id) {
            Ok(second) => {
                self.log(dialogue, "enrolled", &second);
                dialogue.say(words::SECOND_STORED);
            }
            Err(Stop::Failed(failure)) => {
                let line = report::failed(self.about.clone(), &failure);
                dialogue.host().log(Priority::Error, line.as_str());
                dialogue.say(words::SECOND_FAILED);
            }
            Err(_) => {}
        }
        Ok(())
    }

    /// Asks whether to begin: for the administrator's invitation, where the policy wants one. A client that cannot
    /// answer ends here, before anything secret is shown.
    fn begin(&mut self, dialogue: &mut Dialogue<'_>) -> Result<Option<Id>, Stop> {
        let invited = self.session.loaded.policy.enroll_needs_invite;
        if invited {
            self.invitation()?;
        }
        dialogue.say(match self.wish {
            Wish::Demanded => words::DEMAND,
            Wish::Offered => words::OFFER,
        });
        match invited {
            true => self.ask_for_invitation(dialogue),
            false => self.ask_to_begin(dialogue),
        }
    }

    fn ask_to_begin(&self, dialogue: &mut Dialogue<'_>) -> Result<Option<Id>, Stop> {
        match self.wish {
            Wish::Demanded => {
                dialogue.ask(words::BEGIN)?;
            }
            Wish::Offered => {
                if !words::is_yes(&dialogue.ask(words::BEGIN_OR_SKIP)?) {
                    return Err(Stop::Skipped);
                }
            }
        }
        Ok(None)
    }

    /// Whether there is an invitation that counts.
    fn invitation(&self) -> Result<(), Stop> {
        let record = self.session.store.record(self.session.holder)?;
        let now = clock::now()?;
        match record.and_then(|record| record.invite) {
            None => Err(Stop::Uninvited(NoInvitation::Missing)),
            Some(invite) if now >= invite.expires => Err(Stop::Uninvited(NoInvitation::Expired)),
            Some(_) => Ok(()),
        }
    }

    fn ask_for_invitation(&mut self, dialogue: &mut Dialogue<'_>) -> Result<Option<Id>, Stop> {
        for _ in 0..self.session.loaded.policy.tries {
            if let Before::Gate(closed) = self.session.before()?
                && closed != Gate::Open
            {
                return Err(self.throttled(dialogue, closed));
            }
            let typed = dialogue.ask(words::invitation(self.wish))?;
            if words::is_blank(&typed) {
                return Err(Stop::Skipped);
            }
            let (judged, invite) = self.session.invitation(&typed)?;
            match judged {
                Judged::Compared(Outcome::Accepted(_)) => return Ok(invite),
                Judged::Compared(Outcome::Rejected(Rejected::BypassExpired)) => {
                    return Err(self.gone(dialogue, NoInvitation::Expired));
                }
                Judged::Compared(Outcome::Rejected(why)) => {
                    let line = self.about.clone().with("result", &"invite-wrong");
                    dialogue.host().log(Priority::Notice, line.as_str());
                    dialogue.say(messages::rejected(&why));
                }
                Judged::Refused(closed) => return Err(self.throttled(dialogue, closed)),
                // Invitations are not remembered.
                Judged::Repeated => dialogue.say(messages::WRONG),
                Judged::Gone => return Err(self.gone(dialogue, NoInvitation::Missing)),
            }
        }
        Err(Stop::Skipped)
    }

    /// The invitation went while its code was typed. Whoever needs a device is told at the end.
    fn gone(&self, dialogue: &mut Dialogue<'_>, invitation: NoInvitation) -> Stop {
        if self.wish == Wish::Offered {
            dialogue.say(words::no_longer_invited(invitation));
        }
        Stop::Uninvited(invitation)
    }

    fn throttled(&self, dialogue: &mut Dialogue<'_>, closed: Gate) -> Stop {
        let line = report::closed(self.about.clone(), closed);
        dialogue.host().log(Priority::Warning, line.as_str());
        dialogue.say(&messages::closed(closed));
        Stop::Skipped
    }

    /// Makes a device, shows it, and asks for a code of it.
    fn confirmed(
        &self,
        dialogue: &mut Dialogue<'_>,
        name: DeviceName,
        wish: Wish,
    ) -> Result<(Device, DeviceState), Stop> {
        let policy = &self.session.loaded.policy;
        let account = self.account;
        let settings = policy.new_devices;
        let kind = Kind::Totp {
            interval: settings.interval,
        };
        let device = enroll::new_device(name, kind, settings, clock::now()?)?;
        let issuer = policy.issuer.clone().unwrap_or_else(host::name);
        let uri = enroll::uri(&device, &account.name, &issuer, 0);
        dialogue.say(&words::device(&device, &uri, self.medium()));
        for _ in 0..TRIES {
            let typed = dialogue.ask(words::code(wish))?;
            if words::is_blank(&typed) {
                return Err(Stop::Skipped);
            }
            match enroll::confirm(policy, account, &device, &typed, clock::now()?) {
                Ok(entry) => return Ok((device, entry)),
                Err(why) => dialogue.say(&words::unconfirmed(&device, &why)),
            }
        }
        dialogue.say(words::UNCONFIRMED);
        Err(Stop::Skipped)
    }

    /// Stores the first device, if the user still has none and the policy still lets it be done.
    fn store_first(
        &mut self,
        device: &Device,
        entry: DeviceState,
        invite: Option<Id>,
    ) -> Result<Vec<PlainCode>, Stop> {
        let session = &mut self.session;
        let mut locked = session.store.lock_for_change(session.holder)?;
        session.file.refresh(&mut session.loaded)?;
        let kept = locked.record()?;
        if Enrolment::of(kept.as_ref()) == Enrolment::Enrolled {
            return Err(Stop::Enrolled);
        }
        let open = kept.as_ref().and_then(|record| record.invite.as_ref());
        if let Err(gone) = still_allowed(&session.loaded.policy, session.service, open, invite) {
            if kept.is_none() {
                // Taking the lock has made a state.
                locked.remove()?;
            }
            return Err(Stop::Withdrawn(gone));
        }
        let mut record =
            kept.unwrap_or_else(|| Record::new(session.holder.name.clone(), session.holder.uid));
        record.enroll(device.clone());
        let (set, codes) = RecoverySet::generate(clock::now()?)?;
        record.recovery = Some(set);
        locked.replace_record(&record, &[entry])?;
        Ok(codes)
    }

    /// Offers one more device, as a backup.
    fn second(&self, dialogue: &mut Dialogue<'_>, first: Id) -> Result<DeviceName, Stop> {
        if !words::is_yes(&dialogue.ask(words::ANOTHER)?) {
            return Err(Stop::Skipped);
        }
        let (device, entry) = self.confirmed(dialogue, DeviceName::second(), Wish::Offered)?;
        let mut locked = self.session.store.lock_for_change(self.session.holder)?;
        let record = locked.record()?.filter(|record| {
            let devices = &record.devices;
            // Somebody else may have changed the record meanwhile.
            devices.iter().any(|device| device.id == first)
                && record.device(device.name.as_str()).is_none()
                && devices.len() < MAX_DEVICES
        });
        let Some(mut record) = record else {
            dialogue.say(words::SECOND_FAILED);
            return Err(Stop::Skipped);
        };
        record.enroll(device.clone());
        locked.replace_record(&record, &[entry])?;
        Ok(device.name)
    }

    fn medium(&self) -> Medium {
        Medium::of(self.session.service)
    }

    fn log(&self, dialogue: &mut Dialogue<'_>, result: &str, device: &DeviceName) {
        let line = self.about.clone().with("result", &result);
        let line = line.with("device", device);
        dialogue.host().log(Priority::Notice, line.as_str());
    }
}

/// Whether an enrolment that began may still be stored; what allowed it and is gone, if not. Who is exempt by now does no
/// harm with a device.
fn still_allowed(
    policy: &Policy,
    service: &str,
    open: Option<&OneTimeCode>,
    invite: Option<Id>,
) -> Result<(), Permission> {
    let off = !policy.enabled
        || !policy.service_on(service)
        || policy.enroll_at_login == EnrollAtLogin::Off;
    let invited = invite.is_some() && invite == open.map(|open| open.id);
    match (policy.enroll_needs_invite && !invited, invite) {
        _ if off => Err(Permission::Policy),
        (false, _) => Ok(()),
        (true, None) => Err(Permission::Policy),
        (true, Some(_)) => Err(Permission::Invitation),
    }
}
