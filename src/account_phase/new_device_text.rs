//! Texts that people read after a login with a recovery or bypass code.

use zeroize::Zeroizing;

use twofactor_core::device::{Device, MAX_DEVICES};
use twofactor_core::recovery::PlainCode;

use super::enrollment_text;
use crate::login_dialogue::DialogueMedium;

/// Begins the offer of a new device.
pub const OFFER: &str = "\
Is your phone lost, or new? A new device can be set up now, with an
authenticator app such as Aegis, FreeOTP or Google Authenticator.";
/// Asks whether to begin.
pub const RENEW_OR_SKIP: &str = "Set up a new device now? Type yes, or press Enter to skip: ";
/// Asks for the device whose place the new one takes, after [`full`].
pub const REPLACE_OR_SKIP: &str = "Name of the lost one, or press Enter to skip: ";
/// The device took the place of another one.
pub const REPLACED: &str = "Done. Codes of the old device no longer work; codes of the new one do.";
/// No device has the name that was typed.
pub const NO_SUCH_DEVICE: &str = "There is no device of that name.";
/// Asks for one of several devices to be removed.
pub const REMOVE_OR_KEEP: &str = "Name of a lost one to remove it, or press Enter to keep all: ";
/// Asks for the consent to new recovery codes.
pub const CODES_OR_KEEP: &str =
    "Make ten new ones? The old ones stop working then. Type yes, or press Enter: ";
/// Asks for the consent to codes that were shown.
pub const CODES_SEEN: &str =
    "Written down? Type yes to use them, or press Enter to keep the old ones: ";
/// New recovery codes are stored.
pub const CODES_STORED: &str = "Done. The new recovery codes work from now on, and no others.";
/// They are not wanted.
pub const CODES_KEPT: &str =
    "The old recovery codes are kept. Those that were just shown never work.";
/// Another login or an administrator has changed devices, codes or rules since.
pub const CHANGED: &str = "Nothing more was changed: meanwhile your devices, your codes or the rules were changed elsewhere. If the app has a new entry that does not work, remove it. If that change was not you, tell your administrator.";
/// Something cannot be used.
pub const FAILED: &str = "You are logged in, but the change could not be stored, because of an error on this machine. If the app has a new entry that does not work, remove it, and tell your administrator.";

/// A device was added.
pub fn stored(device: &Device) -> String {
    format!(
        "Done. Codes of the new device work from now on. Its name here is {}.",
        device.name
    )
}

/// Begins the offer where there is no room for one more device.
pub fn full(devices: &[Device]) -> String {
    format!(
        "Is your phone lost, or new? You have {MAX_DEVICES} devices, which is the most:\n{}\n\
         A new one can take the place of one of them now.",
        names(devices)
    )
}

/// Says that an old device still works.
pub fn still_works(device: &Device) -> String {
    format!(
        "The old device {} still works. If it is lost, remove it.",
        device.name
    )
}

/// Asks for its removal.
pub fn remove_or_keep(device: &Device) -> String {
    format!(
        "Remove {}? Type yes, or press Enter to keep it: ",
        device.name
    )
}

/// Says that old devices still work.
pub fn still_work(devices: &[Device]) -> String {
    format!(
        "These devices still work. If one is lost, remove it:\n{}",
        names(devices)
    )
}

/// A device was removed.
pub fn removed(device: &Device) -> String {
    format!("Done. Codes of {} no longer work.", device.name)
}

/// Number of recovery codes that are left.
pub fn codes_left(left: usize) -> String {
    match left {
        0 => "You have no recovery code left.".to_owned(),
        1 => "You have one recovery code left.".to_owned(),
        _ => format!("You have {left} recovery codes left."),
    }
}

/// Shows new recovery codes, the only time.
pub fn codes(codes: &[PlainCode], medium: DialogueMedium) -> Zeroizing<String> {
    enrollment_text::recovery(codes, medium)
}

fn names(devices: &[Device]) -> String {
    let names: Vec<_> = devices
        .iter()
        .map(|it| format!("    {}", it.name))
        .collect();
    names.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use twofactor_core::device::OtpKind;
    use twofactor_store::testing::device;

    #[test]
    fn a_question_fits_a_line_and_a_list_has_one_for_each() {
        let long = device(&"n".repeat(32), 1, OtpKind::Hotp);
        for question in [
            RENEW_OR_SKIP,
            REPLACE_OR_SKIP,
            REMOVE_OR_KEEP,
            CODES_OR_KEEP,
            CODES_SEEN,
            &remove_or_keep(&long),
        ] {
            assert!(question.len() < 80, "{question}");
        }
        for text in [OFFER, &full(std::slice::from_ref(&long))] {
            assert!(text.lines().all(|line| line.len() < 80), "{text}");
        }
        let two = [long.clone(), device("token", 2, OtpKind::Hotp)];
        assert_eq!(still_work(&two).lines().count(), 3);
        assert_eq!(
            [0, 1, 2].map(codes_left),
            ["no recovery code", "one recovery code", "2 recovery codes"]
                .map(|left| format!("You have {left} left."))
        );
    }
}
