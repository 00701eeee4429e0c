//! A PAM application for tests: runs transactions against a stack, answers every prompt as told, sleeps never, and
//! prints what happened as JSON, one object per line.
#![deny(unsafe_code)]

mod arguments;
mod batch;
mod host;
mod system;
mod transaction;

use std::process::ExitCode;

use arguments::{DriveArguments, Environment};
use serde_json::Value;

fn main() -> ExitCode {
    let ran =
        DriveArguments::parse(std::env::args_os().skip(1)).and_then(|arguments| run(&arguments));
    match ran {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("pamdrive: {error}");
            ExitCode::from(2)
        }
    }
}

fn run(arguments: &DriveArguments) -> Result<(), String> {
    if arguments.environment == Environment::Cleared {
        system::clear_environment();
    }
    system::open_log();
    let (real, effective) = arguments.uids;
    system::set_uids(real, effective).map_err(|error| format!("setting the uids: {error}"))?;
    match (arguments.fork, arguments.repeat) {
        (Some(count), _) => batch::fork(arguments, count, |report| println!("{report}")),
        (None, Some(count)) => batch::repeat(arguments, count).map(|report| println!("{report}")),
        (None, None) => {
            batch::one(arguments, &mut || {}).map(|report| println!("{}", Value::Object(report)))
        }
    }
}
