//! `otpauth-migration://offline?data=…`: what Google Authenticator exports, several devices in one QR code.
//!
//! The data is base64 of a protocol buffer (<https://protobuf.dev/programming-guides/encoding/>): a list of devices, and
//! which part of how many this is. Read strictly: what is cut off or does not fit is an error.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use data_encoding::{BASE64, BASE64_NOPAD, BASE64URL, BASE64URL_NOPAD};
use twofactor_core::device::OtpKind;
use twofactor_core::otp::{Algorithm, Digits, Interval};
use zeroize::Zeroizing;

use super::otpauth_uri::{LabelledToken, decoded};
use super::{ImportNote, ImportedToken, counter, secret};

/// Numbers of the fields of a device.
mod field {
    pub const SECRET: u64 = 1;
    pub const NAME: u64 = 2;
    pub const ISSUER: u64 = 3;
    pub const ALGORITHM: u64 = 4;
    pub const DIGITS: u64 = 5;
    pub const KIND: u64 = 6;
    pub const COUNTER: u64 = 7;
}
/// Numbers of the fields around the devices.
const DEVICE: u64 = 1;
const PARTS: u64 = 3;
const WHICH_PART: u64 = 4;
const EXPORT: u64 = 5;

type SecretBytes = Zeroizing<Vec<u8>>;

/// Position of a QR code in an export.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ExportPart {
    /// A random number of the export.
    export: u64,
    /// Number of its QR codes.
    parts: u64,
    /// Index of this QR code, from 0.
    part: u64,
}

/// The exports of several QR codes in a file: which parts are there, and which items came out of them.
#[derive(Default)]
pub struct ExportProgress(BTreeMap<(u64, u64), PartialExport>);

#[derive(Default)]
struct PartialExport {
    parts: BTreeSet<u64>,
    items: Vec<Range<usize>>,
}

impl ExportProgress {
    /// A part is there, with the items at these positions.
    pub fn add(&mut self, part: ExportPart, items: Range<usize>) {
        let export = self.0.entry((part.export, part.parts)).or_default();
        export.parts.insert(part.part);
        export.items.push(items);
    }

    /// The items of exports of which a part is missing, and what to say of them.
    pub fn incomplete(self) -> Vec<(Range<usize>, ImportNote)> {
        let notes = self.0.into_iter().flat_map(|((_, all), export)| {
            let missing = all.saturating_sub(export.parts.range(..all).count() as u64);
            let note = format!(
                "is of an export with {all} QR codes, of which {missing} must still be imported"
            );
            let items = export.items.into_iter().filter(move |_| missing > 0);
            items.map(move |items| (items, ImportNote::from(note.clone())))
        });
        notes.collect()
    }
}

/// Reads what stands after `otpauth-migration://`.
pub fn read(rest: &str) -> (Vec<Result<LabelledToken, String>>, Option<ExportPart>) {
    devices(rest).unwrap_or_else(|reason| (vec![Err(reason)], None))
}

type MigrationContent = (Vec<Result<LabelledToken, String>>, Option<ExportPart>);

fn devices(rest: &str) -> Result<MigrationContent, String> {
    let (_, query) = rest.split_once('?').ok_or("has no data")?;
    let data = query.split('&').find_map(|pair| pair.strip_prefix("data="));
    let payload = unpacked(&decoded(data.ok_or("has no data")?)?)?;
    let fields = MessageFields::read(&payload).ok_or("its data is damaged or cut off")?;
    // Fields that are left out are zero.
    let number = |wanted| fields.number(wanted).unwrap_or(0);
    let part = ExportPart {
        export: number(EXPORT),
        parts: number(PARTS),
        part: number(WHICH_PART),
    };
    let mut found = Vec::new();
    for (number, value) in fields.0 {
        if let (DEVICE, FieldValue::Bytes(bytes)) = (number, value) {
            found.push(device(bytes));
        }
    }
    if found.is_empty() {
        Err("there is no device in its data".to_owned())
    } else {
        Ok((found, Some(part).filter(|part| part.parts > 1)))
    }
}

/// Base64 in either alphabet, with or without padding.
fn unpacked(text: &str) -> Result<SecretBytes, String> {
    // If percent-encoding was forgotten, a plus may have become a space on the way.
    let text = Zeroizing::new(text.replace(' ', "+"));
    let decoded = [BASE64, BASE64_NOPAD, BASE64URL, BASE64URL_NOPAD]
        .iter()
        .find_map(|encoding| encoding.decode(text.as_bytes()).ok());
    decoded
        .map(Zeroizing::new)
        .ok_or_else(|| "its data is not base64".to_owned())
}

