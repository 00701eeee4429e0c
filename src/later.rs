//! The text that is told once sshd has opened the session, and not before.
//!
//! sshd sends what PAM says after the last answer to the client at once, as a banner, and shows it once more at the beginning of
//! a session on a terminal (loginmsg in its sources). So it is told in the phase that sets credentials, which sshd runs in
//! another process: only a variable of PAM's environment gets there, and is taken out of it again.

use twofactor_core::verify::{Accepted, Credential};

use crate::login_service::SSHD_TTY;
use crate::text;
use crate::transaction::{MessageMode, PamTransaction};

/// The variable. It holds two numbers: recovery codes left, `-` where none was used, and wrong codes before.
const VARIABLE: &str = "TWOFACTOR_NOTICE";
/// Tells what has to be told after a right code: at once, or in sshd once the session is there.
pub fn tell(host: &mut dyn PamTransaction, accepted: &Accepted) {
    // What an earlier code of this transaction left is not true of this one.
    if host.variable(VARIABLE).is_some() {
        let _ = host.set_variable(VARIABLE);
    }
    let lines = text::accepted(accepted);
    if lines.is_empty() {
        return;
    }
    let is_left = host.tty().as_deref() == Some(SSHD_TTY)
        && host
            .set_variable(&format!("{VARIABLE}={}", note(accepted)))
            .is_ok();
    if !is_left {
        for line in lines {
            host.inform(&line);
        }
    }
}

/// Takes back what was left to be told of the recovery codes: they are others by now.
pub fn forget_codes(host: &mut dyn PamTransaction) {
    let Some(accepted) = host.variable(VARIABLE).as_deref().and_then(read) else {
        return;
    };
    let _ = host.set_variable(VARIABLE);
    let accepted = Accepted {
        by: Credential::Bypass,
        ..accepted
    };
    if !text::accepted(&accepted).is_empty() {
        let _ = host.set_variable(&format!("{VARIABLE}={}", note(&accepted)));
    }
}

/// Tells what was left to this phase.
pub fn show(host: &mut dyn PamTransaction, messages: MessageMode) {
    let Some(note) = host.variable(VARIABLE) else {
        return;
    };
    // The user's programs have no use for it.
    let _ = host.set_variable(VARIABLE);
    let accepted = read(&note).filter(|_| messages == MessageMode::Wanted);
    for line in accepted.iter().flat_map(text::accepted) {
        host.inform(&line);
    }
}

fn note(accepted: &Accepted) -> String {
    let left = match accepted.by {
        Credential::RecoveryCode { left } => left.to_string(),
        Credential::Device { .. } | Credential::Bypass => "-".to_owned(),
    };
    format!("{left},{}", accepted.failures_before)
}

/// `None` for what is no such note: another module can set the variable, too.
fn read(note: &str) -> Option<Accepted> {
    let (left, failures) = note.split_once(',')?;
    let by = match left {
        "-" => Credential::Bypass,
        left => Credential::RecoveryCode {
            left: left.parse().ok()?,
        },
    };
    Some(Accepted {
        by,
        failures_before: failures.parse().ok()?,
        password_len: 0,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tests::stage::Stage;

    fn lines(by: Credential, failures_before: u32) -> Vec<String> {
        let accepted = Accepted {
            by,
            failures_before,
            password_len: 0,
        };
        let told = read(&note(&accepted)).map(|read| text::accepted(&read));
        assert_eq!(told.as_ref(), Some(&text::accepted(&accepted)));
        told.unwrap()
    }

    #[test]
    fn a_note_tells_the_same_later() {
        assert_eq!(lines(Credential::RecoveryCode { left: 9 }, 2).len(), 2);
        assert_eq!(lines(Credential::Bypass, 1).len(), 1);
        let device = Credential::Device {
            name: "phone".into(),
            offset: 0,
        };
        assert_eq!(lines(device, 7).len(), 1);
    }

    #[test]
    fn a_note_of_an_earlier_code_does_not_stay() {
        let mut stage = Stage::new("enabled = true\n");
        stage.tty = Some(SSHD_TTY.to_vec());
        let accepted = |failures_before| Accepted {
            by: Credential::Bypass,
            failures_before,
            password_len: 0,
        };
        tell(&mut stage, &accepted(3));
        assert_eq!(stage.variables[VARIABLE], "-,3");
        tell(&mut stage, &accepted(0));
        assert!(stage.variables.is_empty());
    }

    #[test]
    fn of_replaced_codes_nothing_is_told() {
        for (before, after) in [("0,2", Some("-,2")), ("3,0", None), ("x", Some("x"))] {
            let mut stage = Stage::new("enabled = true\n");
            stage.variables.insert(VARIABLE.into(), before.into());
            forget_codes(&mut stage);
            assert_eq!(stage.variables.get(VARIABLE).map(String::as_str), after);
        }
    }

    #[test]
    fn what_is_no_note_tells_nothing() {
        for note in ["", ",", "-", "9", "-,", "x,1", "1,x", "-1,2", "1,2,3"] {
            assert!(read(note).is_none(), "{note}");
        }
    }
}
