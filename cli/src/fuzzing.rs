//! Doors to private parsers for `fuzz/`: behind a feature that nothing shipped has.
#![forbid(unsafe_code)]

use twofactor_core::policy::Policy;
use zeroize::Zeroizing;

use crate::commands::policy::View;
use crate::output::Report as _;

pub use crate::import::{Item, Moment, Parsed, Refused, google, oath, uri};

/// What `policy show` prints.
#[must_use]
pub fn shown(policy: &Policy) -> Zeroizing<String> {
    View::new(policy).text()
}
