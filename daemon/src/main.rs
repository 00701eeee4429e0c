//! The program `twofactord`.
#![forbid(unsafe_code)]

use std::process::ExitCode;

use twofactor_store::sys::wipe;

/// Freed memory is wiped: codes pass through this program.
#[global_allocator]
static HEAP: wipe::WipingAllocator = wipe::WipingAllocator;

fn main() -> ExitCode {
    twofactord::serve_as_told(std::env::args_os().skip(1))
}
