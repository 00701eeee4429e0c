//! One `otpauth://` URI: its label, its parameters and the device that they describe.

use std::collections::BTreeSet;

use twofactor_core::device::OtpKind;
use twofactor_core::otp::{Algorithm, Digits, Interval};
use zeroize::Zeroizing;

use super::base32::{self, LookalikeDigits};
use super::{ImportNote, ImportedToken, counter, digits, interval, number, secret};

/// Words that people take for the name of a parameter that changes the codes, each with the name.
const MISSPELT: [(&str, &str); 5] = [
    ("digit", "digits"),
    ("interval", "period"),
    ("step", "period"),
    ("algo", "algorithm"),
    ("alg", "algorithm"),
];
/// Longest name of a parameter that is repeated in a report: the shortest key has 16 characters.
const REPEATED: usize = 12;

/// A device, and what its label says.
#[derive(Debug)]
pub struct LabelledToken {
    /// The device.
    pub token: ImportedToken,
    /// Account that the code is for.
    pub account: String,
    /// Issuer; may be empty.
    pub issuer: String,
    /// The first counter to use; 0 for TOTP.
    pub next: u64,
    /// Notes for the administrator.
    pub notes: Vec<ImportNote>,
}

/// Reads what follows `otpauth://`.
pub fn read(rest: &str) -> Result<LabelledToken, String> {
    let (path, query) = rest.split_once('?').ok_or("has no parameters")?;
    let (kind, label) = path.split_once('/').unwrap_or((path, ""));
    let (prefix, account) = parts(label)?;
    let found = UriParameters::read(query)?;
    let encoded = found.secret.as_ref().ok_or("has no secret")?;
    let bytes =
        base32::decode(encoded, LookalikeDigits::Refuse).ok_or("the secret is not base32")?;
    let secret = secret(bytes)?;
    let (kind, next) = match kind.to_ascii_lowercase().as_str() {
        "totp" => {
            let interval = found.period.map_or(Ok(Interval::THIRTY), interval)?;
            (OtpKind::Totp { interval }, 0)
        }
        "hotp" => (
            OtpKind::Hotp,
            counter(found.counter.ok_or("has no counter")?)?,
        ),
        _ => return Err("is neither of totp nor of hotp".to_owned()),
    };
    let notes = found.notes();
    let issuer = found.issuer.as_deref().map(|issuer| issuer.trim());
    Ok(LabelledToken {
        token: ImportedToken {
            kind,
            algorithm: found.algorithm.unwrap_or(Algorithm::Sha1),
            digits: found.digits.map_or(Ok(Digits::SIX), digits)?,
            secret,
        },
        account,
        issuer: issuer
            .filter(|issuer| !issuer.is_empty())
            .unwrap_or(&prefix)
            .to_owned(),
        next,
        notes,
    })
}

/// Issuer and account of a label. The colon between them may be encoded, but where one is not, that one counts.
fn parts(label: &str) -> Result<(String, String), String> {
    let whole = decoded(label)?;
    let (prefix, account) = match (label.split_once(':'), whole.split_once(':')) {
        (Some((prefix, account)), _) => (decoded(prefix)?, decoded(account)?),
        (None, Some((prefix, account))) => (own(prefix), own(account)),
        (None, None) => (own(""), own(&whole)),
    };
    Ok((prefix.trim().to_owned(), account.trim().to_owned()))
}

fn own(text: &str) -> Zeroizing<String> {
    Zeroizing::new(text.to_owned())
}

#[derive(Default)]
struct UriParameters {
    secret: Option<Zeroizing<String>>,
    issuer: Option<Zeroizing<String>>,
    algorithm: Option<Algorithm>,
    digits: Option<u64>,
    period: Option<u64>,
    counter: Option<u64>,
    /// Parameters that mean nothing here.
    unknown: BTreeSet<String>,
}

impl UriParameters {
    fn read(query: &str) -> Result<Self, String> {
        let mut found = Self::default();
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
            // HTML forms write a space so (application/x-www-form-urlencoded).
            let value = decoded(&Zeroizing::new(value.replace('+', " ")))?;
            let whole = |name: &str| {
                number(&value)
                    .ok_or_else(|| format!("{name} is not a number"))
                    .map(Some)
            };
            let name = key.to_ascii_lowercase();
            match name.as_str() {
                "secret" if found.secret.is_some() => return Err("has two secrets".to_owned()),
                "secret" => found.secret = Some(value),
                "issuer" => found.issuer = Some(value),
                "algorithm" => found.algorithm = Some(algorithm(&value)?),
                "digits" => found.digits = whole("digits")?,
                "period" => found.period = whole("period")?,
                "counter" => found.counter = whole("counter")?,
                // Steam shows letters; an app that leaves this out would show other codes.
                "encoder" => return Err("its codes are not made of digits (encoder)".to_owned()),
                _ if name.starts_with("amp;") || name.starts_with("#38;") => {
                    return Err(
                        "has &amp; or &#38; where a plain & belongs: it was copied out of HTML or XML".to_owned(),
                    );
                }
                _ => found.note(&name)?,
            }
        }
        Ok(found)
    }

    /// An app that passed over such a name shows other codes than are meant.
    fn note(&mut self, name: &str) -> Result<(), String> {
        if let Some((wrong, right)) = MISSPELT.iter().find(|(wrong, _)| *wrong == name) {
            return Err(format!("has {wrong}=, which is spelt {right}="));
        }
        let plain = name
            .bytes()
            .all(|byte| byte.is_ascii_lowercase() || b"-_".contains(&byte));
        let repeated = if plain && name.len() <= REPEATED {
            name
        } else {
            "others"
        };
        self.unknown.insert(repeated.to_owned());
        Ok(())
    }

    fn notes(&self) -> Vec<ImportNote> {
        let names: Vec<&str> = self.unknown.iter().map(String::as_str).collect();
        if names.is_empty() {
            Vec::new()
        } else {
            vec![format!("parameters that mean nothing here: {}", names.join(", ")).into()]
        }
    }
}

fn algorithm(name: &str) -> Result<Algorithm, String> {
    match name
        .to_ascii_uppercase()
        .replace('-', "")
        .trim_start_matches("HMAC")
    {
        "SHA1" => Ok(Algorithm::Sha1),
        "SHA256" => Ok(Algorithm::Sha256),
        "SHA512" => Ok(Algorithm::Sha512),
        _ => Err("the algorithm is none of SHA1, SHA256 and SHA512".to_owned()),
    }
}

/// Undoes percent-encoding (RFC 3986 section 2.1). A `+` is a plus.
pub fn decoded(text: &str) -> Result<Zeroizing<String>, String> {
    let mut bytes = Zeroizing::new(Vec::with_capacity(text.len()));
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte != b'%' {
            bytes.push(byte);
            continue;
        }
        let mut digit = || char::from(rest.next()?).to_digit(16);
        let value = digit()
            .zip(digit())
            .and_then(|(high, low)| u8::try_from(high * 16 + low).ok());
        bytes.push(value.ok_or("has a % without two hexadecimal digits after it")?);
    }
    match String::from_utf8(std::mem::take(&mut *bytes)) {
        Ok(text) => Ok(Zeroizing::new(text)),
        Err(error) => {
            drop(Zeroizing::new(error.into_bytes()));
            Err("is not UTF-8 once it is decoded".to_owned())
        }
    }
}
