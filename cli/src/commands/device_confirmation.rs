//! Showing a new device to its owner, and asking for a code of it before it is stored.

use twofactor_core::device::{Device, OtpKind};
use twofactor_core::enroll::{self, TRIES, in_fours};
use twofactor_core::verify::CodeRejection;
use twofactor_store::sys::clock;
use zeroize::Zeroizing;

use super::waiting_device::{CodeResult, WaitingDevice};
use crate::args::QrStyle;
use crate::command_context::CommandContext;
use crate::command_failure::CommandFailure;
use crate::device_info::{DeviceInfo, app_warning};
use crate::failure_kind::FailureKind;
use crate::formatting::utc;
use crate::interrupt;
use crate::output::OutputFormat;
use crate::qr_files::{QrFileOptions, QrFiles};
use crate::terminal::{QrDrawing, QrFit, Terminal};

/// Treatment of the code of the new device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CodeConfirmation {
    /// The device counts only after a code of it was typed.
    Ask,
    /// The device counts at once.
    Skip,
}

impl CodeConfirmation {
    /// Reads `--no-confirm`.
    pub const fn new(skip: &bool) -> Self {
        if *skip { Self::Skip } else { Self::Ask }
    }
}

/// Refuses `--json` without `--no-confirm`: the key would go to standard error, which may be a log.
///
/// # Errors
/// That usage error.
pub fn may_be_shown(
    context: &CommandContext,
    confirmation: CodeConfirmation,
) -> Result<(), CommandFailure> {
    match (context.format, confirmation) {
        (OutputFormat::Json, CodeConfirmation::Ask) => Err(CommandFailure::usage(
            "with --json the key of a new device is not shown before it is stored",
        )
        .next("To ask for a code of it: --dialogue json. To store it at once: --no-confirm")),
        _ => Ok(()),
    }
}

/// Asks for a code of the new device.
const CODE: &str = "Code the device shows now (Enter to cancel): ";
/// Stands before it where a QR code was drawn. Such an answer is no code, and is not counted as one.
const DOES_NOT_SCAN: &str = "Does not scan? Type i. ";

/// A device that its owner has.
pub struct DeliveredDevice<T> {
    /// The device, with the code used up that was typed.
    pub device: T,
    /// The URI that was shown.
    pub uri: Zeroizing<String>,
    /// Files with its QR code, to be kept once it is stored.
    pub files: QrFiles,
}

/// Style in which a new device is shown.
pub struct EnrollmentStyle<'a> {
    /// On the terminal.
    pub qr: QrStyle,
    /// As files.
    pub files: &'a QrFileOptions,
    /// Treatment of the code: whether one is asked for.
    pub confirmation: CodeConfirmation,
}

/// Shows the device and, unless told to skip it, asks for a code.
pub fn present<W: WaitingDevice>(
    context: &CommandContext,
    mut waiting: W,
    style: &EnrollmentStyle<'_>,
) -> Result<DeliveredDevice<W::Confirmed>, CommandFailure> {
    let terminal = &context.terminal;
    let uris = waiting.uris();
    let uri = uris.first().cloned().unwrap_or_default();
    if style.files.any() {
        // A signal does not leave a picture of the key.
        interrupt::arm()?;
    }
    let files = QrFiles::write(style.files, &uri)?;
    if let (OutputFormat::Json, CodeConfirmation::Skip) = (context.format, style.confirmation) {
        // A script takes the key from the report; it must not get into the log that standard error goes to.
        let device = waiting.vouch()?;
        return Ok(DeliveredDevice { device, uri, files });
    }
    if let Some(warning) = app_warning(waiting.device()) {
        terminal.prose(&format!("Warning: {warning}\n\n"))?;
    }
    let shown = show(terminal, waiting.device(), &uris, style.qr)?;
    let device = match style.confirmation {
        CodeConfirmation::Skip => waiting.vouch()?,
        CodeConfirmation::Ask => {
            let redraw =
                |inverted: &Terminal, device: &Device| show(inverted, device, &uris, style.qr);
            ask(context, &mut waiting, (shown, &redraw))?
        }
    };
    Ok(DeliveredDevice { device, uri, files })
}

/// Form in which a device was shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum ShownAs {
    /// With a QR code.
    Picture,
    /// By its key alone.
    Key,
}

/// Shows key, URI and QR code.
fn show(
    terminal: &Terminal,
    device: &Device,
    uris: &[Zeroizing<String>],
    qr: QrStyle,
) -> Result<ShownAs, CommandFailure> {
    let whole = uris.first().map_or("", |uri| uri.as_str());
    let Some(glyphs) = qr.glyphs(terminal.glyphs()) else {
        say_key(terminal, device, whole)?;
        return Ok(ShownAs::Key);
    };
    match terminal.draw(uris, glyphs) {
        Err(why) => {
            terminal.prose(&format!("{why}\n\n"))?;
            say_key(terminal, device, whole)?;
            Ok(ShownAs::Key)
        }
        Ok((drawing, uri)) => {
            show_drawn(terminal, device, uri, &drawing)?;
            Ok(ShownAs::Picture)
        }
    }
}

