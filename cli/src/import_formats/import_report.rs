//! The summary of an import that was or would be done, for people and as JSON.

use std::collections::BTreeMap;

use serde::Serialize;
use zeroize::Zeroizing;

use super::ImportNote;
use super::record_draft::{ImportResult, ImportRow};
use crate::formatting::{count, plain};
use crate::impact::{names, warning_lines};
use crate::output::{CommandReport, table};

/// Devices that are listed before "and N more".
const LISTED: usize = 50;

/// Stage of an import: whether it is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ImportStage {
    /// Only looked at.
    Planned,
    /// Stored.
    Done,
}

/// The report of an import.
#[derive(Serialize)]
pub struct ImportReport {
    /// `google-authenticator`, `users-oath` or `uri`.
    pub format: &'static str,
    /// Nothing was stored.
    pub dry_run: bool,
    taken: usize,
    replaced: usize,
    already_there: usize,
    refused: usize,
    items: Vec<ReportItem>,
    /// Directories whose users were not looked at, since they list none.
    pub unlisted: Vec<String>,
    /// Lines of PAM files that name the module which the devices come from: `/etc/pam.d/sshd line 3 (pam_oath.so)`.
    pub old_lines: Vec<String>,
    /// Risks that came with the devices.
    pub warnings: Vec<String>,
}

/// One device or one refusal.
#[derive(Serialize)]
struct ReportItem {
    file: String,
    line: usize,
    user: Option<String>,
    device: Option<String>,
    settings: Option<String>,
    result: &'static str,
    reason: Option<String>,
    scratch_codes: usize,
    notes: Vec<ImportNote>,
}

impl ImportReport {
    /// Sums up.
    pub fn new(format: &'static str, stage: ImportStage, rows: Vec<ImportRow>) -> Self {
        let sum = |result: fn(&ImportResult) -> bool| {
            rows.iter().filter(|row| result(&row.result)).count()
        };
        Self {
            format,
            dry_run: stage == ImportStage::Planned,
            taken: sum(|result| *result == ImportResult::Taken),
            replaced: sum(|result| *result == ImportResult::Replaced),
            already_there: sum(|result| *result == ImportResult::Present),
            refused: sum(|result| matches!(result, ImportResult::Refused(_))),
            items: rows.into_iter().map(ReportItem::new).collect(),
            unlisted: Vec::new(),
            old_lines: Vec::new(),
            warnings: Vec::new(),
        }
    }

    /// True if something was not taken.
    pub const fn is_partial(&self) -> bool {
        self.refused > 0
    }

    /// Number of records that would change.
    pub const fn changes(&self) -> usize {
        self.taken + self.replaced
    }

    fn devices(&self) -> String {
        let devices: Vec<&ReportItem> = self
            .items
            .iter()
            .filter(|line| line.result != "refused")
            .collect();
        let mut rows = vec![
            ["USER", "DEVICE", "SETTINGS", "RESULT"]
                .map(str::to_owned)
                .to_vec(),
        ];
        rows.extend(
            devices
                .iter()
                .take(LISTED)
                .map(|line| line.cells(self.dry_run)),
        );
        if rows.len() == 1 {
            return String::new();
        }
        let mut text = table(&rows);
        if let Some(more @ 1..) = devices.len().checked_sub(LISTED) {
            text.push_str(&format!("and {more} more\n"));
        }
        text + "\n"
    }

    fn refusals(&self) -> String {
        let refused = self.items.iter().filter(|line| line.result == "refused");
        let mut refused: Vec<&ReportItem> = refused.collect();
        refused.sort_by_key(|line| (&line.file, line.line));
        let lines: String = refused.into_iter().map(ReportItem::refusal).collect();
        if lines.is_empty() {
            lines
        } else {
            format!("Skipped:\n{lines}\n")
        }
    }

