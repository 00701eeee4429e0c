//! `Verify`: a code is judged as at a login, which uses it up or counts it.

use crate::gate_call;
use crate::json::{FlatObject, ObjectWriter};
use crate::reply::{self, ReplyError};

/// The qualified name of the call.
pub const METHOD: &str = "io.twofactor.Verify";

/// Layout of what was typed around a code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CodeLayout {
    /// Nothing but a code.
    Code,
    /// The end of a password with a code right after it.
    AfterPassword,
}

/// The answer to `Verify`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum VerifyAnswer {
    /// The code works, and its use is on the disk.
    Accepted(AcceptedCode),
    /// The code matches no device, recovery code or bypass code.
    Wrong,
    /// The code was refused lately, and is neither compared nor counted again.
    Repeated,
    /// The code, or a newer one, was used; the name of the device.
    Used(String),
    /// The code is older than one that was accepted, since the clock was set back.
    Clock(LaggingClock),
    /// A recovery or bypass code that was used.
    Spent,
    /// A bypass code, too late.
    Expired,
    /// The code was not compared. No code is for so many seconds, or until an administrator unlocks the user (`None`).
    Locked(Option<u64>),
    /// The user has no device.
    Unenrolled,
}

/// A code that was accepted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AcceptedCode {
    /// Origin of the code.
    pub by: CodeOrigin,
    /// Number of bytes of what was sent that precede it.
    pub password_length: u64,
    /// Wrong codes through the daemon since the last one that was accepted.
    pub failures_before: u64,
}

/// A clock that was set back behind the last accepted code.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LaggingClock {
    /// Name of the device.
    pub device: String,
    /// By how many seconds, at least.
    pub seconds: u64,
}

/// Origin of an accepted code.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CodeOrigin {
    /// A device, by its name.
    Device(String),
    /// The set of recovery codes, of which so many are left.
    RecoveryCode(u64),
    /// The administrator's bypass.
    Bypass,
}

/// The call, as a message.
#[must_use]
pub fn request(user: &str, code: &str, layout: CodeLayout) -> Vec<u8> {
    let writer = ObjectWriter::default()
        .text("user", user)
        .text("code", code)
        .flag("password_before", layout == CodeLayout::AfterPassword);
    reply::call(METHOD, writer)
}

impl VerifyAnswer {
    /// The word of the answer on the wire.
    #[must_use]
    pub const fn word(&self) -> &'static str {
        match self {
            Self::Accepted(_) => "accepted",
            Self::Wrong => "wrong",
            Self::Repeated => "repeated",
            Self::Used(_) => "used",
            Self::Clock(_) => "clock",
            Self::Spent => "spent",
            Self::Expired => "expired",
            Self::Locked(_) => "locked",
            Self::Unenrolled => "unenrolled",
        }
    }

    /// The parameters of the reply.
    #[must_use]
    pub fn parameters(&self) -> ObjectWriter {
        let writer = ObjectWriter::default().text("result", self.word());
        match self {
            Self::Accepted(accepted) => accepted.write(writer),
            Self::Used(device) => writer.text("device", device),
            Self::Clock(clock) => writer
                .text("device", &clock.device)
                .count("seconds", clock.seconds),
            Self::Locked(Some(seconds)) => writer.count("seconds", *seconds),
            _ => writer,
        }
    }

    /// Reads a reply, given without its NUL byte. Fields that are not known are left out.
    ///
    /// # Errors
    /// [`ReplyError`].
    pub fn read(message: &[u8]) -> Result<Self, ReplyError> {
        let parameters = reply::parameters(message)?;
        Ok(match parameters.text("result") {
            Some("accepted") => {
                let accepted = AcceptedCode::read(&parameters);
                Self::Accepted(accepted.ok_or(ReplyError::Malformed)?)
            }
            Some("wrong") => Self::Wrong,
            Some("repeated") => Self::Repeated,
            Some("used") => Self::Used(device(&parameters)?),
            Some("clock") => Self::Clock(LaggingClock {
                device: device(&parameters)?,
                seconds: gate_call::seconds(&parameters)?.ok_or(ReplyError::Malformed)?,
            }),
            Some("spent") => Self::Spent,
            Some("expired") => Self::Expired,
            Some("locked") => Self::Locked(gate_call::seconds(&parameters)?),
            Some("unenrolled") => Self::Unenrolled,
            _ => return Err(ReplyError::Malformed),
        })
    }
}

