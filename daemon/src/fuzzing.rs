//! The dispatch and what it is answered from, for `fuzz/`: behind a feature that nothing shipped has.

pub use crate::calling_process::CallingProcess;
pub use crate::connection_memory::ConnectionMemory;
pub use crate::dispatch::{CallResponse, response};
pub use crate::factor_access::{AskedAccount, FactorAccess, FactorUnavailable};
pub use crate::file_factors::FileFactors;
