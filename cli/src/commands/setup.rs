//! `setup`.
#![forbid(unsafe_code)]

use crate::args::Setup;
use crate::context::Context;
use crate::error::Failure;
use crate::setup;

/// Runs it.
pub fn run(context: &Context, args: &Setup) -> Result<(), Failure> {
    setup::run(context, args)
}
