//! The dispatch and what it is answered from, for `fuzz/`: behind a feature that nothing shipped has.

pub use crate::connection_memory::ConnectionMemory;
pub use crate::dispatch::{CallResponse, response};
pub use crate::file_factors::FileFactors;
pub use crate::user_factors::{AskedAccount, CallingProcess, FactorUnavailable, UserFactors};
