//! Log event and fields of each verdict. Module, daemon and command share them.

use crate::verify::{CodeAcceptance, CodeRejection, Credential, ThrottleStatus};

use super::event::LoginEvent;
use super::log_line::LogLine;

impl CodeRejection {
    /// The event of the log.
    #[must_use]
    pub const fn event(&self) -> LoginEvent {
        match self {
            Self::Wrong | Self::ClockDiffers { .. } => LoginEvent::Wrong,
            Self::Used { .. } => LoginEvent::Used,
            Self::ClockSetBack { .. } => LoginEvent::ClockSetBack,
            Self::Spent => LoginEvent::Spent,
            Self::BypassExpired => LoginEvent::BypassExpired,
        }
    }
}

impl ThrottleStatus {
    /// The event of the log, where no code is looked at.
    #[must_use]
    pub const fn event(self) -> LoginEvent {
        match self {
            Self::LockedFor(_) => LoginEvent::Throttled,
            Self::Open | Self::LockedUntilUnlock => LoginEvent::Locked,
        }
    }
}

impl LogLine {
    /// Completes the line about a success.
    #[must_use]
    pub fn accepted(self, accepted: &CodeAcceptance) -> Self {
        let line = self.result(LoginEvent::Accepted);
        let line = match &accepted.by {
            Credential::Device { name, offset } => line.with("device", name).with("offset", offset),
            Credential::RecoveryCode { left } => {
                line.with("device", &"recovery-code").with("left", left)
            }
            Credential::Bypass => line.with("device", &"bypass"),
        };
        match accepted.failures_before {
            0 => line,
            count => line.with("failures_before", &count),
        }
    }

    /// Completes the line about a refused code.
    #[must_use]
    pub fn rejected(self, why: &CodeRejection) -> Self {
        let line = self.result(why.event());
        match why {
            CodeRejection::Wrong | CodeRejection::Spent | CodeRejection::BypassExpired => line,
            CodeRejection::ClockDiffers { device, steps } => line
                .with("device", device)
                .with("steps_off", steps)
                .saying(
                    "hint",
                    &"the clocks of this machine and of the device differ: set the wrong one right, or: twofactor resync USER DEVICE",
                ),
            CodeRejection::Used { device } => line.with("device", device),
            CodeRejection::ClockSetBack { device, seconds } => line
                .with("device", device)
                .with("behind", seconds)
                .saying(
                    "hint",
                    &"codes were accepted at a later time than the clock shows now: set it right, or if it is right: twofactor unlock USER",
                ),
        }
    }

    /// Completes the line about a user whose codes are not looked at.
    #[must_use]
    pub fn closed(self, gate: ThrottleStatus) -> Self {
        let line = self.result(gate.event());
        match gate {
            ThrottleStatus::LockedFor(seconds) => line.with("seconds", &seconds),
            ThrottleStatus::Open | ThrottleStatus::LockedUntilUnlock => {
                line.saying("hint", &"twofactor unlock")
            }
        }
    }

    /// Completes the line about a code that this host judges by itself, since the store of the fleet cannot be used. The reason is
    /// empty where the service of the fleet has it.
    #[must_use]
    pub fn outage(self, reason: &str) -> Self {
        let line = self.result(LoginEvent::Outage);
        if reason.is_empty() {
            line.saying("hint", &"journalctl -u twofactord-fleet says why")
        } else {
            line.saying("error", &reason)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(complete: impl FnOnce(LogLine) -> LogLine) -> String {
        complete(LogLine::of("x")).as_str().to_owned()
    }

    #[test]
    fn a_success_names_the_credential() {
        let device = |offset| Credential::Device {
            name: "phone".to_owned(),
            offset,
        };
        for (by, failures_before, fields) in [
            (device(0), 0, "device=phone offset=0"),
            (device(-1), 3, "device=phone offset=-1 failures_before=3"),
            (
                Credential::RecoveryCode { left: 9 },
                0,
                "device=recovery-code left=9",
            ),
            (Credential::Bypass, 1, "device=bypass failures_before=1"),
        ] {
            let accepted = CodeAcceptance {
                by,
                failures_before,
                password_len: 8,
            };
            let line = said(|line| line.accepted(&accepted));
            assert_eq!(line, format!("x result=accepted {fields}"));
        }
    }

    #[test]
    fn a_refused_code_has_its_reason_and_hint() {
        let device = || "phone".to_owned();
        let clocks = CodeRejection::ClockDiffers {
            device: device(),
            steps: -7,
        };
        let set_back = CodeRejection::ClockSetBack {
            device: device(),
            seconds: 90,
        };
        let used = CodeRejection::Used { device: device() };
        for (why, fields, hint) in [
            (CodeRejection::Wrong, "wrong", None),
            (
                clocks,
                "wrong device=phone steps_off=-7",
                Some("twofactor resync USER DEVICE"),
            ),
            (used, "used device=phone", None),
            (
                set_back,
                "clock-set-back device=phone behind=90",
                Some("twofactor unlock USER"),
            ),
            (CodeRejection::Spent, "spent", None),
            (CodeRejection::BypassExpired, "bypass-expired", None),
        ] {
            let line = said(|line| line.rejected(&why));
            let fields = format!("x result={fields}");
            match hint {
                None => assert_eq!(line, fields),
                Some(hint) => {
                    let rest = line.strip_prefix(&fields).unwrap();
                    assert!(rest.starts_with(" hint=\""), "{line}");
                    assert!(rest.ends_with(&format!("{hint}\"")), "{line}");
                }
            }
        }
    }

    #[test]
    fn a_lock_out_has_its_seconds_or_what_ends_it() {
        let closed = |gate| said(|line| line.closed(gate));
        assert_eq!(
            closed(ThrottleStatus::LockedFor(30)),
            "x result=throttled seconds=30"
        );
        assert_eq!(
            closed(ThrottleStatus::LockedUntilUnlock),
            "x result=locked hint=\"twofactor unlock\""
        );
    }

    #[test]
    fn an_outage_has_its_reason_or_where_to_find_it() {
        assert_eq!(
            said(|line| line.outage("no etcd answers")),
            "x result=outage error=\"no etcd answers\""
        );
        assert_eq!(
            said(|line| line.outage("")),
            "x result=outage hint=\"journalctl -u twofactord-fleet says why\""
        );
    }
}
