//! Reports of `setup`.

use std::path::Path;

use serde::Serialize;
use zeroize::Zeroizing;

use super::setup_journal::{FileChange, FileTexts};
use super::setup_plan::SetupPlan;
use super::sshd_reload::SshdReload;
use super::unified_diff;
use crate::commands::policy_change::PolicyChange;
use crate::output::CommandReport;

/// One file with its diff.
#[derive(Serialize)]
struct FileReport {
    path: String,
    diff: String,
}

/// Report of `setup`. The serialized form is an interface.
#[derive(Serialize)]
pub struct SetupReport {
    /// False after `--dry-run`.
    done: bool,
    /// The services, with their siblings.
    services: Vec<String>,
    files: Vec<FileReport>,
    /// The difference in the policy; empty where there is none.
    policy: String,
    /// `reloaded`, `not_running`, or `null` where sshd's settings were not changed.
    sshd: Option<&'static str>,
    notes: Vec<String>,
    /// Things to think about before.
    warnings: Vec<String>,
    dangers: Vec<String>,
}

impl SetupReport {
    /// The report of `--dry-run`.
    pub fn planned(plan: &SetupPlan, policy: &PolicyChange) -> Self {
        let files = plan.changes.iter().map(|change| {
            let path = change.path.display().to_string();
            FileReport {
                diff: unified_diff::unified(&path, change.before.as_deref(), Some(&change.after)),
                path,
            }
        });
        let changed = if policy.is_idle() {
            String::new()
        } else {
            unified_diff::unified("policy", policy.text(), Some(policy.edited()))
        };
        Self {
            done: false,
            services: plan.services.clone(),
            files: files.collect(),
            policy: changed,
            sshd: None,
            notes: plan.notes.clone(),
            warnings: policy.warnings().to_vec(),
            dangers: policy.dangers().to_vec(),
        }
    }

    /// The report of a setup that has nothing to change.
    pub fn idle(plan: &SetupPlan, policy: &PolicyChange) -> Self {
        Self {
            done: true,
            ..Self::planned(plan, policy)
        }
    }

    /// The report of a setup that was made.
    pub fn done(plan: &SetupPlan, policy: &PolicyChange, sshd: Option<SshdReload>) -> Self {
        Self {
            done: true,
            sshd: sshd.map(SshdReload::word),
            ..Self::planned(plan, policy)
        }
    }
}

impl CommandReport for SetupReport {
    fn text(&self) -> Zeroizing<String> {
        let services = self.services.join(", ");
        let sshd = sshd_word(self.sshd);
        Zeroizing::new(if !self.done {
            "Nothing was changed (--dry-run).\n".to_owned()
        } else if self.files.is_empty() && self.policy.is_empty() {
            let services = match services.as_str() {
                "" => "the services that the policy has on",
                services => services,
            };
            format!("Nothing to change: {services} ask for a code already.\n")
        } else {
            format!("Done.{sshd} To undo it: twofactor setup --undo\n")
        })
    }
}

/// The result for sshd, as the second sentence of a text.
fn sshd_word(sshd: Option<&str>) -> &'static str {
    match sshd {
        Some("reloaded") => " sshd was reloaded.",
        Some(_) => " sshd does not run.",
        None => "",
    }
}

/// Report of `setup --undo`. The serialized form is an interface.
#[derive(Serialize)]
pub struct UndoReport {
    /// False after `--dry-run`.
    done: bool,
    /// True if the old texts were forgotten, and the files stay.
    forgotten: bool,
    /// The files that get their old text again.
    files: Vec<FileReport>,
    /// The files that are gone, with the text that they had before setup as the difference.
    missing: Vec<FileReport>,
    /// The difference in the policy; empty where there is none.
    policy: String,
    /// As of `setup`.
    sshd: Option<&'static str>,
}

impl UndoReport {
    /// The report of `--dry-run`: these files, and the policy if it changes.
    pub fn planned<'f>(
        files: impl IntoIterator<Item = (&'f FileTexts, Option<&'f str>)>,
        policy: Option<&PolicyChange>,
    ) -> Self {
        let files = files.into_iter().map(|(file, text)| {
            let path = file.path.display().to_string();
            FileReport {
                diff: unified_diff::unified(&path, Some(&file.after), text),
                path,
            }
        });
        let changed = |change: &PolicyChange| {
            unified_diff::unified("policy", change.text(), Some(change.edited()))
        };
        Self {
            done: false,
            forgotten: false,
            files: files.collect(),
            missing: Vec::new(),
            policy: policy.map(changed).unwrap_or_default(),
            sshd: None,
        }
    }

    /// With the files of pam-auth-update that it writes anew, and those that are gone.
    pub fn and<'f>(
        mut self,
        profile: &[FileChange],
        missing: impl IntoIterator<Item = (&'f Path, &'f str)>,
    ) -> Self {
        let report = |path: &Path, before: Option<&str>, after: &str| {
            let path = path.display().to_string();
            FileReport {
                diff: unified_diff::unified(&path, before, Some(after)),
                path,
            }
        };
        let changes = profile.iter();
        self.files.extend(
            changes.map(|change| report(&change.path, change.before.as_deref(), &change.after)),
        );
        let missing = missing.into_iter();
        self.missing
            .extend(missing.map(|(path, text)| report(path, None, text)));
        self
    }

    /// With what was restored before it.
    pub fn after(mut self, first: Option<Self>) -> Self {
        let Some(first) = first else { return self };
        let own: Vec<String> = self.files.iter().map(|file| file.path.clone()).collect();
        let earlier = first.files.into_iter();
        self.files
            .extend(earlier.filter(|file| !own.contains(&file.path)));
        if self.policy.is_empty() {
            self.policy = first.policy;
        }
        self.sshd = self.sshd.or(first.sshd);
        self
    }

    /// The report after the change was made.
    pub fn done(self, sshd: Option<SshdReload>) -> Self {
        Self {
            done: true,
            sshd: sshd.map(SshdReload::word),
            ..self
        }
    }

    /// The report of `--forget`.
    pub const fn forgotten() -> Self {
        Self {
            done: true,
            forgotten: true,
            files: Vec::new(),
            missing: Vec::new(),
            policy: String::new(),
            sshd: None,
        }
    }
}

impl CommandReport for UndoReport {
    fn text(&self) -> Zeroizing<String> {
        Zeroizing::new(if self.forgotten {
            "The files stay as they are, and can no longer be restored. To ask for no code: twofactor disable. \
             Before the module is removed, take the lines with pam_twofactor.so out of /etc/pam.d.\n"
                .to_owned()
        } else if self.done {
            let sshd = sshd_word(self.sshd);
            let gone: Vec<&str> = self.missing.iter().map(|file| file.path.as_str()).collect();
            match gone.as_slice() {
                [] => format!("Everything is as it was before setup.{sshd} Devices are kept.\n"),
                gone => format!(
                    "Everything else is as it was before setup.{sshd} Devices are kept. Gone, and left so: {}\n",
                    gone.join(", ")
                ),
            }
        } else {
            "Nothing was changed (--dry-run).\n".to_owned()
        })
    }
}
