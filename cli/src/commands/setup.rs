//! `setup`.

use crate::args::SetupArgs;
use crate::context::Context;
use crate::error::Failure;
use crate::setup;

/// Runs it.
pub fn run(context: &Context, args: &SetupArgs) -> Result<(), Failure> {
    setup::run(context, args)
}
