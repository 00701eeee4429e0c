//! The program of `notify` gets the changes that this command has made, when its work is done and no lock is held.

use std::path::Path;

use twofactor_store::notification;

use crate::command_context::CommandContext;
use crate::command_log;
use crate::output::OutputFormat;
use crate::output_stream::OutputStream;

/// Runs the program once for each change. What fails is logged, and said in one line; the changes are made in any case.
pub fn deliver(context: &CommandContext) {
    let waiting = command_log::take_waiting();
    if waiting.is_empty() {
        return;
    }
    let program = match context.policy.load_if_present() {
        Ok(loaded) => loaded.and_then(|loaded| loaded.policy.notify),
        Err(error) => {
            let cause = format!("the policy does not tell the program: {error}");
            for message in &waiting {
                command_log::undelivered(message, &cause);
            }
            return say(context, &cause);
        }
    };
    let Some(program) = program else {
        return;
    };
    let mut first = None;
    // A program that hangs would hang for each of them.
    let mut lasting: Option<String> = None;
    for message in &waiting {
        if let Some(cause) = &lasting {
            command_log::undelivered(message, cause);
            continue;
        }
        if let Err(fault) = notification::run(Path::new(&program), &message.json()) {
            let cause = fault.to_string();
            command_log::undelivered(message, &cause);
            lasting = fault.is_lasting().then(|| cause.clone());
            first.get_or_insert(cause);
        }
    }
    if let Some(cause) = first {
        say(context, &cause);
    }
}

/// For people alone: programs read the log.
fn say(context: &CommandContext, cause: &str) {
    if context.format == OutputFormat::Text {
        // The log has it, too.
        let _ = OutputStream::Stderr.prose(&format!(
            "The change is made, but the program of notify did not get it: {cause}\n"
        ));
    }
}
