//! Changes that users make to their own factor.

use twofactor_core::device::{Device, DeviceName, OtpKind};
use twofactor_core::enroll::{self, PendingDevice};
use twofactor_core::otp::{Algorithm, Digits, Interval};
use twofactor_core::policy::NewDevices;
use twofactor_core::qr::{self, QrGlyphs, QrInk, QrModules};
use twofactor_core::record::UserRecord;
use twofactor_core::recovery::PlainCode;
use twofactor_core::state::UserState;
use twofactor_core::verify::CodeRejection;
use twofactor_protocol::service::{
    ChangeCall, ChangeReply, ChangeResult, CodeCall, DeviceCall, DeviceKind, HashAlgorithm,
    NewDeviceCall, RemovalCall,
};
use twofactor_store::attempt::AttemptFailure;
use twofactor_store::operations::{self, DevicesBefore};
use twofactor_store::sys::{clock, host_name};

use crate::change_denial::ChangeDenial;
use crate::change_proof::{ChangeKind, ProofContext};
use crate::connection_memory::{self, ChangeProof, ConnectionMemory, PendingChange};
use crate::factor_report::entry;

/// Columns of a QR code in characters. One that does not fit is left out.
const COLUMNS: usize = 200;

/// Makes a change, or a step of one.
///
/// # Errors
/// [`ChangeDenial`]. After [`ChangeDenial::Failed`] the change may have been made. After the others devices and recovery codes
/// are unchanged, but a code that was given is charged or used up, and a ticket may be gone.
pub fn change(
    claimant: &ProofContext<'_>,
    call: &ChangeCall,
    memory: &mut ConnectionMemory,
) -> Result<ChangeReply, ChangeDenial> {
    claimant.may_manage()?;
    match call {
        ChangeCall::Begin(call) => {
            memory.pending = None;
            let (reply, pending) = begin(claimant, call)?;
            memory.pending = Some(pending);
            Ok(reply)
        }
        ChangeCall::Renew(call) => {
            memory.pending = None;
            let (reply, pending) = renew(claimant, call)?;
            memory.pending = Some(pending);
            Ok(reply)
        }
        ChangeCall::Confirm(call) => confirm(claimant, call, memory),
        ChangeCall::Unset(call) => unset(claimant, call),
        ChangeCall::NewRecoveryCodes(call) => new_recovery_codes(claimant, call),
    }
}

fn begin(
    claimant: &ProofContext<'_>,
    call: &NewDeviceCall,
) -> Result<(ChangeReply, PendingChange), ChangeDenial> {
    let name = match &call.device {
        Some(name) => new_name(name)?,
        None => DeviceName::first(),
    };
    let (kind, settings) = settings(claimant.policy().new_devices, call)?;
    operations::room_for(claimant.account, claimant.record.as_ref(), &name)?;
    let proof = claimant.prove_new_device(call.code.as_deref())?;
    let device = PendingDevice::generate(name, kind, settings, clock::now()?)
        .map_err(AttemptFailure::from)?;
    Ok(shown(claimant, device, None, proof))
}

fn renew(
    claimant: &ProofContext<'_>,
    call: &DeviceCall,
) -> Result<(ChangeReply, PendingChange), ChangeDenial> {
    let old = chosen(claimant.enrolled()?, call.device.as_deref())?;
    let proof = claimant.prove(call.code.as_deref(), ChangeKind::OneDevice)?;
    let device = PendingDevice::renewal(old, clock::now()?).map_err(AttemptFailure::from)?;
    Ok(shown(claimant, device, Some(old), proof))
}

fn confirm(
    claimant: &ProofContext<'_>,
    call: &CodeCall,
    memory: &mut ConnectionMemory,
) -> Result<ChangeReply, ChangeDenial> {
    // Taken out, so that it is gone after any error.
    let pending = memory.pending.take();
    let now = clock::since_boot();
    let is_waiting = |it: &PendingChange| it.is_waiting(claimant.account, now);
    let Some(mut pending) = pending.filter(is_waiting) else {
        return Err(ChangeResult::NothingPending.into());
    };
    let Some(code) = &call.code else {
        memory.pending = Some(pending);
        return Err(ChangeResult::CodeRequired.into());
    };
    let (policy, now) = (claimant.policy(), clock::now()?);
    let device = &mut pending.device;
    let new = match device.confirm(policy, claimant.account, code.as_bytes(), now) {
        Ok(new) => new,
        Err(refused) => {
            let mut reply = ChangeReply::new(ChangeResult::Wrong);
            if let CodeRejection::ClockDiffers { steps, .. } = refused.why {
                reply.result = ChangeResult::Clock;
                reply.steps = Some(steps);
            }
            reply.tries_left = Some(refused.tries_left);
            if refused.tries_left > 0 {
                memory.pending = Some(pending);
            }
            return Ok(reply);
        }
    };
    let log = claimant.log();
    let factor = claimant.factor(&log);
    let mut steps = claimant.steps(pending.proof, ChangeKind::OneDevice);
    let mut reply = ChangeReply::new(ChangeResult::Stored);
    let device = match pending.replaces {
        Some(old) => operations::renew(&factor, old, new, &mut steps)?,
        None => {
            let new = operations::enroll(&factor, new, DevicesBefore::Any, now, &mut steps)?;
            reply.recovery_codes = listed(&new.recovery_codes);
            new.device
        }
    };
    reply.device = Some(entry(&device, &UserState::new(claimant.account.uid)));
    Ok(reply)
}

