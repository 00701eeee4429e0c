//! Writes the TOML form of a record.

use base16ct::lower::encode_string as hex;
use zeroize::Zeroizing;

use crate::device::{Device, OtpKind};
use crate::recovery::{CodeForm, CodeScope, OneTimeCode, RecoverySet};

use super::recent_changes::{ChangeChannel, RecentChange};
use super::{FORMAT, UserRecord};

const COMMENT: &str =
    "# Secrets of one user, kept by twofactor. Change it with twofactor, not by hand.\n";

pub(super) fn record(record: &UserRecord) -> Zeroizing<String> {
    let mut file = RecordWriter(Zeroizing::new(COMMENT.to_owned()));
    file.number("format", FORMAT);
    file.string("writer", &format!("twofactor {}", crate::VERSION));
    file.string("user", &record.user);
    file.number("uid", record.uid);
    for device in &record.devices {
        file.header("[[device]]");
        file.device(device);
    }
    if let Some(set) = &record.recovery {
        file.header("[recovery]");
        file.recovery_set(set);
    }
    if let Some(code) = &record.bypass {
        file.header("[bypass]");
        file.one_time_code(code);
    }
    if let Some(code) = &record.invite {
        file.header("[invite]");
        file.one_time_code(code);
    }
    for change in &record.changes {
        file.header("[[change]]");
        file.change(change);
    }
    file.0
}

struct RecordWriter(Zeroizing<String>);

impl RecordWriter {
    fn device(&mut self, device: &Device) {
        self.string("id", &device.id.to_string());
        self.string("name", device.name.as_str());
        let (kind, interval) = match device.kind {
            OtpKind::Totp { interval } => ("totp", Some(interval)),
            OtpKind::Hotp => ("hotp", None),
        };
        self.string("kind", kind);
        self.string("algorithm", &device.algorithm.to_string());
        self.number("digits", device.digits.value());
        if let Some(interval) = interval {
            self.number("interval", interval.seconds());
        }
        self.string("secret", &device.secret.to_base32());
        self.number("created", device.created);
    }

    fn recovery_set(&mut self, set: &RecoverySet) {
        self.string("id", &set.id.to_string());
        match set.form {
            CodeForm::Base32 => {}
            CodeForm::Digits => self.string("form", "digits"),
        }
        self.string("salt", &hex(&set.salt));
        let code = |hash| format!("\"{}\"", hex(hash));
        let codes: Vec<_> = set.hashes.iter().map(|hash| code(hash)).collect();
        self.entry("codes", &format!("[{}]", codes.join(", ")));
        self.number("created", set.created);
    }

    fn one_time_code(&mut self, code: &OneTimeCode) {
        self.string("id", &code.id.to_string());
        self.string("salt", &hex(&code.salt));
        self.string("code", &hex(&code.hash));
        self.number("expires", code.expires);
        match code.scope {
            CodeScope::Login => {}
            CodeScope::NewDevice => self.string("scope", "new-device"),
            CodeScope::ThisHost => self.string("scope", "this-host"),
        }
    }

    fn change(&mut self, change: &RecentChange) {
        let RecentChange { time, origin, .. } = change;
        let (through, service) = match &origin.channel {
            ChangeChannel::Daemon => ("daemon", None),
            ChangeChannel::Command => ("command", None),
            ChangeChannel::Login(service) => ("login", Some(service)),
        };
        self.number("time", *time);
        self.string("kind", change.kind.word());
        if let Some(device) = &change.device {
            self.string("device", device.as_str());
        }
        self.string("through", through);
        self.number("uid", origin.uid);
        for (key, name) in [
            ("service", service),
            ("terminal", origin.terminal.as_ref()),
            ("address", origin.address.as_ref()),
        ] {
            if let Some(name) = name {
                self.string(key, name.as_str());
            }
        }
    }

    fn header(&mut self, header: &str) {
        for part in ["\n", header, "\n"] {
            self.0.push_str(part);
        }
    }

    fn string(&mut self, key: &str, value: &str) {
        self.entry(key, &quoted(value));
    }

    fn number(&mut self, key: &str, value: impl Into<u64>) {
        self.entry(key, &value.into().to_string());
    }

    fn entry(&mut self, key: &str, value: &str) {
        for part in [key, " = ", value, "\n"] {
            self.0.push_str(part);
        }
    }
}

/// A basic string (TOML 1.0, "String"): quotation mark, backslash and control characters have to be escaped.
fn quoted(text: &str) -> Zeroizing<String> {
    let mut quoted = Zeroizing::new(String::from("\""));
    for letter in text.chars() {
        match letter {
            '"' | '\\' => quoted.extend(['\\', letter]),
            _ if letter.is_control() => {
                quoted.push_str(&format!("\\u{:04X}", u32::from(letter)));
            }
            _ => quoted.push(letter),
        }
    }
    quoted.push('"');
    quoted
}
