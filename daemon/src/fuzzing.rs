//! The dispatch and what it is answered from, for `fuzz/`: behind a feature that nothing shipped has.

pub use crate::dispatch::{Response, response};
pub use crate::factors::FileFactors;
pub use crate::pending::Conversation;
pub use crate::user_factors::{AskedAccount, Caller, Unavailable, UserFactors};