fn unset(claimant: &ProofContext<'_>, call: &RemovalCall) -> Result<ChangeReply, ChangeDenial> {
    let record = claimant.enrolled()?;
    expected(record, call)?;
    let log = claimant.log();
    let factor = claimant.factor(&log);
    let mut reply = ChangeReply::new(ChangeResult::Removed);
    let Some(name) = &call.device else {
        let devices: Vec<_> = record.devices.iter().map(|device| device.id).collect();
        let proof = claimant.prove(call.code.as_deref(), ChangeKind::AllDevices)?;
        let mut steps = claimant.steps(proof, ChangeKind::AllDevices);
        operations::remove_all(&factor, &devices, &mut steps)?;
        reply.devices_left = Some(0);
        return Ok(reply);
    };
    let device = chosen(record, Some(name))?;
    if record.devices.len() == 1 {
        return Err(ChangeResult::LastDevice.into());
    }
    let proof = claimant.prove(call.code.as_deref(), ChangeKind::OneDevice)?;
    let mut steps = claimant.steps(proof, ChangeKind::OneDevice);
    let removed = operations::remove_device(&factor, device.id, &mut steps)?;
    let state = UserState::new(claimant.account.uid);
    reply.device = Some(entry(&removed.device, &state));
    reply.devices_left = Some(removed.left);
    Ok(reply)
}

/// Checks that the devices are those that the user saw. From here on the proof holds for these alone.
fn expected(record: &UserRecord, call: &RemovalCall) -> Result<(), ChangeDenial> {
    match (&call.device, &call.all) {
        (_, None) => Ok(()),
        (Some(_), Some(_)) => Err(ChangeDenial::Parameter("all")),
        (None, Some(all)) => {
            let names = record.devices.iter().map(|device| device.name.as_str());
            if names.eq(all.iter().map(String::as_str)) {
                Ok(())
            } else {
                Err(ChangeResult::Changed.into())
            }
        }
    }
}

fn new_recovery_codes(
    claimant: &ProofContext<'_>,
    call: &CodeCall,
) -> Result<ChangeReply, ChangeDenial> {
    claimant.enrolled()?;
    let proof = claimant.prove(call.code.as_deref(), ChangeKind::RecoveryCodes)?;
    let log = claimant.log();
    let mut steps = claimant.steps(proof, ChangeKind::RecoveryCodes);
    let factor = claimant.factor(&log);
    let codes = operations::new_recovery_codes(&factor, clock::now()?, &mut steps)?;
    let mut reply = ChangeReply::new(ChangeResult::Replaced);
    reply.recovery_codes = listed(&codes);
    Ok(reply)
}

/// The name of a new device: none of the words that stand in the log in the place of a device.
fn new_name(name: &str) -> Result<DeviceName, ChangeDenial> {
    let name: Option<DeviceName> = name.parse().ok();
    let name = name.filter(|name| !name.is_word_of_log());
    name.ok_or(ChangeDenial::Parameter("device"))
}

/// The device of that name; without a name, the only one.
fn chosen<'r>(record: &'r UserRecord, name: Option<&str>) -> Result<&'r Device, ChangeDenial> {
    let device = match (name, record.devices.as_slice()) {
        (None, [only]) => Some(only),
        (None, _) => None,
        (Some(name), _) => record.device(name),
    };
    device.ok_or_else(|| ChangeResult::NoSuchDevice.into())
}

/// Kind and settings of a new device: those of the policy where the call says nothing.
fn settings(
    defaults: NewDevices,
    call: &NewDeviceCall,
) -> Result<(OtpKind, NewDevices), ChangeDenial> {
    let digits = match call.digits {
        Some(digits) => Digits::new(digits).ok_or(ChangeDenial::Parameter("digits"))?,
        None => defaults.digits,
    };
    let interval = match call.interval {
        Some(seconds) => Interval::new(seconds).ok_or(ChangeDenial::Parameter("interval"))?,
        None => defaults.interval,
    };
    let kind = match call.kind {
        None | Some(DeviceKind::Totp) => OtpKind::Totp { interval },
        Some(DeviceKind::Hotp) => OtpKind::Hotp,
    };
    let settings = NewDevices {
        digits,
        interval,
        algorithm: match call.algorithm {
            None => defaults.algorithm,
            Some(HashAlgorithm::Sha1) => Algorithm::Sha1,
            Some(HashAlgorithm::Sha256) => Algorithm::Sha256,
            Some(HashAlgorithm::Sha512) => Algorithm::Sha512,
        },
    };
    Ok((kind, settings))
}

/// A device as its owner sees it, and as the connection keeps it.
fn shown(
    claimant: &ProofContext<'_>,
    device: PendingDevice,
    old: Option<&Device>,
    proof: ChangeProof,
) -> (ChangeReply, PendingChange) {
    let (new, account) = (device.device(), claimant.account);
    let issuer = claimant.policy().issuer.clone();
    let issuer = issuer.unwrap_or_else(host_name::name);
    let uri = enroll::uri(new, &account.name, &issuer, 0);
    let mut reply = ChangeReply::new(ChangeResult::Pending);
    reply.device = Some(entry(new, &UserState::new(account.uid)));
    reply.secret = Some(new.secret.to_base32().to_string());
    reply.svg = QrModules::of(&uri).ok().map(|it| qr::svg(&it).to_string());
    let drawn = qr::draw(&uri, QrGlyphs::Utf8, QrInk::Plain, COLUMNS);
    reply.qr = drawn.ok().map(|it| it.to_string());
    reply.uri = Some(uri.to_string());
    let pending = PendingChange {
        device,
        account: account.clone(),
        replaces: old.map(|old| old.id),
        proof,
        end: clock::since_boot() + connection_memory::PATIENCE.as_secs(),
    };
    (reply, pending)
}

fn listed(codes: &[PlainCode]) -> Option<Vec<String>> {
    let listed = codes.iter().map(|code| code.grouped().to_string());
    (!codes.is_empty()).then(|| listed.collect())
}

#[cfg(test)]
mod tests;
