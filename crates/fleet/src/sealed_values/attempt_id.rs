//! Ids of attempts: by its own id in the stored state an attempt knows that its write was applied.

use std::fmt;

use twofactor_core::state::OutageId;
use twofactor_store::attempt::OutageCount;

/// The id of one attempt: random, and never zero.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct AttemptId([u8; 16]);

impl AttemptId {
    /// Makes one.
    ///
    /// # Errors
    /// When the kernel gives no randomness.
    pub fn random() -> Result<Self, getrandom::Error> {
        loop {
            let mut bytes = [0; 16];
            getrandom::fill(&mut bytes)?;
            if let Some(id) = Self::from_bytes(bytes) {
                return Ok(id);
            }
        }
    }

    /// `None` for sixteen zero bytes, which stand for no attempt.
    #[must_use]
    pub fn from_bytes(bytes: [u8; 16]) -> Option<Self> {
        (bytes != [0; 16]).then_some(Self(bytes))
    }

    /// The id by which a state remembers wrong codes of an outage. It is that of no attempt: the first part is random as well.
    #[must_use]
    pub fn of_count(count: OutageCount) -> Self {
        let mut bytes = [0; 16];
        let (outage, counted) = bytes.split_at_mut(count.id.len());
        outage.copy_from_slice(&count.id);
        counted.copy_from_slice(&count.counted.to_be_bytes());
        Self(bytes)
    }

    /// The wrong codes that it stands for, if it is one of an outage with this id.
    #[must_use]
    pub fn counted_in(self, outage: OutageId) -> Option<u32> {
        let (id, counted) = self.0.split_first_chunk()?;
        let counted = counted.try_into().ok()?;
        (*id == outage).then(|| u32::from_be_bytes(counted))
    }

    /// Its bytes.
    #[must_use]
    pub const fn bytes(self) -> [u8; 16] {
        self.0
    }
}

impl fmt::Display for AttemptId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}
