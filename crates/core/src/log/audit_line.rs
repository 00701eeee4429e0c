//! Changes of a user's factor, as the log reports them: command and daemon write the same line of the same change.

use crate::device::DeviceName;
use crate::recovery::CodeScope;

use super::event::CommandEvent;
use super::log_line::LogLine;

/// A change that was made, or may have been. It holds nothing secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AuditEvent<'a> {
    /// The user whose factor it is, by the name of the record.
    pub user: &'a str,
    /// The change.
    pub change: FactorChange<'a>,
    /// Result of the change: made, or not known to be made.
    pub end: ChangeEnd,
}

/// The end of a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChangeEnd {
    /// The change was made.
    Made,
    /// The change may have been made in the fleet; it is not known to be made on this host.
    Unsure,
}

/// Kind of a change. Times are in seconds since 1970-01-01 UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FactorChange<'a> {
    /// A device was added.
    DeviceAdded {
        /// Its name.
        device: &'a DeviceName,
        /// True if a code of it was given.
        confirmed: bool,
    },
    /// A device got a new key.
    DeviceRenewed {
        /// Its name.
        device: &'a DeviceName,
        /// True if a code of the new key was given.
        confirmed: bool,
    },
    /// A device came from elsewhere.
    DeviceImported {
        /// Its name.
        device: &'a DeviceName,
        /// The format in which it came.
        from: &'a str,
        /// True if it took the place of a device of that name.
        replaces: bool,
    },
    /// One of several devices was removed.
    DeviceRemoved(&'a DeviceName),
    /// Everything that was kept about the user was removed.
    AllRemoved,
    /// An invitation was issued.
    Invited {
        /// Its end.
        expires: u64,
    },
    /// An invitation was withdrawn.
    InvitationWithdrawn,
    /// A bypass code was issued.
    BypassIssued {
        /// Its end.
        expires: u64,
        /// The use of a login with it.
        scope: CodeScope,
    },
    /// A bypass code was withdrawn.
    BypassWithdrawn,
    /// A new set of recovery codes was issued.
    RecoveryCodesReplaced,
    /// A lock-out was ended.
    Unlocked,
    /// A state that could not be used was made anew.
    StateRebuilt,
    /// The clock or counter of a device was learned anew.
    Resynced(&'a DeviceName),
    /// Record and state were restored from a backup.
    Restored,
    /// Record and state were moved to the new name of the user.
    Renamed {
        /// The old name.
        from: &'a str,
    },
    /// Record and state were given to the account of the user.
    Adopted {
        /// The name under which they were kept.
        from: &'a str,
    },
}

impl AuditEvent<'_> {
    /// The line `changed user=NAME action=WORD KEY=VALUE ... by=UID`, with `end=unsure` before `by` where that is so. `by` is the uid
    /// that made the change, `date` writes a
    /// time.
    #[must_use]
    pub fn line(&self, by: u32, date: fn(u64) -> String) -> LogLine {
        let event = self.change.event();
        let line = LogLine::of(event.verb())
            .with("user", &self.user)
            .with("action", &event);
        let line = self.change.details(line, date);
        let line = match self.end {
            ChangeEnd::Made => line,
            ChangeEnd::Unsure => line.with("end", &"unsure"),
        };
        line.with("by", &by)
    }
}

