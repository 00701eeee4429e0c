//! The daemon: it answers users about their own factor, and judges codes for programs that run as the user.
//!
//! [`dispatch`] finds the answer to a message without I/O. [`file_factors`] uses the files of logins. [`fleet_service`] judges
//! codes with the store of a fleet, in a process of its own. [`connection`] and [`listener`] are the sockets, and [`admission`]
//! has the limits on connections.
//!
//! It is a library only so that `fuzz/` reaches the dispatch; `main.rs` is the program.
#![forbid(unsafe_code)]

mod admission;
mod arguments;
mod calling_process;
mod change_denial;
mod change_log;
mod change_proof;
mod change_relay;
mod connection;
mod connection_intake;
mod connection_memory;
mod connection_table;
mod daemon_log;
mod dispatch;
mod factor_access;
mod factor_report;
mod file_factors;
mod fleet_process;
mod fleet_service;
mod fleet_verdict;
#[cfg(feature = "fuzzing")]
#[doc(hidden)]
pub mod fuzzing;
mod line_limit;
mod listener;
mod notifier;
mod own_changes;
mod serve;
mod silent_connections;
mod state_push;
mod stderr_output;
mod stop_signal;
mod store_breaker;
mod store_link;
mod user_mutex;
mod worker;

use std::ffi::OsString;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use twofactor_store::FactorStore;
use twofactor_store::change_tickets::TicketStore;

use arguments::{DaemonAction, DaemonArguments, ServedInterface};
use file_factors::FileFactors;
use listener::SocketClients;
use stop_signal::StopSignal;

/// Runs the daemon with these words after its name, until it ends.
pub fn serve_as_told(words: impl IntoIterator<Item = OsString>) -> ExitCode {
    // The text of a panic may hold a secret; its connection ends.
    std::panic::set_hook(Box::new(|_| daemon_log::panicked()));
    match arguments::parse(words) {
        Ok(DaemonAction::Print(text)) => {
            let _ = rustix::io::write(rustix::stdio::stdout(), text.as_bytes());
            ExitCode::SUCCESS
        }
        Ok(DaemonAction::Serve(arguments)) => run(&arguments),
        Err(error) => fail(2, &error),
    }
}

fn run(arguments: &DaemonArguments) -> ExitCode {
    // Before any connection: from the first one on, what is asked is answered.
    let stop = match StopSignal::arm() {
        Ok(stop) => stop,
        Err(error) => return fail(4, &error),
    };
    let clients = match arguments.service {
        ServedInterface::Users => SocketClients::All,
        ServedInterface::Fleet => SocketClients::Root,
    };
    let listening = match listener::open(arguments.listen.as_deref(), clients) {
        Ok(listening) => listening,
        Err(error) => return fail(4, &error),
    };
    serve::raise_open_files();
    let (policy, state) = (arguments.policy.as_path(), arguments.state.as_path());
    let ended = match arguments.service {
        ServedInterface::Users => {
            remove_killed_changes(policy, state);
            let factors = FileFactors::new(policy, state, TicketStore::default());
            serve::until_idle(listening, arguments.idle, stop, Arc::new(factors))
        }
        ServedInterface::Fleet => match fleet_process::begin(policy, state) {
            Ok(process) => serve::until_stopped(listening, stop, process.service),
            Err(error) => return fail(4, &error),
        },
    };
    daemon_log::finish();
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => fail(4, &error),
    }
}

/// Removes what the daemon before this one left if it was killed. No caller waits for that, and what cannot be used is told to callers.
fn remove_killed_changes(policy: &Path, state: &Path) {
    let (policy, state) = (policy.to_owned(), state.to_owned());
    let _ = std::thread::Builder::new().spawn(move || {
        let store = FactorStore::open(&state, &policy);
        store.and_then(|store| store.remove_killed_changes())
    });
}

fn fail(code: u8, error: &dyn std::fmt::Display) -> ExitCode {
    daemon_log::line(daemon_log::LogLevel::Error, &format!("twofactord: {error}"));
    ExitCode::from(code)
}
