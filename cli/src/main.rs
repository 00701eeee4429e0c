//! The program `twofactor`.
#![forbid(unsafe_code)]

/// Wipes the memory that the command and the libraries in it free.
#[global_allocator]
static HEAP: twofactor_store::sys::wipe::WipingAllocator =
    twofactor_store::sys::wipe::WipingAllocator;

fn main() -> std::process::ExitCode {
    twofactor_command::run()
}
