//! `otpauth://` URIs, one a line, as authenticator apps and their backups give them out, and the exports of Google
//! Authenticator among them.

use std::sync::Arc;

use super::google_export::{self, ExportPart, ExportProgress};
use super::otpauth_uri::{self, LabelledToken};
use super::{
    ImportMoment, ImportedDevice, ParsedSource, RefusedEntry, SourceLine, content, device_name,
    lines,
};

/// Name of a device whose URI names nothing.
pub const NAME: &str = "app";
/// Longest line that is looked at: an export of Google Authenticator holds at most a few KiB.
const LONGEST: usize = 64 * 1024;

/// Reads a whole file.
pub fn parse(bytes: &[u8], file: &str, _: ImportMoment) -> ParsedSource {
    let file: Arc<str> = file.into();
    let bytes = match content(bytes) {
        Ok(bytes) => bytes,
        Err(reason) => return ParsedSource::nothing(file, None, reason),
    };
    let mut parsed = ParsedSource::default();
    let mut exports = ExportProgress::default();
    for (place, text) in lines(bytes, &file, &mut parsed.refused) {
        let text = text.trim();
        if text.is_empty() || text.starts_with('#') {
            continue;
        }
        let (found, part) = line(text);
        let first = parsed.items.len();
        for found in found {
            match found {
                Ok(labelled) => parsed.items.push(item(labelled, place.clone())),
                Err(reason) => parsed.refused.push(RefusedEntry {
                    place: place.clone(),
                    user: None,
                    reason,
                }),
            }
        }
        if let Some(part) = part {
            exports.add(part, first..parsed.items.len());
        }
    }
    for (items, note) in exports.incomplete() {
        for item in parsed.items.get_mut(items).into_iter().flatten() {
            item.notes.push(note.clone());
        }
    }
    parsed
}

fn item(found: LabelledToken, place: SourceLine) -> ImportedDevice {
    let named_after = if found.issuer.is_empty() {
        &found.account
    } else {
        &found.issuer
    };
    ImportedDevice {
        place,
        name: device_name(named_after, NAME),
        user: found.account,
        token: found.token,
        next: found.next,
        drift: 0,
        scratch: Vec::new(),
        notes: found.notes,
    }
}

fn line(text: &str) -> (Vec<Result<LabelledToken, String>>, Option<ExportPart>) {
    let only = |found| (vec![found], None);
    if text.len() > LONGEST {
        return only(Err("is longer than any URI of a device".to_owned()));
    }
    let (scheme, rest) = text.split_once("://").unwrap_or_default();
    match scheme.to_ascii_lowercase().as_str() {
        "otpauth" => only(otpauth_uri::read(rest)),
        "otpauth-migration" => google_export::read(rest),
        _ => only(Err(
            "is no otpauth:// or otpauth-migration:// URI".to_owned()
        )),
    }
}

#[cfg(test)]
mod tests;
