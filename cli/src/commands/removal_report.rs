//! The report of `unset`.

use serde::Serialize;
use zeroize::Zeroizing;

use super::removal_impact::RemovalEffect;
use crate::output::CommandReport;

/// Part of what is kept about a user.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RemovedPart {
    /// One device.
    Device,
    /// All devices, and the recovery codes.
    All,
    /// An invitation; there was nothing else.
    Invitation,
}

/// Report of `unset`; `device` is `null` when everything was removed.
#[derive(Serialize)]
pub struct RemovalReport<'a> {
    user: &'a str,
    /// The device that was named, unless it was the only one.
    pub device: Option<&'a str>,
    /// Number of devices that stay.
    pub devices_left: usize,
    /// False after `--dry-run`.
    done: bool,
    policy_hash: Option<String>,
    /// Hash of the devices before the removal; `null` without root.
    pub devices_hash: Option<String>,
    /// The names of the devices; empty also where the record cannot be read.
    pub removed: Vec<String>,
    next_login: Option<&'static str>,
    dangers: Vec<String>,
    /// True if it counts on all hosts of a fleet; `null` without root.
    pub everywhere: Option<bool>,
    /// The fault of the user's files, in a sentence.
    pub fault: Option<String>,
    /// The part that is removed.
    #[serde(skip)]
    pub part: RemovedPart,
    /// True if another process was first, so that nothing was left to be removed.
    #[serde(skip)]
    pub is_by_another: bool,
    /// The text of a preview.
    #[serde(skip)]
    pub said: String,
}

impl<'a> RemovalReport<'a> {
    /// The report on a removal of everything, before its effect is known.
    pub const fn new(user: &'a str, part: RemovedPart, policy_hash: Option<String>) -> Self {
        Self {
            user,
            device: None,
            devices_left: 0,
            done: false,
            policy_hash,
            devices_hash: None,
            removed: Vec::new(),
            next_login: None,
            dangers: Vec::new(),
            everywhere: None,
            fault: None,
            part,
            is_by_another: false,
            said: String::new(),
        }
    }

    /// The report on a removal that is not made.
    pub fn planned(mut self, effect: RemovalEffect) -> Self {
        if let Some(fault) = &self.fault {
            self.said.push_str(&format!("{fault}\n"));
        }
        if self.everywhere == Some(true) {
            self.said.push_str("It counts on all hosts of the fleet.\n");
        }
        self.said.push_str(&effect.preview());
        Self {
            done: false,
            next_login: effect.next_login,
            dangers: effect.dangers,
            ..self
        }
    }

    /// The report on a removal that was made.
    pub fn done(self, effect: RemovalEffect) -> Self {
        Self {
            done: true,
            next_login: effect.next_login,
            dangers: effect.dangers,
            ..self
        }
    }
}

impl CommandReport for RemovalReport<'_> {
    fn text(&self) -> Zeroizing<String> {
        let user = self.user;
        let part = match (self.part, self.device) {
            (RemovedPart::Invitation, _) => format!("the invitation of {user}"),
            (RemovedPart::Device, Some(device)) => format!("device {device} of {user}"),
            (RemovedPart::Device | RemovedPart::All, _) => {
                format!("all devices and recovery codes of {user}")
            }
        };
        Zeroizing::new(if self.is_by_another {
            format!("Removed by another process meanwhile: {part}.\n")
        } else if self.done {
            format!("Removed: {part}.\n")
        } else {
            let hashes = [
                ("--if-policy", &self.policy_hash),
                ("--if-devices", &self.devices_hash),
            ];
            let conditions = hashes.into_iter().filter_map(|(option, hash)| {
                let hash = hash.as_deref()?;
                Some(format!("{option} {hash}\n"))
            });
            format!(
                "To be removed: {part}.\n{}Nothing was changed (--dry-run). To remove it only if policy and devices stay as they \
                 are:\n{}",
                self.said,
                conditions.collect::<String>()
            )
        })
    }
}
