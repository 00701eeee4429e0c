//! The report of `restore`, also of what it would do.

use serde::Serialize;
use twofactor_store::operations::{RestoreRefusal, RestoredFactor};
use zeroize::Zeroizing;

use crate::command_failure::CommandFailure;
use crate::failure_kind::FailureKind;
use crate::formatting::count;
use crate::impact::warning_lines;
use crate::output::{CommandReport, table};

/// The result for a user. The words are part of the interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum RestoreWord {
    /// There was no record, and now there is.
    Restored,
    /// A record that was there was replaced.
    Replaced,
    /// A record that is there stays.
    Kept,
    /// Nothing of it goes on working.
    Dropped,
    /// The restoration of the user failed, or was refused.
    Failed,
}

/// One user of the report.
#[derive(Serialize)]
pub struct RestoreRow {
    user: String,
    result: RestoreWord,
    /// A note for the administrator, or the reason.
    notes: Vec<String>,
    /// The word for the kind of the failure, for programs; `None` where it was restored.
    kind: Option<&'static str>,
}

impl RestoreRow {
    /// A user who is restored.
    pub fn restored(user: &str, restored: RestoredFactor, note: Option<String>) -> Self {
        let mut notes = Vec::from_iter(note);
        if restored.drops_codes {
            notes.push("one-time codes end; new ones: twofactor recovery-codes".to_owned());
        }
        if restored.lost_counters > 0 {
            let devices = count(restored.lost_counters as u64, "HOTP device");
            notes.push(format!(
                "{devices} without a counter; next: twofactor resync"
            ));
        }
        if restored.removed_devices > 0 {
            let devices = count(restored.removed_devices as u64, "device");
            notes.push(format!("{devices} of now removed"));
        }
        let result = if restored.replaces {
            RestoreWord::Replaced
        } else {
            RestoreWord::Restored
        };
        Self {
            user: user.to_owned(),
            result,
            notes,
            kind: None,
        }
    }

    /// A user who is not restored.
    pub fn refused(user: &str, refusal: RestoreRefusal) -> Self {
        let (result, failure) = match refusal {
            RestoreRefusal::Exists => (
                RestoreWord::Kept,
                CommandFailure::refused("has a record here; --replace overwrites it")
                    .of_kind(FailureKind::Exists),
            ),
            RestoreRefusal::NothingLeft => (
                RestoreWord::Dropped,
                CommandFailure::refused("was only invited; next: twofactor invite"),
            ),
            RestoreRefusal::WouldUnenroll => (
                RestoreWord::Failed,
                CommandFailure::refused("has a device here, and only an invitation in the backup"),
            ),
            RestoreRefusal::Change(error) => (RestoreWord::Failed, CommandFailure::from(error)),
        };
        Self {
            result,
            ..Self::failed(user, &failure)
        }
    }

    /// A user who is not restored, for this reason.
    pub fn failed(user: &str, failure: &CommandFailure) -> Self {
        Self {
            user: user.to_owned(),
            result: RestoreWord::Failed,
            notes: vec![failure.to_string().replace('\n', ". ")],
            kind: Some(failure.kind.word()),
        }
    }
}

/// Stage of a restoration.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum RestoreStage {
    /// Nothing was changed.
    Planned,
    /// The restoration was made.
    Done,
}

/// Report of `restore`.
#[derive(Serialize)]
pub struct RestoreReport {
    /// Time at which the backup was made.
    pub made: String,
    /// A plan, or a restoration that was made.
    pub stage: RestoreStage,
    /// The users of the backup, in its order.
    pub users: Vec<RestoreRow>,
    /// True if a signal ended it early.
    pub interrupted: bool,
    /// Risks that came with the devices.
    pub warnings: Vec<String>,
}

impl RestoreReport {
    /// Number of users who are restored.
    pub fn changes(&self) -> usize {
        self.number(RestoreWord::Restored) + self.number(RestoreWord::Replaced)
    }

    /// True if a user of the backup is not restored.
    pub fn is_partial(&self) -> bool {
        self.changes() < self.users.len()
    }

    fn number(&self, word: RestoreWord) -> usize {
        self.users.iter().filter(|row| row.result == word).count()
    }
}

impl CommandReport for RestoreReport {
    fn text(&self) -> Zeroizing<String> {
        let mut text = format!(
            "Backup of {}: {}.\n",
            self.made,
            count(self.users.len() as u64, "user")
        );
        let word = |row: &RestoreRow| match row.result {
            RestoreWord::Restored => "restored",
            RestoreWord::Replaced => "replaced",
            RestoreWord::Kept => "kept",
            RestoreWord::Dropped => "dropped",
            RestoreWord::Failed => "failed",
        };
        let row =
            |row: &RestoreRow| vec![row.user.clone(), word(row).to_owned(), row.notes.join("; ")];
        let rows: Vec<Vec<String>> = self.users.iter().map(row).collect();
        text.push_str(&table(&rows));
        let changes = count(self.changes() as u64, "user");
        match self.stage {
            RestoreStage::Planned => text.push_str(&format!("{changes} would be restored.\n")),
            RestoreStage::Done => text.push_str(&format!(
                "{changes} restored. Codes up to now count as used: wait for one that is made some minutes after the restoration.\n"
            )),
        }
        if self.interrupted {
            text.push_str("Interrupted. Call it again for the rest.\n");
        }
        text.push_str(&warning_lines(&self.warnings));
        Zeroizing::new(text)
    }
}
