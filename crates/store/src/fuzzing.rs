//! Doors to private parsers for `fuzz/`: behind a feature that nothing shipped has.
#![forbid(unsafe_code)]

pub use crate::pam::args::{Arguments, FirstPass};
pub use crate::store::names::{record_file, state_file, user_of};
