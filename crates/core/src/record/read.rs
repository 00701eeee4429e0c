//! Reads the TOML form of a record: what makes it a legal one.

use crate::device::{CredentialId, Device, DeviceName, MAX_DEVICES, OtpKind};
use crate::otp::{Digits, Interval};
use crate::recovery::{CodeForm, CodeHash, CodeScope, OneTimeCode, RecoverySet};
use crate::secret::Secret;

use super::recent_changes::{
    ChangeChannel, ChangeOrigin, ChangeWord, MAX_CHANGES, OriginName, RecentChange,
};
use super::toml_fields::{RecordFields, number, string, strings, table, tables};
use super::{FORMAT, MAX_RECOVERY_CODES, RecordError, UserRecord};

/// Reads the whole file.
pub(super) fn record(text: &str) -> Result<UserRecord, RecordError> {
    let document = RecordFields::document(text)?;
    let top = RecordFields::new(text, (0, document.get_ref()));
    let format = top.required("format", number)?;
    if format != FORMAT {
        let writer = top.optional("writer", string)?.unwrap_or_default();
        return Err(RecordError::version(format, writer));
    }
    top.only(&[
        "format", "writer", "user", "uid", "device", "recovery", "bypass", "invite", "change",
    ])?;
    top.required("writer", string)?;
    let found = top.optional("device", tables)?.unwrap_or_default();
    let recovery = top.optional("recovery", table)?;
    let bypass = top.optional("bypass", table)?;
    let invite = top.optional("invite", table)?;
    match (found.is_empty(), invite) {
        // The last device goes together with its record, so such a record was cut short.
        (true, None) => return Err(RecordError::new("has no device")),
        (true, Some(_)) if recovery.is_some() || bypass.is_some() => {
            return Err(RecordError::new("has no device"));
        }
        (false, Some(_)) => {
            return Err(RecordError::new("has an invitation beside its devices"));
        }
        (true, Some(_)) | (false, None) => {}
    }
    if found.len() > MAX_DEVICES {
        return Err(RecordError::new("has more devices than the state can hold"));
    }
    let fields = |place| RecordFields::new(text, place);
    let devices = found
        .into_iter()
        .map(|it| device(&fields(it)))
        .collect::<Result<Vec<_>, _>>()?;
    if has_twins(&devices) {
        return Err(RecordError::new("has two devices of one name or id"));
    }
    let changes = top.optional("change", tables)?.unwrap_or_default();
    // What is only told shuts no user out: a later version may know changes that this one does not.
    let last = changes
        .into_iter()
        .rev()
        .filter_map(|it| change(&fields(it)).ok());
    let mut changes: Vec<_> = last.take(MAX_CHANGES).collect();
    changes.reverse();
    Ok(UserRecord {
        user: top.required("user", string)?.to_owned(),
        uid: top.required("uid", number)?,
        devices,
        recovery: recovery.map(|it| recovery_set(&fields(it))).transpose()?,
        bypass: bypass.map(|it| bypass_code(&fields(it))).transpose()?,
        invite: invite
            .map(|it| one_time_code(&fields(it), &[]))
            .transpose()?,
        changes,
    })
}

/// True if two devices have one name or one id.
fn has_twins(devices: &[Device]) -> bool {
    devices.iter().enumerate().any(|(position, device)| {
        let mut rest = devices.iter().skip(position + 1);
        rest.any(|other| other.name == device.name || other.id == device.id)
    })
}

fn change(fields: &RecordFields<'_>) -> Result<RecentChange, RecordError> {
    fields.only(&[
        "time", "kind", "device", "through", "uid", "service", "terminal", "address",
    ])?;
    let name = |key| -> Result<_, RecordError> {
        let text = fields.optional(key, string)?.unwrap_or_default();
        Ok(OriginName::of(text.as_bytes()))
    };
    let channel = match (fields.required("through", string)?, name("service")?) {
        ("daemon", None) => ChangeChannel::Daemon,
        ("command", None) => ChangeChannel::Command,
        ("login", Some(service)) => ChangeChannel::Login(service),
        _ => return Err(fields.fault("through")),
    };
    let kind = ChangeWord::of_word(fields.required("kind", string)?);
    let device = fields.optional("device", string)?;
    Ok(RecentChange {
        time: fields.required("time", number)?,
        kind: kind.ok_or_else(|| fields.fault("kind"))?,
        device: device
            .map(|device| device.parse().map_err(|_| fields.fault("device")))
            .transpose()?,
        origin: ChangeOrigin {
            channel,
            uid: fields.required("uid", number)?,
            terminal: name("terminal")?,
            address: name("address")?,
        },
    })
}