fn device(bytes: &[u8]) -> Result<LabelledToken, String> {
    let fields = MessageFields::read(bytes).ok_or("a device in its data is damaged")?;
    let (kind, next) = match fields.number(field::KIND) {
        Some(1) => {
            let next = fields.number(field::COUNTER).unwrap_or(0);
            (OtpKind::Hotp, counter(next)?)
        }
        // Left out, it is what nearly all are.
        None | Some(0 | 2) => {
            let interval = Interval::THIRTY;
            (OtpKind::Totp { interval }, 0)
        }
        Some(_) => return Err("a device in its data is neither of totp nor of hotp".to_owned()),
    };
    let algorithm = match fields.number(field::ALGORITHM) {
        None | Some(0 | 1) => Algorithm::Sha1,
        Some(2) => Algorithm::Sha256,
        Some(3) => Algorithm::Sha512,
        Some(_) => return Err("the algorithm is none of SHA1, SHA256 and SHA512".to_owned()),
    };
    let digits = match fields.number(field::DIGITS) {
        None | Some(0 | 1) => Some(Digits::SIX),
        Some(2) => Digits::new(8),
        Some(3) => Digits::new(7),
        Some(_) => None,
    };
    let bytes = fields.bytes(field::SECRET).unwrap_or_default();
    let secret = secret(Zeroizing::new(bytes.to_vec()))?;
    let (name, issuer) = (fields.text(field::NAME)?, fields.text(field::ISSUER)?);
    let (prefix, account) = match name.split_once(':') {
        Some((prefix, account)) => (prefix.trim(), account.trim()),
        None => ("", name.trim()),
    };
    Ok(LabelledToken {
        token: ImportedToken {
            kind,
            algorithm,
            digits: digits.ok_or("the codes do not have 6, 7 or 8 digits")?,
            secret,
        },
        issuer: match issuer.trim() {
            "" => prefix.to_owned(),
            issuer => issuer.to_owned(),
        },
        account: account.to_owned(),
        next,
        notes: Vec::new(),
    })
}

/// A field of a protocol buffer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum FieldValue<'b> {
    Number(u64),
    Bytes(&'b [u8]),
    /// A field of eight or four bytes; nothing here uses it.
    Fixed,
}

/// All fields of a message with their numbers, in order. Of several with one number the last counts.
struct MessageFields<'b>(Vec<(u64, FieldValue<'b>)>);

impl<'b> MessageFields<'b> {
    /// `None` where the message is not well-formed.
    fn read(mut bytes: &'b [u8]) -> Option<Self> {
        let mut found = Vec::new();
        while !bytes.is_empty() {
            let tag = varint(&mut bytes)?;
            let value = match tag & 7 {
                0 => FieldValue::Number(varint(&mut bytes)?),
                1 => take(&mut bytes, 8).map(|_| FieldValue::Fixed)?,
                2 => {
                    let length = usize::try_from(varint(&mut bytes)?).ok()?;
                    FieldValue::Bytes(take(&mut bytes, length)?)
                }
                5 => take(&mut bytes, 4).map(|_| FieldValue::Fixed)?,
                _ => return None,
            };
            found.push((Some(tag >> 3).filter(|number| *number > 0)?, value));
        }
        Some(Self(found))
    }

    fn number(&self, wanted: u64) -> Option<u64> {
        self.0.iter().rev().find_map(|(number, value)| match value {
            FieldValue::Number(value) if *number == wanted => Some(*value),
            _ => None,
        })
    }

    fn bytes(&self, wanted: u64) -> Option<&'b [u8]> {
        self.0.iter().rev().find_map(|(number, value)| match value {
            FieldValue::Bytes(bytes) if *number == wanted => Some(*bytes),
            _ => None,
        })
    }

    /// Empty where it is left out.
    fn text(&self, wanted: u64) -> Result<String, &'static str> {
        match self.bytes(wanted).map(std::str::from_utf8) {
            None => Ok(String::new()),
            Some(Ok(text)) => Ok(text.to_owned()),
            Some(Err(_)) => Err("a name in its data is not UTF-8"),
        }
    }
}

/// Seven bits a byte, lowest first, at most 64 bits.
fn varint(bytes: &mut &[u8]) -> Option<u64> {
    let mut value = 0_u64;
    for place in 0..10 {
        let byte = *take(bytes, 1)?.first()?;
        let bits = u64::from(byte & 0x7f);
        // The tenth byte has room for one bit.
        if place == 9 && bits > 1 {
            return None;
        }
        value |= bits << (7 * place);
        if byte & 0x80 == 0 {
            return Some(value);
        }
    }
    None
}

fn take<'b>(bytes: &mut &'b [u8], count: usize) -> Option<&'b [u8]> {
    let (taken, rest) = bytes.split_at_checked(count)?;
    *bytes = rest;
    Some(taken)
}

#[cfg(test)]
mod tests;
