//! What people read while they enrol at a login.
//!
//! No escape sequences: some clients remove them. Key and URI stand beside the QR code, since a client may show its
//! characters as something else.
#![forbid(unsafe_code)]

use zeroize::Zeroizing;

use crate::device::{Device, Kind};
use crate::enroll::in_fours;
use crate::qr::{self, Glyphs, Ink};
use crate::recovery::{self, PlainCode};
use crate::verify::Rejected;

use super::Wish;

/// Services whose questions stand on a web page, where lines run together and a drawing is none.
const PAGES: [&str; 1] = ["cockpit"];
/// Columns that every terminal has.
const COLUMNS: usize = 80;

/// Begins an enrolment that can be skipped.
pub const OFFER: &str = "\
Two-factor login is available for your account. A login then needs, besides
the password, a code from an authenticator app on your phone.";
/// Begins one that cannot.
pub const DEMAND: &str = "\
Two-factor login is required here, and your account has no device yet. A login
needs, besides the password, a code from an authenticator app on your phone.";
/// Asks whether to begin.
pub const BEGIN_OR_SKIP: &str = "Set it up now? Type yes, or press Enter to skip: ";
/// Lets people get their phone.
pub const BEGIN: &str = "To set it up now, have the app ready and press Enter: ";
/// The policy wants an invitation, and there is none.
pub const NOT_INVITED: &str =
    "To set it up you need an enrolment code. Ask your administrator for one.";
/// The login ends, since nothing was enrolled.
pub const REQUIRED: &str =
    "Nothing was stored, and without a device you cannot log in here. Log in again to set it up.";
/// Another login was faster.
pub const MEANWHILE: &str =
    "Your account has got a device meanwhile. Log in again, with a code of it.";
/// What allowed it was changed meanwhile.
pub const WITHDRAWN: &str = "Nothing was stored: your administrator has just changed the rules. Remove the new entry from the app.";
/// Something cannot be used.
pub const FAILED: &str = "No device could be stored. Tell your administrator.";
/// Too many wrong codes.
pub const UNCONFIRMED: &str = "None of these codes was right, so nothing was stored.";
/// The first device is stored.
pub const STORED: &str =
    "Stored. From now on a login needs a code of this device, and a new one each time.";
/// Asks for a second device.
pub const ANOTHER: &str = "Add a second device, as a backup? Type yes, or press Enter to finish: ";
/// The second device is stored.
pub const SECOND_STORED: &str = "Stored. Codes of either device work.";
/// The second device is not.
pub const SECOND_FAILED: &str = "The second device could not be stored; the first one works. Ask your administrator to add another.";

/// Asks for the administrator's code.
pub const fn invitation(wish: Wish) -> &'static str {
    match wish {
        Wish::Offered => "Enrolment code from your administrator (Enter to skip): ",
        Wish::Demanded => "Enrolment code from your administrator: ",
    }
}

/// Asks for a code of the new device.
pub const fn code(wish: Wish) -> &'static str {
    match wish {
        Wish::Offered => "Code that the app shows (Enter to skip): ",
        Wish::Demanded => "Code that the app shows: ",
    }
}

/// Shows a new device.
pub fn device(device: &Device, uri: &str, service: &str) -> Zeroizing<String> {
    let key = in_fours(&device.secret.to_base32());
    let drawing = match PAGES.contains(&service) {
        true => Zeroizing::default(),
        false => qr::draw(uri, Glyphs::Utf8, Ink::Plain, COLUMNS).unwrap_or_default(),
    };
    // Room for everything, so that growing leaves no copy of the key behind.
    let mut text = Zeroizing::new(String::with_capacity(
        drawing.len() + key.len() + uri.len() + 200,
    ));
    match drawing.is_empty() {
        true => text.push_str("Type this key into the authenticator app:\n\n"),
        false => text.push_str("Scan this with the authenticator app, or type in the key:\n\n"),
    }
    text.push_str(&drawing);
    for part in ["\nKey: ", &key, "\nURI: ", uri, "\n"] {
        text.push_str(part);
    }
    text
}

/// Why a code does not confirm the device.
pub fn unconfirmed(device: &Device, why: &Rejected) -> String {
    match (why, device.kind) {
        (Rejected::ClockDiffers { steps, .. }, Kind::Totp { interval }) => {
            let seconds = steps.unsigned_abs() * u64::from(interval.seconds());
            let direction = if *steps < 0 { "behind" } else { "ahead of" };
            format!(
                "The key is right, but the clock of your device is {seconds} seconds {direction} this machine's. Set the \
                 wrong one."
            )
        }
        _ => "That code is wrong. Wait for the next one and try again.".to_owned(),
    }
}

/// Shows a new set of recovery codes, the only time.
pub fn recovery(codes: &[PlainCode]) -> Zeroizing<String> {
    let list = recovery::list(codes);
    let mut text = Zeroizing::new(String::with_capacity(list.len() + 200));
    text.push_str(
        "Recovery codes, for when the device is not at hand. Each works once, instead of a code.\n\
         Write them down now; they are not shown again:\n\n",
    );
    text.push_str(&list);
    text
}

/// Whether nothing was typed.
pub fn is_blank(typed: &[u8]) -> bool {
    typed.iter().all(u8::is_ascii_whitespace)
}

/// Only `y` and `yes` are a yes.
pub fn is_yes(typed: &[u8]) -> bool {
    let word = typed.trim_ascii();
    word.eq_ignore_ascii_case(b"y") || word.eq_ignore_ascii_case(b"yes")
}
