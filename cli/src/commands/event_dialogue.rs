//! `--dialogue json`: a new device between this process and a program, such as a page. One object a line on standard
//! output, answers on standard input, nothing on standard error. The key stays in this process until it is stored.

use serde::{Deserialize, Serialize};
use twofactor_core::enroll::TRIES;
use twofactor_core::verify::CodeRejection;
use zeroize::Zeroizing;

use super::device_confirmation::{DeliveredDevice, EnrollmentStyle, present};
use super::waiting_device::{CodeResult, WaitingDevice};
use crate::command_context::CommandContext;
use crate::command_failure::CommandFailure;
use crate::device_info::{DeviceInfo, app_warning};
use crate::failure_kind::FailureKind;
use crate::output::{CommandReport, OutputFormat};
use crate::qr_files::{QrFiles, drawing};

/// Shows the device, in a dialogue or on the terminal, and asks for a code unless told to skip it.
///
/// # Errors
/// As [`present`]; in a dialogue a usage error for a line that is no answer, and a refusal at the end of the input.
pub fn deliver<W: WaitingDevice>(
    context: &CommandContext,
    mut waiting: W,
    style: &EnrollmentStyle<'_>,
) -> Result<DeliveredDevice<W::Confirmed>, CommandFailure> {
    if context.format != OutputFormat::Dialogue {
        return present(context, waiting, style);
    }
    let uri = waiting.uris().into_iter().next().unwrap_or_default();
    show(context, &waiting, &uri)?;
    Ok(DeliveredDevice {
        device: ask(context, &mut waiting)?,
        uri,
        files: QrFiles::default(),
    })
}

/// Writes that the device is stored, with the recovery codes that its user got.
///
/// # Errors
/// When standard output cannot be written.
pub fn tell_stored(
    context: &CommandContext,
    user: &str,
    device: DeviceInfo,
    recovery_codes: Vec<String>,
) -> Result<(), CommandFailure> {
    context.write(&DeviceEvent::Stored {
        user,
        device,
        recovery_codes,
    })
}

fn show(
    context: &CommandContext,
    waiting: &impl WaitingDevice,
    uri: &str,
) -> Result<(), CommandFailure> {
    let device = waiting.device();
    let drawing = drawing(uri);
    let secret = device.secret.to_base32();
    context.write(&DeviceEvent::Key {
        user: waiting.user(),
        device: DeviceInfo::new(device, None),
        secret: &secret,
        uri,
        svg: drawing.as_ref().map(|drawing| drawing.as_str()),
        tries_left: TRIES,
        warnings: app_warning(device).into_iter().collect(),
    })
}

fn ask<W: WaitingDevice>(
    context: &CommandContext,
    waiting: &mut W,
) -> Result<W::Confirmed, CommandFailure> {
    loop {
        let code = read_code(context)?;
        let refused = match waiting.confirm(&code)? {
            CodeResult::Confirmed(confirmed) => return Ok(confirmed),
            CodeResult::Refused(refused) => refused,
        };
        let (reason, steps) = match refused.why {
            CodeRejection::ClockDiffers { steps, .. } => ("clock", Some(steps)),
            _ => ("wrong", None),
        };
        context.write(&DeviceEvent::Wrong {
            reason,
            steps,
            tries_left: refused.tries_left,
        })?;
        if refused.tries_left == 0 {
            return Err(CommandFailure::refused(format!(
                "{TRIES} codes were wrong, so nothing was stored"
            ))
            .of_kind(FailureKind::WrongCode));
        }
    }
}

/// The code of the next answer.
///
/// # Errors
/// A usage error for a line that is no answer, and a refusal at the end of the input.
pub fn read_code(context: &CommandContext) -> Result<Zeroizing<String>, CommandFailure> {
    let Some(line) = context.terminal.answer()? else {
        return Err(
            CommandFailure::refused("the input ended, so nothing was stored")
                .of_kind(FailureKind::Cancelled),
        );
    };
    code_in(&line)
}

/// The code of an answer. The error has nothing of the line.
fn code_in(line: &str) -> Result<Zeroizing<String>, CommandFailure> {
    let answer: CodeAnswer = serde_json::from_str(line).map_err(|_| {
        CommandFailure::usage("the line is not an answer, so nothing was stored")
            .next("An answer is one line: {\"code\":\"123456\"}")
    })?;
    Ok(answer.code)
}

/// A line of standard input.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct CodeAnswer {
    code: Zeroizing<String>,
}

/// A line of standard output. The one of an error is that of [`OutputFormat::write_failure`].
#[derive(Serialize)]
#[serde(tag = "event", rename_all = "lowercase")]
enum DeviceEvent<'a> {
    /// The new device, with its key.
    Key {
        user: &'a str,
        device: DeviceInfo,
        secret: &'a str,
        uri: &'a str,
        svg: Option<&'a str>,
        tries_left: u32,
        warnings: Vec<&'a str>,
    },
    /// A code that does not confirm it.
    Wrong {
        reason: &'static str,
        steps: Option<i64>,
        tries_left: u32,
    },
    /// The device is stored.
    Stored {
        user: &'a str,
        device: DeviceInfo,
        recovery_codes: Vec<String>,
    },
}

impl CommandReport for DeviceEvent<'_> {
    /// None: a dialogue is between programs.
    fn text(&self) -> Zeroizing<String> {
        Zeroizing::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_one_object_with_a_code() {
        let read = |line: &str| code_in(line).map(|code| code.to_string());
        assert_eq!(read("{\"code\":\"123 456\"}"), Ok("123 456".to_owned()));
        assert_eq!(read(" { \"code\" : \"\" } "), Ok(String::new()));
        for line in [
            "",
            "755224",
            "\"755224\"",
            "{\"code\":755224}",
            "{\"code\":\"755224\",\"force\":true}",
            "{\"code\":\"755224\"}{\"code\":\"755224\"}",
            "{\"code\":\"755224\"",
            "{\"755224\":\"x\"}",
        ] {
            let failure = code_in(line).unwrap_err();
            assert_eq!(failure.kind, FailureKind::Usage, "{line}");
            assert!(!failure.to_string().contains("755224"), "{failure}");
        }
    }
}
