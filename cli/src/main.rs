//! The program `twofactor`.
#![forbid(unsafe_code)]

fn main() -> std::process::ExitCode {
    twofactor_command::run()
}
