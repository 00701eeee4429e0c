//! `policy edit`: the policy in an editor, checked before it takes the place of the one in use, as visudo(8) does it.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;
use std::process::{Command, ExitStatus as ProcessEnd};

use twofactor_core::policy::{self, DEFAULT_POLICY};

use super::policy::{draft_text, setting_difference};
use super::policy_change::{DangerDecision, PolicyChange, PolicySetting, current_text};
use crate::args::PolicyEditArgs;
use crate::command_context::CommandContext;
use crate::command_failure::{CommandFailure, ExitStatus};
use crate::failure_kind::FailureKind;
use crate::interrupt;
use crate::private_copy::PrivateCopy;

/// Variables in which editors are named, the first that is set counts.
const VARIABLES: [&str; 3] = ["SUDO_EDITOR", "VISUAL", "EDITOR"];
/// Exit codes of shells for a program that a signal has ended begin here.
const SIGNALLED: i32 = 128;
/// Editors where none is named, the first that is there.
const EDITORS: [&str; 4] = ["/usr/bin/editor", "/usr/bin/nano", "/usr/bin/vi", "/bin/vi"];

/// Runs it. The policy in use stays as it is until a valid one was confirmed.
pub fn run(context: &CommandContext, args: &PolicyEditArgs) -> Result<(), CommandFailure> {
    let danger = DangerDecision::new(&args.force);
    let text = current_text(context)?;
    let begin = text.as_deref().unwrap_or(DEFAULT_POLICY);
    let copy = PrivateCopy::new("twofactor.toml", begin)?;
    // The editor gets the same keys and signals, and what was typed there must not go with this program.
    interrupt::arm()?;
    // A terminal that is hung up is none any more.
    let on_terminal = context.terminal.is_interactive();
    loop {
        let ended = edit(copy.path())?;
        interrupt::forget_keys();
        if !ended.success() {
            let failure = failed(ended);
            // One that ends itself so was told to discard the text, as by `:cq` of vim. But where the connection is lost, vim and nano
            // save what they have beside the file, and end in the same way.
            let ended_itself = ended.code().is_some_and(|code| code < SIGNALLED);
            let is_lost = interrupt::was_signalled() || (on_terminal && interrupt::is_hung_up());
            let is_discarded = ended_itself && !is_lost;
            return Err(if is_discarded {
                failure
            } else {
                keeping(copy, begin, failure)
            });
        }
        let done = draft_text(copy.path())
            .and_then(|edited| prepared(context, text.clone(), edited, danger));
        let failure = match done {
            Ok(change) if change.is_idle() => return context.write(&change.into_unchanged()),
            Ok(mut change) => {
                // With `--yes` no question was there to end.
                if let Err(failure) = interrupt::check().and_then(|()| change.commit(context)) {
                    // Perhaps because of another change.
                    return Err(keeping(copy, begin, failure));
                }
                return context.write(&change.into_report());
            }
            Err(failure) => failure,
        };
        let again = matches!(failure.exit, ExitStatus::Refused | ExitStatus::Invalid)
            && failure.kind != FailureKind::Interrupted;
        if !again || !context.terminal.is_interactive() {
            return Err(keeping(copy, begin, failure));
        }
        context.terminal.prose(&format!("{failure}\n"))?;
        match asks_for_more(context) {
            Ok(true) => {}
            Ok(false) => {
                return Err(
                    CommandFailure::refused("nothing was changed").of_kind(FailureKind::Cancelled)
                );
            }
            Err(failure) => return Err(keeping(copy, begin, failure)),
        }
    }
}

/// The failure, where the text that was typed is not lost by it. Nothing is kept where none was typed.
fn keeping(mut copy: PrivateCopy, begin: &str, failure: CommandFailure) -> CommandFailure {
    let is_unchanged = copy.is_text(begin);
    if is_unchanged && copy.is_alone() {
        return failure;
    }
    let next = failure
        .next
        .clone()
        .map_or_else(String::new, |next| format!("{next}\n"));
    copy.keep();
    let told = if is_unchanged {
        // Such as twofactor.toml.save, or the swap file of vim: what was typed is in that.
        let directory = copy.directory().display();
        format!("What the editor saved is kept in: {directory}/")
    } else {
        format!("Your version is kept: {}", copy.path().display())
    };
    failure.next(format!("{next}{told}"))
}