/// Shows URI, QR code and, below it, the key: both are still there when a question comes, or the key alone where the
/// terminal cannot show all of the code.
pub fn show_drawn(
    terminal: &Terminal,
    device: &Device,
    uri: &str,
    drawing: &QrDrawing,
) -> Result<(), CommandFailure> {
    if drawing.fit == QrFit::Whole {
        for part in ["URI: ", uri, "\n"] {
            terminal.say(part)?;
        }
        say_settings(terminal, device)?;
        terminal.prose(&drawing.note)?;
    }
    terminal.prose("Scan this with the authenticator app, or type in the key below it:\n\n")?;
    terminal.show(drawing)?;
    if drawing.fit == QrFit::TooHigh {
        terminal.say("\n")?;
        terminal.prose(&drawing.note)?;
        return say_key(terminal, device, uri);
    }
    for part in ["Key: ", &in_fours(&device.secret.to_base32()), "\n"] {
        terminal.say(part)?;
    }
    Ok(())
}

/// Shows key, URI and settings.
pub fn say_key(terminal: &Terminal, device: &Device, uri: &str) -> Result<(), CommandFailure> {
    let key = in_fours(&device.secret.to_base32());
    for part in ["Key: ", &key, "\nURI: ", uri, "\n"] {
        terminal.say(part)?;
    }
    say_settings(terminal, device)
}

fn say_settings(terminal: &Terminal, device: &Device) -> Result<(), CommandFailure> {
    let settings = DeviceInfo::new(device, None).settings();
    Ok(terminal.say(&format!("     {settings}\n\n"))?)
}

/// Shows a device once more, on a terminal that draws in another way.
type QrRedraw<'a> = &'a dyn Fn(&Terminal, &Device) -> Result<ShownAs, CommandFailure>;

fn ask<W: WaitingDevice>(
    context: &CommandContext,
    waiting: &mut W,
    (shown, redraw): (ShownAs, QrRedraw<'_>),
) -> Result<W::Confirmed, CommandFailure> {
    let mut terminal = context.terminal;
    let kind = waiting.device().kind;
    let question = match shown {
        ShownAs::Picture => format!("{DOES_NOT_SCAN}{CODE}"),
        ShownAs::Key => CODE.to_owned(),
    };
    loop {
        let Some(typed) = terminal.ask(&question)? else {
            return Err(
                CommandFailure::refused("no code was typed, so nothing was stored")
                    .of_kind(FailureKind::Cancelled),
            );
        };
        if shown == ShownAs::Picture && typed.trim().eq_ignore_ascii_case("i") {
            terminal = terminal.inverted();
            redraw(&terminal, waiting.device())?;
            continue;
        }
        let refused = match waiting.confirm(&typed)? {
            CodeResult::Confirmed(confirmed) => return Ok(confirmed),
            CodeResult::Refused(refused) => refused,
        };
        let why = match enroll::digits_missed(waiting.device(), typed.as_bytes()) {
            Some(digits) => format!("A code has {digits} digits."),
            None => explain(kind, &refused.why, clock::now()?),
        };
        terminal.prose(&format!("{why}\n"))?;
        if refused.tries_left == 0 {
            return Err(
                CommandFailure::refused(format!("{TRIES} codes were wrong, so nothing was stored")).of_kind(FailureKind::WrongCode).next(
                    "Was it scanned again? An older entry in the app shows other codes. Is the time right on both sides?",
                ),
            );
        }
    }
}

fn explain(kind: OtpKind, why: &CodeRejection, now: u64) -> String {
    match (why, kind) {
        (CodeRejection::ClockDiffers { steps, .. }, OtpKind::Totp { interval }) => {
            let seconds = steps
                .unsigned_abs()
                .saturating_mul(u64::from(interval.seconds()));
            let direction = if *steps < 0 { "behind" } else { "ahead of" };
            format!(
                "The key is right, but the device's clock is {seconds} s {direction} this machine's ({}). \
                 Set the wrong one.",
                utc(now)
            )
        }
        (_, OtpKind::Totp { .. }) => {
            "That code is wrong. Wait for the next one and try again.".to_owned()
        }
        (_, OtpKind::Hotp) => "That code is wrong. Press the button and try again.".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use twofactor_core::otp::Interval;

    #[test]
    fn a_wrong_clock_is_told_from_a_wrong_code() {
        let kind = OtpKind::Totp {
            interval: Interval::THIRTY,
        };
        let why = CodeRejection::ClockDiffers {
            device: "phone".into(),
            steps: -5,
        };
        assert_eq!(
            explain(kind, &why, 1_234_568_040),
            "The key is right, but the device's clock is 150 s behind this machine's (2009-02-13T23:34:00Z). \
             Set the wrong one."
        );
        assert!(explain(kind, &CodeRejection::Wrong, 0).starts_with("That code is wrong."));
    }
}
