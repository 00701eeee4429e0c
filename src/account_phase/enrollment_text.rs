//! Texts that people read while they enroll at a login.
//!
//! No escape sequences: some clients remove them. Key and URI stand beside the QR code, since a client may show its
//! characters as something else.

use zeroize::Zeroizing;

use twofactor_core::device::{Device, OtpKind};
use twofactor_core::enroll::{self, in_fours};
use twofactor_core::log::event::NoInvitation;
use twofactor_core::otp::{Algorithm, Digits, Interval};
use twofactor_core::qr::{self, QrGlyphs, QrInk};
use twofactor_core::recovery::{self, PlainCode};
use twofactor_core::verify::CodeRejection;

use super::EnrollmentMode;
use crate::login_dialogue::DialogueMedium;

/// Columns of a terminal whose size is not known, and the most that a drawing takes.
const COLUMNS: usize = 80;
/// Lines that a drawing may have so that all of it is still on a terminal of 24 lines when the question comes. It fits with the
/// line above it and the key below, else with the key, else alone.
const LINES: [usize; 3] = [21, 22, MOST_LINES];
const MOST_LINES: usize = 23;

/// Begins an enrollment that can be skipped.
pub const OFFER: &str = "\
Two-factor login is available for your account. A login then needs, besides
the password, a code from an authenticator app on your phone, such as Aegis,
FreeOTP or Google Authenticator. If you have none yet: skip this, install one,
and log in again.";
/// Begins one that cannot.
pub const DEMAND: &str = "\
Two-factor login is required here, and it is not set up for your account yet.
A login needs, besides the password, a code from an authenticator app on your
phone, such as Aegis, FreeOTP or Google Authenticator.";
/// Asks whether to begin.
pub const BEGIN_OR_SKIP: &str = "Set it up now? Type yes, or press Enter to skip: ";
/// Lets people get their phone.
pub const BEGIN: &str = "To set it up now, have the app ready and press Enter: ";
/// The login ends, since nothing was enrolled.
pub const REQUIRED: &str =
    "Two-factor login was not set up, so you cannot log in here. To set it up, log in again.";
/// Another login enrolled a device during the dialogue.
pub const MEANWHILE: &str = "Meanwhile two-factor login was set up for your account elsewhere. Log in again, with a code of that device. If \
     that was not you, tell your administrator.";
/// The policy that allowed it was changed meanwhile.
pub const WITHDRAWN: &str = "Two-factor login was not set up: your administrator has just changed the rules. Remove the new entry from the app, and log in again.";
/// The invitation that allowed it is gone.
pub const INVITATION_WITHDRAWN: &str = "Two-factor login was not set up: your enrollment code has just been withdrawn, or has expired. Remove the new entry from the app, and ask your administrator for a new code.";
/// Something cannot be used.
pub const FAILED: &str = "Two-factor login could not be set up, because of an error on this machine. Tell your administrator.";
/// Storing failed after the device was shown; the login continues without it.
pub const UNSTORED: &str = "Two-factor login could not be set up, because of an error on this machine. You are logged in without it. Remove the new entry from the app, and tell your administrator.";
/// The result of storing is not known (in a fleet); the login continues.
pub const UNSURE: &str = "Two-factor login may be set up now; an error on this machine keeps that from being known. You are logged in. Keep the new entry in the app, and tell your administrator.";
/// The result of storing is not known (in a fleet); the login is refused.
pub const UNSURE_AND_REFUSED: &str = "Two-factor login may be set up now; an error on this machine keeps that from being known. Keep the new entry in the app, and log in again in some minutes. If no code is asked for then, tell your administrator.";
/// Too many wrong codes.
pub const UNCONFIRMED: &str =
    "None of these codes was right, so this device was not added. Remove its entry from the app.";
/// The first device is stored.
pub const STORED: &str =
    "Done. From now on a login needs a code from this app, and a new one each time.";
/// Asks for a second device.
pub const ANOTHER: &str = "Add a second device, as a backup? Type yes, or press Enter to finish: ";
/// The second device is stored.
pub const SECOND_STORED: &str = "Done. Codes of either device work.";
/// The second device is not.
pub const SECOND_FAILED: &str = "The second device could not be added; the first one works. Ask your administrator to add another.";

/// The policy wants a device and an invitation, and there is none that counts.
pub const fn uninvited(invitation: NoInvitation) -> &'static str {
    match invitation {
        NoInvitation::Missing => {
            "Two-factor login is required here, and to set it up you need an enrollment code. Ask your administrator for one."
        }
        NoInvitation::Expired => {
            "Two-factor login is required here, and your enrollment code for setting it up has expired. Ask your \
             administrator for a new one."
        }
    }
}