fn device(parameters: &FlatObject) -> Result<String, ReplyError> {
    let device = parameters.text("device").ok_or(ReplyError::Malformed)?;
    Ok(device.to_owned())
}

impl AcceptedCode {
    fn write(&self, writer: ObjectWriter) -> ObjectWriter {
        let writer = match &self.by {
            CodeOrigin::Device(name) => writer.text("by", "device").text("device", name),
            CodeOrigin::RecoveryCode(left) => writer
                .text("by", "recovery_code")
                .count("recovery_codes_left", *left),
            CodeOrigin::Bypass => writer.text("by", "bypass"),
        };
        writer
            .count("password_length", self.password_length)
            .count("failures_before", self.failures_before)
    }

    fn read(parameters: &FlatObject) -> Option<Self> {
        let by = match parameters.text("by")? {
            "device" => CodeOrigin::Device(parameters.text("device")?.to_owned()),
            "recovery_code" => CodeOrigin::RecoveryCode(parameters.count("recovery_codes_left")?),
            "bypass" => CodeOrigin::Bypass,
            _ => return None,
        };
        Some(Self {
            by,
            password_length: parameters.count("password_length")?,
            failures_before: parameters.count("failures_before")?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn accepted(by: CodeOrigin) -> VerifyAnswer {
        VerifyAnswer::Accepted(AcceptedCode {
            by,
            password_length: 7,
            failures_before: 2,
        })
    }

    #[test]
    fn answers_are_read_as_they_are_written() {
        for answer in [
            accepted(CodeOrigin::Device("phone \"2\"".to_owned())),
            accepted(CodeOrigin::RecoveryCode(9)),
            accepted(CodeOrigin::Bypass),
            VerifyAnswer::Wrong,
            VerifyAnswer::Repeated,
            VerifyAnswer::Used("phone".to_owned()),
            VerifyAnswer::Clock(LaggingClock {
                device: "phone".to_owned(),
                seconds: 9,
            }),
            VerifyAnswer::Spent,
            VerifyAnswer::Expired,
            VerifyAnswer::Locked(None),
            VerifyAnswer::Locked(Some(1)),
            VerifyAnswer::Unenrolled,
        ] {
            let message = reply::message(answer.parameters());
            let text = message.strip_suffix(b"\0").unwrap();
            assert_eq!(VerifyAnswer::read(text), Ok(answer));
        }
    }

    #[test]
    fn an_acceptance_needs_all_its_fields() {
        let message = reply::message(accepted(CodeOrigin::Bypass).parameters());
        let whole = String::from_utf8(message).unwrap().replace('\0', "");
        assert!(VerifyAnswer::read(whole.as_bytes()).is_ok());
        for (from, to) in [
            ("accepted", "Accepted"),
            ("accepted", "ok"),
            ("bypass", "anything"),
            ("bypass", "device"),
            ("\"by\"", "\"of\""),
            ("password_length", "length"),
            ("failures_before", "failures"),
            (":7", ":-7"),
        ] {
            let changed = whole.replace(from, to);
            assert_ne!(changed, whole);
            assert_eq!(
                VerifyAnswer::read(changed.as_bytes()),
                Err(ReplyError::Malformed),
                "{changed}"
            );
        }
    }

    #[test]
    fn the_longest_answer_fits_into_a_message() {
        let code = "\u{1}".repeat(512);
        let request = request(&"\u{1}".repeat(100), &code, CodeLayout::Code);
        assert!(request.len() <= crate::MAX_MESSAGE, "{}", request.len());
    }
}