fn device(fields: &RecordFields<'_>) -> Result<Device, RecordError> {
    fields.only(&[
        "id",
        "name",
        "kind",
        "algorithm",
        "digits",
        "interval",
        "secret",
        "created",
    ])?;
    let interval = fields.optional("interval", number)?;
    let kind = match (fields.required("kind", string)?, interval) {
        ("totp", Some(seconds)) => Interval::new(seconds)
            .map(|interval| OtpKind::Totp { interval })
            .ok_or_else(|| RecordError::new("has a device whose interval is not 5 to 3600"))?,
        ("totp", None) => {
            return Err(RecordError::new("has a totp device without an interval"));
        }
        ("hotp", None) => OtpKind::Hotp,
        ("hotp", Some(_)) => {
            return Err(RecordError::new("has a hotp device with an interval"));
        }
        _ => return Err(fields.fault("kind")),
    };
    Ok(Device {
        id: id(fields)?,
        name: fields
            .required("name", string)?
            .parse::<DeviceName>()
            .map_err(|_| RecordError::new("has a device with an impossible name"))?,
        kind,
        algorithm: fields
            .required("algorithm", string)?
            .parse()
            .map_err(|_| RecordError::new("has a device with an unknown algorithm"))?,
        digits: Digits::new(fields.required("digits", number)?)
            .ok_or_else(|| RecordError::new("has a device whose digits are not 6 to 8"))?,
        secret: Secret::from_base32(fields.required("secret", string)?)
            .ok_or_else(|| RecordError::new("has a device whose secret is not base32"))?,
        created: fields.required("created", number)?,
    })
}

fn recovery_set(fields: &RecordFields<'_>) -> Result<RecoverySet, RecordError> {
    fields.only(&["id", "form", "salt", "codes", "created"])?;
    let codes = fields.required("codes", strings)?;
    if !(1..=MAX_RECOVERY_CODES).contains(&codes.len()) {
        return Err(RecordError::new(
            "has an impossible number of recovery codes",
        ));
    }
    let hashes: Result<Vec<CodeHash>, _> = codes.into_iter().map(hex).collect();
    Ok(RecoverySet {
        id: id(fields)?,
        // Left out of sets that were made here.
        form: match fields.optional("form", string)? {
            None | Some("base32") => CodeForm::Base32,
            Some("digits") => CodeForm::Digits,
            Some(_) => return Err(fields.fault("form")),
        },
        salt: hex(fields.required("salt", string)?)?,
        hashes: hashes?,
        created: fields.required("created", number)?,
    })
}

fn bypass_code(fields: &RecordFields<'_>) -> Result<OneTimeCode, RecordError> {
    let code = one_time_code(fields, &["scope"])?;
    // Left out of codes for a login alone.
    match fields.optional("scope", string)? {
        None => Ok(code),
        Some("new-device") => Ok(code.with_scope(CodeScope::NewDevice)),
        Some("this-host") => Ok(code.with_scope(CodeScope::ThisHost)),
        Some(_) => Err(fields.fault("scope")),
    }
}

/// `more` are keys that the caller reads.
fn one_time_code(fields: &RecordFields<'_>, more: &[&str]) -> Result<OneTimeCode, RecordError> {
    fields.only(&[&["id", "salt", "code", "expires"], more].concat())?;
    Ok(OneTimeCode {
        id: id(fields)?,
        salt: hex(fields.required("salt", string)?)?,
        hash: hex(fields.required("code", string)?)?,
        expires: fields.required("expires", number)?,
        scope: CodeScope::Login,
    })
}

fn id(fields: &RecordFields<'_>) -> Result<CredentialId, RecordError> {
    fields
        .required("id", string)?
        .parse()
        .map_err(|_| RecordError::new("has a malformed id"))
}

fn hex<const N: usize>(text: &str) -> Result<[u8; N], RecordError> {
    let mut bytes = [0; N];
    match base16ct::lower::decode(text, &mut bytes) {
        Ok(read) if read.len() == N => Ok(bytes),
        _ => Err(RecordError::new("has a malformed hash or salt")),
    }
}