/// The invitation went while its code was typed, and a device may be skipped.
pub const fn no_longer_invited(invitation: NoInvitation) -> &'static str {
    match invitation {
        NoInvitation::Missing => {
            "Your enrollment code has just been withdrawn. Ask your administrator for a new one."
        }
        NoInvitation::Expired => {
            "Your enrollment code has expired. Ask your administrator for a new one."
        }
    }
}

/// Asks for the administrator's code.
pub const fn invitation(mode: EnrollmentMode) -> &'static str {
    match mode {
        EnrollmentMode::Offered => "Enrollment code from your administrator (Enter to skip): ",
        EnrollmentMode::Demanded => "Enrollment code from your administrator: ",
    }
}

/// Asks for a code of the new device.
pub const fn code(mode: EnrollmentMode, shown: DisplayForm) -> &'static str {
    match (shown, mode) {
        (DisplayForm::Key, EnrollmentMode::Offered) => "Code that the app shows (Enter to skip): ",
        (DisplayForm::Key, EnrollmentMode::Demanded) => "Code that the app shows: ",
        (DisplayForm::Picture, EnrollmentMode::Offered) => {
            "Does not scan? Type i to invert. Code that the app shows (Enter to skip): "
        }
        (DisplayForm::Picture, EnrollmentMode::Demanded) => {
            "Does not scan? Type i to invert. Code that the app shows: "
        }
    }
}

/// Form in which a device was shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DisplayForm {
    /// With a QR code.
    Picture,
    /// By its key alone.
    Key,
}

/// Style in which a QR code is drawn. The terminal cannot be asked for its colours or its characters; the person can.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DrawingStyle {
    ink: QrInk,
    glyphs: QrGlyphs,
}

impl DrawingStyle {
    /// For a dark terminal with UTF-8.
    pub const FIRST: Self = Self {
        ink: QrInk::Plain,
        glyphs: QrGlyphs::Utf8,
    };

    /// The style that an answer asks for: `i` inverts, `a` changes between blocks and plain characters. `None`: it is no
    /// such answer.
    pub fn asked_for(self, typed: &[u8]) -> Option<Self> {
        match typed.trim_ascii() {
            b"i" | b"I" => Some(Self {
                ink: match self.ink {
                    QrInk::PlainOnLight => QrInk::Plain,
                    QrInk::Plain | QrInk::Ansi => QrInk::PlainOnLight,
                },
                ..self
            }),
            b"a" | b"A" => Some(Self {
                glyphs: match self.glyphs {
                    QrGlyphs::Utf8 => QrGlyphs::Ascii,
                    QrGlyphs::Ascii => QrGlyphs::Utf8,
                },
                ..self
            }),
            _ => None,
        }
    }
}

/// Shows a new device, with the first of these forms of its URI whose drawing fits. The key comes last: it is on the screen
/// when the question comes, however small that is.
pub fn device(
    device: &Device,
    uris: &[Zeroizing<String>],
    medium: DialogueMedium,
    style: DrawingStyle,
    columns: Option<usize>,
) -> (Zeroizing<String>, DisplayForm) {
    let whole = uris.first().map_or("", |uri| uri.as_str());
    let key = in_fours(&device.secret.to_base32());
    let settings = settings(device);
    if medium == DialogueMedium::Page {
        let text = gathered(&[
            "(1) In the authenticator app, add an entry and choose to type in a key.\n(2) Key: ",
            &key,
            "\n(a password manager may want this address: ",
            whole,
            " )\n",
            &settings.map_or_else(String::new, |settings| format!("(3) {settings}\n")),
        ]);
        return (text, DisplayForm::Key);
    }
    let settings = settings.map_or_else(String::new, |settings| format!("{settings}\n"));
    let columns = columns.unwrap_or(COLUMNS).min(COLUMNS);
    // Key and question take another line each where they do not fit one.
    let broken = if columns < COLUMNS { 2 } else { 0 };
    let taken = settings.lines().count() + broken;
    let drawn = uris
        .iter()
        .map(|uri| (uri.as_str(), drawing(uri, taken, style, columns)));
    let mut drawn: Vec<_> = drawn.filter(|(_, drawing)| !drawing.is_empty()).collect();
    let lines = |(_, drawing): &(&str, Zeroizing<String>)| drawing.lines().count();
    let whole_screen = drawn.iter().position(|it| lines(it) + taken <= MOST_LINES);
    // Of those that do not fit, one with the fewest lines scrolls away the least.
    let fewest = (0..drawn.len()).min_by_key(|at| drawn.get(*at).map(lines));
    let best = whole_screen.or(fewest).map(|at| drawn.swap_remove(at));
    let (uri, drawing) = best.unwrap_or_else(|| (whole, Zeroizing::default()));
    let what = match drawing.lines().count() {
        0 => "Type this key into the authenticator app:\n",
        lines if lines > MOST_LINES => {
            "Scan this with the authenticator app, or type the key below it into the app.\n\
             If you do not see all of it: enlarge the window, and log in again.\n"
        }
        _ if style == DrawingStyle::FIRST => {
            "Scan this with the authenticator app, or type the key below it into the app:\n"
        }
        _ => "And now? If not: type a for plain characters, or the key below into the app:\n",
    };
    let shown = if drawing.is_empty() {
        DisplayForm::Key
    } else {
        DisplayForm::Picture
    };
    let text = gathered(&["URI: ", uri, "\n", what, &drawing, &settings, "Key: ", &key]);
    (text, shown)
}

