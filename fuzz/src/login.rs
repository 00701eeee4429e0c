//! The lives of logins that the product's own tests play, too.
#![forbid(unsafe_code)]

use pam_twofactor as product;

#[path = "../../src/verify/tests/model/changes.rs"]
mod changes;
#[path = "../../src/verify/tests/model/play.rs"]
pub mod play;
#[path = "../../src/verify/tests/model/rules.rs"]
mod rules;
