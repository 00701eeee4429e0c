//! Doors to private parsers for `fuzz/`: behind a feature that nothing shipped has.

use twofactor_core::policy::Policy;
use zeroize::Zeroizing;

use crate::commands::policy::PolicyReport;
use crate::output::CommandReport as _;

pub use crate::import_formats::{
    ImportMoment, ImportedDevice, ParsedSource, RefusedEntry, google_authenticator, oath_users,
    uri_list,
};

/// Output of `policy show`.
#[must_use]
pub fn shown(policy: &Policy) -> Zeroizing<String> {
    PolicyReport::new(policy).text()
}