/// The QR code, as large as the lines of a terminal allow; empty where it does not fit the columns. `taken` lines are needed
/// for something else.
fn drawing(uri: &str, taken: usize, style: DrawingStyle, columns: usize) -> Zeroizing<String> {
    let draw = |lines| qr::draw_in(uri, style.glyphs, style.ink, columns, lines);
    let fits = |lines: &usize| draw(*lines).is_ok_and(|it| it.lines().count() <= *lines);
    let lines = LINES.map(|lines| lines - taken).into_iter().find(fits);
    draw(lines.unwrap_or(usize::MAX)).unwrap_or_default()
}

/// Settings to make in an app into which the key is typed; `None` where that is what every app takes for granted.
fn settings(device: &Device) -> Option<String> {
    let OtpKind::Totp { interval } = device.kind else {
        return None;
    };
    let usual = (Digits::SIX, Interval::THIRTY, Algorithm::Sha1);
    ((device.digits, interval, device.algorithm) != usual).then(|| {
        format!(
            "Settings for a key that is typed in: {} digits, {} seconds, {}",
            device.digits.value(),
            interval.seconds(),
            device.algorithm.name()
        )
    })
}

fn gathered(parts: &[&str]) -> Zeroizing<String> {
    Zeroizing::new(parts.concat())
}

/// Text for a code that does not confirm the device.
pub fn unconfirmed(device: &Device, typed: &[u8], why: &CodeRejection) -> String {
    if let Some(digits) = enroll::digits_missed(device, typed) {
        return format!("A code has {digits} digits.");
    }
    match (why, device.kind) {
        (CodeRejection::ClockDiffers { steps, .. }, OtpKind::Totp { interval }) => {
            let seconds = steps.unsigned_abs() * u64::from(interval.seconds());
            let direction = if *steps < 0 { "behind" } else { "ahead of" };
            format!(
                "The key is right, but the clock of your phone is {seconds} seconds {direction} this machine's.\n\
                 Set the phone to automatic time and try again. If the phone is right, tell your administrator."
            )
        }
        _ => "That code is wrong. Wait until the app shows a new one, and type that.".to_owned(),
    }
}

/// Shows a new set of recovery codes, the only time.
pub fn recovery(codes: &[PlainCode], medium: DialogueMedium) -> Zeroizing<String> {
    const WHAT: &str = "\
Recovery codes, for when the device is not at hand. Each works once, instead
of a code. Write them down now; they are not shown again:
";
    match medium {
        DialogueMedium::Terminal => gathered(&[WHAT, "\n", &recovery::list(codes)]),
        DialogueMedium::Page => {
            // On a page they stand in running text, where a line may end within a code.
            let codes: Vec<_> = codes.iter().map(PlainCode::grouped).collect();
            let mut parts = vec![WHAT];
            let numbers: Vec<_> = (1..=codes.len()).map(|it| format!(" ({it}) ")).collect();
            for (number, code) in numbers.iter().zip(&codes) {
                parts.extend([number.as_str(), code.as_str()]);
            }
            gathered(&parts)
        }
    }
}

/// Only `y` and `yes` are a yes.
pub fn is_yes(typed: &[u8]) -> bool {
    let word = typed.trim_ascii();
    word.eq_ignore_ascii_case(b"y") || word.eq_ignore_ascii_case(b"yes")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_line_is_wider_than_a_terminal() {
        let recovery = recovery(&[], DialogueMedium::Terminal);
        for text in [OFFER, DEMAND, recovery.as_str()] {
            assert!(text.lines().all(|line| line.len() < COLUMNS), "{text}");
        }
    }
}
