//! The program `twofactor`.
#![forbid(unsafe_code)]

/// What the command and the libraries in it free is wiped first.
#[global_allocator]
static HEAP: twofactor_store::sys::wipe::Wiping = twofactor_store::sys::wipe::Wiping;

fn main() -> std::process::ExitCode {
    twofactor_command::run()
}
