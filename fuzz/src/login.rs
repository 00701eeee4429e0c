//! The lives of logins that the product's own tests play, too.

use twofactor_core as product;

#[path = "../../crates/core/src/verify/tests/model/changes.rs"]
mod changes;
#[path = "../../crates/core/src/verify/tests/model/play.rs"]
pub mod play;
#[path = "../../crates/core/src/verify/tests/model/rules.rs"]
pub(crate) mod rules;