    /// Each note once, with the users it is about.
    fn notes(&self) -> String {
        let mut users: BTreeMap<&str, Vec<String>> = BTreeMap::new();
        for line in &self.items {
            for note in &line.notes {
                let user = line.user.clone().unwrap_or_default();
                users.entry(note).or_default().push(user);
            }
        }
        let lines: String = users
            .iter()
            .map(|(note, users)| format!("  {}: {note}\n", names(users)))
            .collect();
        if lines.is_empty() {
            lines
        } else {
            format!("Notes:\n{lines}\n")
        }
    }

    fn next_steps(&self) -> String {
        let mut text = String::new();
        if self.changes() == 0 || self.dry_run {
            return text;
        }
        if self.items.iter().any(|line| line.scratch_codes > 0) {
            text.push_str(
                "ScratchStore codes go on working, once each. They are short; ten longer ones instead: twofactor \
                 recovery-codes USER\n",
            );
        }
        text.push_str("No code was asked for. To try a device: twofactor verify USER\n");
        if !self.old_lines.is_empty() {
            text.push_str(&format!(
                "Once logins work with pam_twofactor.so, remove what asks for the same code a second time \
                 (go by the module: setup moves lines):\n  {}\n",
                self.old_lines.join("\n  ")
            ));
        }
        text
    }
}

impl CommandReport for ImportReport {
    fn text(&self) -> Zeroizing<String> {
        let did = if self.dry_run {
            "To be imported"
        } else {
            "Imported"
        };
        let mut parts = vec![format!("{did}: {}", count(self.taken as u64, "new device"))];
        for (number, what) in [
            (self.replaced, "replaced"),
            (self.already_there, "already there"),
            (self.refused, "skipped"),
        ] {
            if number > 0 {
                parts.push(format!("{number} {what}"));
            }
        }
        Zeroizing::new(format!(
            "{}{}{}{}{}.\n{}{}",
            self.devices(),
            self.refusals(),
            self.notes(),
            unlisted(&self.unlisted),
            parts.join(", "),
            self.next_steps(),
            warning_lines(&self.warnings)
        ))
    }
}

/// Text about directories that list none of their users.
pub fn unlisted(directories: &[String]) -> String {
    match directories {
        [] => String::new(),
        names => format!(
            "Not looked at: users of {}, which lists none. To import of one: --user NAME\n\n",
            names.join(", ")
        ),
    }
}

impl ReportItem {
    fn new(row: ImportRow) -> Self {
        let (result, reason) = match row.result {
            ImportResult::Taken => ("taken", None),
            ImportResult::Replaced => ("replaced", None),
            ImportResult::Present => ("already there", None),
            ImportResult::Refused(reason) => ("refused", Some(reason)),
        };
        Self {
            file: row.place.file.to_string(),
            line: row.place.line,
            user: row.user,
            device: row.device,
            settings: row.settings,
            result,
            reason,
            scratch_codes: row.scratch_codes,
            notes: row.notes,
        }
    }

    fn cells(&self, dry_run: bool) -> Vec<String> {
        let cell = |text: &Option<String>| text.clone().unwrap_or_default();
        let mut result = match (self.result, dry_run) {
            ("taken", true) => "to be taken",
            ("replaced", true) => "to be replaced",
            (result, _) => result,
        }
        .to_owned();
        if self.scratch_codes > 0 {
            let codes = count(self.scratch_codes as u64, "scratch code");
            result.push_str(&format!(", with {codes}"));
        }
        vec![
            cell(&self.user),
            cell(&self.device),
            cell(&self.settings),
            result,
        ]
    }

    /// Names come from files of other people: what does not belong into a line is escaped.
    fn refusal(&self) -> String {
        let user = self
            .user
            .as_deref()
            .map(|user| format!(" {}:", plain(user)));
        let reason = self.reason.as_deref().unwrap_or_default();
        let place = match self.line {
            0 => plain(&self.file),
            line => format!("{}:{line}", plain(&self.file)),
        };
        format!("  {place}:{} {reason}\n", user.unwrap_or_default())
    }
}

#[cfg(test)]
mod tests;