impl FactorChange<'_> {
    /// The word of the log.
    #[must_use]
    pub const fn event(&self) -> CommandEvent {
        match self {
            Self::DeviceAdded { .. } => CommandEvent::Enroll,
            Self::DeviceRenewed { .. } => CommandEvent::Renew,
            Self::DeviceImported { .. } => CommandEvent::Import,
            Self::DeviceRemoved(_) | Self::AllRemoved => CommandEvent::Unset,
            Self::Invited { .. } | Self::InvitationWithdrawn => CommandEvent::Invite,
            Self::BypassIssued { .. } | Self::BypassWithdrawn => CommandEvent::Bypass,
            Self::RecoveryCodesReplaced => CommandEvent::RecoveryCodes,
            Self::Unlocked => CommandEvent::Unlock,
            Self::StateRebuilt => CommandEvent::Rebuild,
            Self::Resynced(_) => CommandEvent::Resync,
            Self::Restored => CommandEvent::Restore,
            Self::Renamed { .. } => CommandEvent::Rename,
            Self::Adopted { .. } => CommandEvent::Adopt,
        }
    }

    fn details(&self, line: LogLine, date: fn(u64) -> String) -> LogLine {
        match self {
            Self::DeviceAdded { device, confirmed } | Self::DeviceRenewed { device, confirmed } => {
                let confirmed = if *confirmed { "yes" } else { "no" };
                line.with("device", device).with("confirmed", &confirmed)
            }
            Self::DeviceImported { device, from, .. } => {
                line.with("device", device).with("from", from)
            }
            Self::DeviceRemoved(device) | Self::Resynced(device) => line.with("device", device),
            Self::AllRemoved => line.with("device", &"all"),
            Self::Invited { expires } => line.with("until", &date(*expires)),
            Self::BypassIssued { expires, scope } => {
                let line = line.with("until", &date(*expires));
                match scope {
                    CodeScope::Login => line,
                    CodeScope::NewDevice => line.with("scope", &"new-device"),
                    CodeScope::ThisHost => line.with("scope", &"this-host"),
                }
            }
            Self::InvitationWithdrawn | Self::BypassWithdrawn => line.with("until", &"withdrawn"),
            Self::Renamed { from } | Self::Adopted { from } => line.with("from", from),
            Self::RecoveryCodesReplaced | Self::Unlocked | Self::StateRebuilt | Self::Restored => {
                line
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(change: FactorChange<'_>) -> String {
        let (user, end) = ("alice", ChangeEnd::Made);
        let event = AuditEvent { user, change, end };
        let line = event.line(1000, |seconds| format!("T{seconds}"));
        line.as_str().to_owned()
    }

    #[test]
    fn a_line_names_the_change_and_its_author() {
        let device = &DeviceName::first();
        let confirmed = true;
        let lines = [
            (
                FactorChange::DeviceAdded { device, confirmed },
                "action=enroll device=phone confirmed=yes",
            ),
            (
                FactorChange::DeviceRenewed {
                    device,
                    confirmed: false,
                },
                "action=renew device=phone confirmed=no",
            ),
            (
                FactorChange::DeviceImported {
                    device,
                    from: "uri",
                    replaces: true,
                },
                "action=import device=phone from=uri",
            ),
            (
                FactorChange::DeviceRemoved(device),
                "action=unset device=phone",
            ),
            (FactorChange::AllRemoved, "action=unset device=all"),
            (
                FactorChange::Invited { expires: 7 },
                "action=invite until=T7",
            ),
            (
                FactorChange::InvitationWithdrawn,
                "action=invite until=withdrawn",
            ),
            (
                FactorChange::BypassIssued {
                    expires: 8,
                    scope: CodeScope::Login,
                },
                "action=bypass until=T8",
            ),
            (
                FactorChange::BypassIssued {
                    expires: 8,
                    scope: CodeScope::NewDevice,
                },
                "action=bypass until=T8 scope=new-device",
            ),
            (
                FactorChange::BypassWithdrawn,
                "action=bypass until=withdrawn",
            ),
            (FactorChange::RecoveryCodesReplaced, "action=recovery-codes"),
            (FactorChange::Unlocked, "action=unlock"),
            (FactorChange::StateRebuilt, "action=rebuild"),
            (FactorChange::Resynced(device), "action=resync device=phone"),
            (FactorChange::Restored, "action=restore"),
            (
                FactorChange::Renamed { from: "anna" },
                "action=rename from=anna",
            ),
            (
                FactorChange::Adopted { from: "anna" },
                "action=adopt from=anna",
            ),
        ];
        for (change, words) in lines {
            assert_eq!(text(change), format!("changed user=alice {words} by=1000"));
        }
    }

    #[test]
    fn a_name_cannot_forge_another_field_or_line() {
        let event = AuditEvent {
            user: "x by=0\nchanged",
            change: FactorChange::Unlocked,
            end: ChangeEnd::Unsure,
        };
        assert_eq!(
            event.line(7, |seconds| seconds.to_string()).as_str(),
            "changed user=x\\x20by\\x3d0\\x0achanged action=unlock end=unsure by=7"
        );
    }
}
