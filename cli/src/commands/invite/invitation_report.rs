//! The report of the invitations of several users.

use serde::{Serialize, Serializer};
use twofactor_store::operations::InvitationResult;
use unicode_width::UnicodeWidthStr as _;
use zeroize::Zeroizing;

use crate::escaping;
use crate::formatting::{ReportedTime, count};
use crate::output::CommandReport;

/// Widest column of names, in columns of the screen: longer names move their own line only.
const WIDEST: usize = 32;

/// The result for one user. The words are part of the interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum InvitationWord {
    /// A new code works.
    Invited,
    /// An earlier code goes on working.
    AlreadyInvited,
    /// The user has a device.
    AlreadyEnrolled,
    /// The policy asks the user for no code.
    Exempt,
    /// There is no such user.
    Unknown,
    /// An invitation was withdrawn.
    Withdrawn,
    /// There was none to withdraw.
    NotInvited,
    /// The invitation failed.
    Failed,
    /// The command ended before this user.
    NotTried,
}

impl InvitationWord {
    const ALL: [Self; 9] = [
        Self::Invited,
        Self::AlreadyInvited,
        Self::AlreadyEnrolled,
        Self::Exempt,
        Self::Withdrawn,
        Self::NotInvited,
        Self::Unknown,
        Self::Failed,
        Self::NotTried,
    ];

    /// True where what was asked for was not done.
    pub const fn is_failure(self) -> bool {
        matches!(self, Self::Unknown | Self::Failed | Self::NotTried)
    }

    const fn phrase(self) -> &'static str {
        match self {
            Self::Invited => "invited",
            Self::AlreadyInvited => "invited already",
            Self::AlreadyEnrolled => "has a device already",
            Self::Exempt => "exempt by the policy",
            Self::Unknown => "no such user",
            Self::Withdrawn => "invitation withdrawn",
            Self::NotInvited => "has no invitation",
            Self::Failed => "failed",
            Self::NotTried => "not tried",
        }
    }
}

/// One user of the report.
#[derive(Serialize)]
pub struct InvitationRow {
    /// The name of the record, or the one that was given where no account has it.
    pub user: String,
    /// The result.
    pub result: InvitationWord,
    /// The code, unless it is on a sheet.
    #[serde(serialize_with = "revealed")]
    pub code: Option<Zeroizing<String>>,
    /// The end of the invitation.
    pub expires: Option<ReportedTime>,
    /// The reason of a failure.
    pub reason: Option<String>,
    /// The word for its kind, for programs.
    pub kind: Option<&'static str>,
}

fn revealed<S: Serializer>(
    code: &Option<Zeroizing<String>>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    code.as_ref()
        .map(|code| code.as_str())
        .serialize(serializer)
}

impl InvitationRow {
    /// A row without code, time or reason.
    pub fn new(user: &str, result: InvitationWord) -> Self {
        Self {
            user: user.to_owned(),
            result,
            code: None,
            expires: None,
            reason: None,
            kind: None,
        }
    }

    /// Enters what an invitation until `expires`, in seconds since 1970-01-01 UTC, came to.
    pub fn enter(&mut self, result: InvitationResult, expires: u64) {
        self.result = match result {
            InvitationResult::Issued(code) => {
                self.code = Some(code.grouped());
                self.expires = Some(ReportedTime(expires));
                InvitationWord::Invited
            }
            InvitationResult::Kept { expires } => {
                self.expires = Some(ReportedTime(expires));
                InvitationWord::AlreadyInvited
            }
            InvitationResult::Enrolled => InvitationWord::AlreadyEnrolled,
            InvitationResult::Exempt => InvitationWord::Exempt,
        };
    }

    /// The line of a user without a new code.
    pub fn line(&self, column: usize) -> String {
        let mut text = self.result.phrase().to_owned();
        if let (InvitationWord::AlreadyInvited, Some(expires)) = (self.result, &self.expires) {
            text.push_str(&format!(", until {}", expires.with_zone()));
        }
        if let Some(reason) = &self.reason {
            text.push_str(&format!(": {}", reason.replace('\n', ". ")));
        }
        line(&self.user, &text, column)
    }
}