/// The change that the edited text makes, announced and confirmed, unless it is idle.
fn prepared(
    context: &CommandContext,
    text: Option<String>,
    edited: String,
    danger: DangerDecision,
) -> Result<PolicyChange, CommandFailure> {
    let after = policy::parse(&edited).map_err(|error| {
        CommandFailure::invalid(format!("the policy is not valid: {error}"))
            .of_kind(FailureKind::InvalidPolicy)
            .next("The policy in use was not changed.")
    })?;
    let before = policy::parse(text.as_deref().unwrap_or(DEFAULT_POLICY)).ok();
    let settings: Vec<PolicySetting> = setting_difference::differences(before.as_ref(), &after)
        .into_iter()
        .map(|change| PolicySetting::new(change.key, change.value.to_string()))
        .collect();
    let mut change = PolicyChange::of_texts(context, text, edited, &settings, danger)?;
    if change.is_idle() {
        return Ok(change);
    }
    change.look_at_logins(context);
    change.confirm(context)?;
    Ok(change)
}

/// The question what to do with a text that cannot be taken. There is no answer that takes it all the same.
///
/// # Errors
/// Without an answer, and when none can be read.
fn asks_for_more(context: &CommandContext) -> Result<bool, CommandFailure> {
    loop {
        let question = "What now? (e)dit again, (x) discard the changes: ";
        let Some(answer) = context.terminal.ask(question)? else {
            return Err(
                CommandFailure::refused("nothing was changed").of_kind(FailureKind::Cancelled)
            );
        };
        match answer.trim() {
            "e" | "E" => return Ok(true),
            "x" | "X" => return Ok(false),
            _ => {}
        }
    }
}

/// Runs the editor, and waits for its end.
fn edit(file: &Path) -> Result<ProcessEnd, CommandFailure> {
    let words = editor()?;
    let (program, options) = words
        .split_first()
        .ok_or_else(|| CommandFailure::system("no editor was found"))?;
    let shown = Path::new(program).display();
    Command::new(program)
        .args(options)
        .arg(file)
        .status()
        .map_err(|error| {
            CommandFailure::system(format!("the editor {shown} cannot be started: {error}"))
                .next("Nothing was changed. Editors are named by SUDO_EDITOR, VISUAL or EDITOR.")
        })
}

fn failed(ended: ProcessEnd) -> CommandFailure {
    CommandFailure::system(format!("the editor failed: {ended}")).next("Nothing was changed.")
}

/// The editor's program and options.
#[allow(
    clippy::disallowed_methods,
    reason = "root's environment names the editor"
)]
fn editor() -> Result<Vec<OsString>, CommandFailure> {
    let named = VARIABLES.iter().filter_map(std::env::var_os);
    if let Some(words) = named
        .map(|value| words(&value))
        .find(|words| !words.is_empty())
    {
        return Ok(words);
    }
    let found = EDITORS.iter().find(|path| Path::new(path).exists());
    found.map(|path| vec![OsString::from(path)]).ok_or_else(|| {
        CommandFailure::system("no editor was found")
            .next("Nothing was changed. Name one by EDITOR, or use: twofactor policy set KEY VALUE")
    })
}

/// The words of an editor with options, such as `vim -u NONE`. No shell reads them.
fn words(value: &OsStr) -> Vec<OsString> {
    let parts = value.as_bytes().split(|byte| byte.is_ascii_whitespace());
    let parts = parts.filter(|part| !part.is_empty());
    parts
        .map(|part| OsStr::from_bytes(part).to_owned())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_editor_may_have_options() {
        assert_eq!(words(OsStr::new(" vim -u  NONE ")), ["vim", "-u", "NONE"]);
        assert_eq!(words(OsStr::new(" ")), [""; 0]);
    }
}
