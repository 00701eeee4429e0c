//! A user account, as the passwd database tells it.

/// One entry of the passwd database.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    /// Canonical login name, which may differ from the name that was looked up.
    pub name: String,
    /// Numeric user id.
    pub uid: u32,
    /// Numeric id of the primary group.
    pub gid: u32,
}
