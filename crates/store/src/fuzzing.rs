//! Doors to private parsers for `fuzz/`: behind a feature that nothing shipped has.

pub use crate::files::file_names::{record_file, state_file, user_of};
