//! The TOML form of a record, and what makes it a legal one.
#![forbid(unsafe_code)]

use data_encoding::HEXLOWER;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::device::{Device, DeviceName, Id, Kind, MAX_DEVICES};
use crate::otp::{Digits, Interval};
use crate::recovery::{CodeForm, Hash, OneTimeCode, RecoverySet, Salt};
use crate::secret::Secret;

use super::{FORMAT, MAX_RECOVERY_CODES, Record, RecordError};

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawRecord {
    pub(super) format: u32,
    pub(super) writer: String,
    user: String,
    uid: u32,
    #[serde(default, rename = "device")]
    devices: Vec<RawDevice>,
    recovery: Option<RawRecovery>,
    bypass: Option<RawOneTimeCode>,
    invite: Option<RawOneTimeCode>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawDevice {
    id: String,
    name: String,
    kind: RawKind,
    algorithm: String,
    digits: u8,
    interval: Option<u32>,
    secret: Zeroizing<String>,
    created: u64,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum RawKind {
    Totp,
    Hotp,
}

/// Left out of sets that were made here.
#[derive(Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum RawForm {
    #[default]
    Base32,
    Digits,
}

impl RawForm {
    fn is_base32(&self) -> bool {
        *self == Self::Base32
    }
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawRecovery {
    id: String,
    #[serde(default, skip_serializing_if = "RawForm::is_base32")]
    form: RawForm,
    salt: String,
    codes: Vec<String>,
    created: u64,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawOneTimeCode {
    id: String,
    salt: String,
    code: String,
    expires: u64,
}

impl From<&Record> for RawRecord {
    fn from(record: &Record) -> Self {
        Self {
            format: FORMAT,
            writer: format!("twofactor {}", crate::VERSION),
            user: record.user.clone(),
            uid: record.uid,
            devices: record.devices.iter().map(RawDevice::from).collect(),
            recovery: record.recovery.as_ref().map(|set| RawRecovery {
                id: set.id.to_string(),
                form: match set.form {
                    CodeForm::Base32 => RawForm::Base32,
                    CodeForm::Digits => RawForm::Digits,
                },
                salt: HEXLOWER.encode(&set.salt),
                codes: set.hashes.iter().map(|h| HEXLOWER.encode(h)).collect(),
                created: set.created,
            }),
            bypass: record.bypass.as_ref().map(RawOneTimeCode::from),
            invite: record.invite.as_ref().map(RawOneTimeCode::from),
        }
    }
}

impl From<&OneTimeCode> for RawOneTimeCode {
    fn from(code: &OneTimeCode) -> Self {
        Self {
            id: code.id.to_string(),
            salt: HEXLOWER.encode(&code.salt),
            code: HEXLOWER.encode(&code.hash),
            expires: code.expires,
        }
    }
}

impl From<&Device> for RawDevice {
    fn from(device: &Device) -> Self {
        let (kind, interval) = match device.kind {
            Kind::Totp { interval } => (RawKind::Totp, Some(interval.seconds())),
            Kind::Hotp => (RawKind::Hotp, None),
        };
        Self {
            id: device.id.to_string(),
            name: device.name.to_string(),
            kind,
            algorithm: device.algorithm.to_string(),
            digits: device.digits.value(),
            interval,
            secret: device.secret.to_base32(),
            created: device.created,
        }
    }
}

impl TryFrom<RawRecord> for Record {
    type Error = RecordError;

    fn try_from(raw: RawRecord) -> Result<Self, RecordError> {
        match (raw.devices.is_empty(), &raw.invite) {
            // The last device goes together with its record, so such a record was cut short.
            (true, None) => return Err(RecordError::new("has no device")),
            (true, Some(_)) if raw.recovery.is_some() || raw.bypass.is_some() => {
                return Err(RecordError::new("has no device"));
            }
            (false, Some(_)) => {
                return Err(RecordError::new("has an invitation beside its devices"));
            }
            (true, Some(_)) | (false, None) => {}
        }
        if raw.devices.len() > MAX_DEVICES {
            return Err(RecordError::new("has more devices than the state can hold"));
        }
        let devices = raw
            .devices
            .into_iter()
            .map(Device::try_from)
            .collect::<Result<Vec<_>, _>>()?;
        for (position, device) in devices.iter().enumerate() {
            let mut rest = devices.iter().skip(position + 1);
            if rest.any(|other| other.name == device.name || other.id == device.id) {
                return Err(RecordError::new("has two devices of one name or id"));
            }
        }
        Ok(Self {
            user: raw.user,
            uid: raw.uid,
            devices,
            recovery: raw.recovery.map(RecoverySet::try_from).transpose()?,
            bypass: raw.bypass.map(OneTimeCode::try_from).transpose()?,
            invite: raw.invite.map(OneTimeCode::try_from).transpose()?,
        })
    }
}

impl TryFrom<RawDevice> for Device {
    type Error = RecordError;

    fn try_from(raw: RawDevice) -> Result<Self, RecordError> {
        let kind = match (raw.kind, raw.interval) {
            (RawKind::Totp, Some(seconds)) => Interval::new(seconds)
                .map(|interval| Kind::Totp { interval })
                .ok_or_else(|| RecordError::new("has a device whose interval is not 5 to 3600"))?,
            (RawKind::Totp, None) => {
                return Err(RecordError::new("has a totp device without an interval"));
            }
            (RawKind::Hotp, None) => Kind::Hotp,
            (RawKind::Hotp, Some(_)) => {
                return Err(RecordError::new("has a hotp device with an interval"));
            }
        };
        Ok(Self {
            id: id(&raw.id)?,
            name: raw
                .name
                .parse::<DeviceName>()
                .map_err(|_| RecordError::new("has a device with an impossible name"))?,
            kind,
            algorithm: raw
                .algorithm
                .parse()
                .map_err(|_| RecordError::new("has a device with an unknown algorithm"))?,
            digits: Digits::new(raw.digits)
                .ok_or_else(|| RecordError::new("has a device whose digits are not 6 to 8"))?,
            secret: Secret::from_base32(&raw.secret)
                .ok_or_else(|| RecordError::new("has a device whose secret is not base32"))?,
            created: raw.created,
        })
    }
}

impl TryFrom<RawRecovery> for RecoverySet {
    type Error = RecordError;

    fn try_from(raw: RawRecovery) -> Result<Self, RecordError> {
        if !(1..=MAX_RECOVERY_CODES).contains(&raw.codes.len()) {
            return Err(RecordError::new(
                "has an impossible number of recovery codes",
            ));
        }
        let hashes: Result<Vec<Hash>, _> = raw.codes.iter().map(|code| hex(code)).collect();
        Ok(Self {
            id: id(&raw.id)?,
            form: match raw.form {
                RawForm::Base32 => CodeForm::Base32,
                RawForm::Digits => CodeForm::Digits,
            },
            salt: hex::<16>(&raw.salt)? as Salt,
            hashes: hashes?,
            created: raw.created,
        })
    }
}

impl TryFrom<RawOneTimeCode> for OneTimeCode {
    type Error = RecordError;

    fn try_from(raw: RawOneTimeCode) -> Result<Self, RecordError> {
        Ok(Self {
            id: id(&raw.id)?,
            salt: hex(&raw.salt)?,
            hash: hex(&raw.code)?,
            expires: raw.expires,
        })
    }
}

fn id(text: &str) -> Result<Id, RecordError> {
    text.parse()
        .map_err(|_| RecordError::new("has a malformed id"))
}

fn hex<const N: usize>(text: &str) -> Result<[u8; N], RecordError> {
    let bytes = HEXLOWER.decode(text.as_bytes()).ok();
    bytes
        .and_then(|bytes| bytes.try_into().ok())
        .ok_or_else(|| RecordError::new("has a malformed hash or salt"))
}
