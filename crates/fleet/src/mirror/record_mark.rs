//! Mark of a host's record: its revision and digest, or the note that it was removed. A file holds the newest mark of a user, and
//! the one before.

use data_encoding::HEXLOWER;
use twofactor_core::record::UserRecord;

/// Digest of a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RecordDigest([u8; 16]);

impl RecordDigest {
    /// The digest of the record in the form that this program writes.
    #[must_use]
    pub fn of(record: &UserRecord) -> Self {
        Self::from_whole(record.digest())
    }

    /// The first half of a whole digest.
    fn from_whole(digest: [u8; 32]) -> Self {
        let mut first = [0; 16];
        first.copy_from_slice(digest.split_at(16).0);
        Self(first)
    }
}

/// Kind of a mark: a record, or its removal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MarkKind {
    /// A record.
    Present(RecordDigest),
    /// The note that the record was removed.
    Removed,
}

impl MarkKind {
    /// The kind of this record's mark; `None` is a removal.
    #[must_use]
    pub fn of(record: Option<&UserRecord>) -> Self {
        record.map_or(Self::Removed, |it| Self::Present(RecordDigest::of(it)))
    }

    /// The kind of the mark of a record with this digest; `None` is a removal.
    #[must_use]
    pub fn of_digest(digest: Option<[u8; 32]>) -> Self {
        digest.map_or(Self::Removed, |it| {
            Self::Present(RecordDigest::from_whole(it))
        })
    }

    fn text(self, revision: u64) -> String {
        match self {
            Self::Present(RecordDigest(digest)) => {
                format!("{revision} present {}\n", HEXLOWER.encode(&digest))
            }
            Self::Removed => format!("{revision} removed\n"),
        }
    }
}

/// A mark: revision and kind.
pub type RecordMark = (u64, MarkKind);

/// The marks of one user.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct UserMarks {
    /// Mark of the newest record.
    pub(crate) newest: RecordMark,
    /// Mark of the record that was in place when the newest mark was written, and may still be.
    pub(crate) before: Option<RecordMark>,
}

impl UserMarks {
    /// The mark of the record that is in place.
    pub(crate) fn telling_of(self, here: MarkKind) -> Option<RecordMark> {
        let mut marks = std::iter::once(self.newest).chain(self.before);
        marks.find(|(_, kind)| *kind == here)
    }

    /// The text of the file.
    pub(crate) fn text(self) -> String {
        let marks = std::iter::once(self.newest).chain(self.before);
        marks.map(|(revision, kind)| kind.text(revision)).collect()
    }

    /// Parses the text of a file; `None` if it has another form.
    pub(crate) fn parsed(bytes: &[u8]) -> Option<Self> {
        let text = std::str::from_utf8(bytes).ok()?.strip_suffix('\n')?;
        let (newest, before) = match text.split_once('\n') {
            None => (text, None),
            Some((newest, before)) => (newest, Some(mark_of(before)?)),
        };
        Some(Self {
            newest: mark_of(newest)?,
            before,
        })
    }
}

fn mark_of(line: &str) -> Option<RecordMark> {
    let (revision, words) = line.split_once(' ')?;
    let kind = match words.split_once(' ') {
        Some(("present", digest)) => {
            let digest = HEXLOWER.decode(digest.as_bytes()).ok()?;
            MarkKind::Present(RecordDigest(digest.try_into().ok()?))
        }
        None if words == "removed" => MarkKind::Removed,
        _ => return None,
    };
    Some((revision.parse().ok()?, kind))
}