/// One line: the name in a column of its own.
pub fn line(user: &str, text: &str, column: usize) -> String {
    let shown = escaping::value(user);
    let gap = column.saturating_sub(shown.width());
    format!("{shown}{}  {text}\n", " ".repeat(gap))
}

/// The width of the column of names.
pub fn column<'n>(names: impl Iterator<Item = &'n str>) -> usize {
    let widths = names.map(|name| escaping::value(name).width());
    widths.max().unwrap_or(0).min(WIDEST)
}

/// Report of `invite` of several users. The text is what comes after the lines of the users.
#[derive(Serialize)]
pub struct InvitationsReport {
    /// True if the policy makes an enrollment at login ask for a code.
    pub asked_for: bool,
    /// The file with the codes.
    pub sheets: Option<String>,
    /// All users, in the order in which they were named.
    pub invitations: Vec<InvitationRow>,
    /// Directories that list none of their users, so that members of a group can be missing.
    pub unlisted: Vec<String>,
    /// True if a signal ended it early.
    pub interrupted: bool,
    /// The step that makes the policy ask.
    #[serde(skip)]
    pub advice: &'static str,
}

impl InvitationsReport {
    /// True if a user was not invited for want of an account, or by a failure.
    pub fn is_partial(&self) -> bool {
        self.invitations.iter().any(|row| row.result.is_failure())
    }

    fn number(&self, word: InvitationWord) -> usize {
        let rows = self.invitations.iter();
        rows.filter(|row| row.result == word).count()
    }
}

impl CommandReport for InvitationsReport {
    fn text(&self) -> Zeroizing<String> {
        let counts = InvitationWord::ALL.map(|word| (word.phrase(), self.number(word)));
        let counts = counts.into_iter().filter(|(_, number)| *number > 0);
        let counts: Vec<String> = counts
            .map(|(phrase, number)| format!("{phrase}: {number}"))
            .collect();
        let users = count(self.invitations.len() as u64, "user");
        let mut text = format!("{users}. {}.\n", counts.join(", "));
        let invited = self.number(InvitationWord::Invited);
        if invited > 0 && self.sheets.is_none() {
            text.push_str("Each code works for one set-up at login. Hand it over in person or by telephone.\n");
        }
        if let Some(file) = &self.sheets {
            let pages = count(invited as u64, "page");
            text.push_str(&format!(
                "Sheets: {file}, {pages} (only root can read it). Print it, hand out the sheets, then remove the file.\n"
            ));
        }
        if self.number(InvitationWord::AlreadyInvited) > 0 {
            text.push_str(
                "Codes that were handed out before go on working. For new ones: --replace\n",
            );
        }
        if !self.unlisted.is_empty() {
            let sources = self.unlisted.join(", ");
            text.push_str(&format!(
                "Warning: {sources} lists none of its users. Members whose primary group this is can be missing; name them.\n"
            ));
        }
        if self.interrupted {
            text.push_str(
                "Interrupted. What is reported as invited is stored; call it again for the rest.\n",
            );
        }
        if invited > 0 && !self.asked_for {
            text.push_str(self.advice);
        }
        Zeroizing::new(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_says_why() {
        let mut row = InvitationRow::new("bob", InvitationWord::Failed);
        row.reason = Some("no space\nMake some".to_owned());
        assert_eq!(row.line(5), "bob    failed: no space. Make some\n");
        let mut row = InvitationRow::new("a\u{1b}", InvitationWord::AlreadyInvited);
        let expires = ReportedTime(1);
        row.expires = Some(expires);
        let told = format!(
            "a\\u{{1b}}  invited already, until {}\n",
            expires.with_zone()
        );
        assert_eq!(row.line(0), told);
    }

    #[test]
    fn each_word_is_counted_once() {
        for (position, word) in InvitationWord::ALL.iter().enumerate() {
            let phrases = InvitationWord::ALL.map(InvitationWord::phrase);
            let same = phrases.iter().filter(|phrase| **phrase == word.phrase());
            assert_eq!(same.count(), 1, "{position}");
        }
    }

    #[test]
    fn a_column_is_as_wide_as_its_names() {
        assert_eq!(column(["bob", "alice"].into_iter()), 5);
        assert_eq!(column(["x".repeat(99).as_str()].into_iter()), WIDEST);
        assert_eq!(column(std::iter::empty()), 0);
    }
}
