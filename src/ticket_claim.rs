//! The memory of a ticket that is to be written, in its transaction.

/// A user who is to get a ticket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TicketClaim {
    /// `PAM_USER`.
    pub user: Vec<u8>,
    /// The uid of its account.
    pub uid: u32,
}
