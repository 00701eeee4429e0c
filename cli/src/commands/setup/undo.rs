//! `setup --undo`: every file as it was before the first setup.

use std::path::Path;

use twofactor_core::log::event::CommandEvent;
use twofactor_core::policy;

use super::journal::{FileStanding, SetupJournal, SetupProgress};
use super::restore::FoundFile;
use super::setup_report::UndoReport;
use super::{diff, dropin, reload, replace, restore};
use crate::args::SetupArgs;
use crate::audit;
use crate::commands::change::{LockoutGuard, PolicyChange, PolicySetting};
use crate::context::Context;
use crate::doctor::preview::MachinePreview;
use crate::error::Failure;
use crate::interrupt;
use crate::policy_edit;

/// Runs it.
///
/// # Errors
/// A refusal where a file was edited since, and whatever keeps a file from being put back.
pub fn run(context: &Context, args: &SetupArgs) -> Result<(), Failure> {
    let state = context.state_path();
    let nothing = || {
        Failure::refused("there is nothing to take back: setup has changed nothing here")
            .next("To ask for no code: twofactor disable")
    };
    let mut journal = SetupJournal::load(state)?.ok_or_else(nothing)?;
    if args.forget {
        context
            .terminal
            .confirm("Forget what the files were before? They stay as they are.")?;
        return SetupJournal::remove(state);
    }
    if journal.progress == SetupProgress::Begun && !args.dry_run {
        interrupt::arm()?;
        restore::put_back(context, journal)?;
        let Some(earlier) = SetupJournal::load(state)? else {
            return context.write(&UndoReport::stopped());
        };
        journal = earlier;
    }
    let files = standing(context, &journal)?;
    let policy = policy_change(context, &journal)?;
    for FoundFile {
        texts: file,
        standing,
        ..
    } in &files
    {
        if *standing == FileStanding::After {
            let path = file.path.display().to_string();
            let diff = diff::unified(&path, Some(&file.after), file.original.as_deref());
            context.terminal.say(&diff)?;
        }
    }
    if let Some(policy) = &policy {
        context
            .terminal
            .say(&format!("\n{}", policy.announcement()))?;
    }
    if args.dry_run {
        return context.write(&UndoReport::planned(&journal));
    }
    context.terminal.confirm("Take the setup back?")?;
    interrupt::arm()?;
    // First of all no code is asked for any more.
    if let Some(policy) = policy {
        policy.commit(context)?;
    }
    let mut sshd = false;
    for FoundFile {
        texts: file,
        standing,
        ..
    } in files.iter().rev()
    {
        interrupt::check()?;
        replace::remove_leftover(&file.path)?;
        if *standing == FileStanding::After {
            restore::write(context, &file.path, &file.after, file.original.as_deref())?;
            sshd |= file.path == Path::new(dropin::PATH);
        }
    }
    if sshd {
        MachinePreview::look().test_sshd().map_err(|error| {
            Failure::refused(format!("sshd -t refuses its configuration: {error}"))
        })?;
        reload::reload()?;
    }
    SetupJournal::remove(state)?;
    audit::log(CommandEvent::SetupUndo, None, &[]);
    context.write(&UndoReport::done(&journal))
}

/// What stands in the files; the policy, which is changed all the time, is no reason to refuse.
fn standing<'a>(
    context: &Context,
    journal: &'a SetupJournal,
) -> Result<Vec<FoundFile<'a>>, Failure> {
    let mut files = Vec::new();
    for texts in &journal.files {
        if texts.path == context.policy_path() {
            continue;
        }
        let now = restore::read(context, &texts.path)?;
        let standing = match now.as_deref() {
            now if now == Some(texts.after.as_str()) => FileStanding::After,
            now if now == texts.original.as_deref() => FileStanding::Before,
            _ => FileStanding::Other,
        };
        files.push(FoundFile {
            texts,
            standing,
            now,
        });
    }
    restore::refuse_edited(context, &files)?;
    Ok(files)
}

/// The way back of the policy: its old text, or where it was changed since, the old switches in the new text.
fn policy_change(
    context: &Context,
    journal: &SetupJournal,
) -> Result<Option<PolicyChange>, Failure> {
    let ours = journal
        .files
        .iter()
        .find(|file| file.path == context.policy_path());
    let Some((file, original)) = ours.and_then(|file| Some((file, file.original.as_ref()?))) else {
        return Ok(None);
    };
    let Some(now) = restore::read(context, &file.path)? else {
        return Err(Failure::invalid("the policy is gone")
            .next("To make one, switched off: twofactor policy set enabled false"));
    };
    let settings = reversal(original, &file.after)?;
    let edited = if now == file.after {
        original.clone()
    } else {
        let mut edited = now.clone();
        for PolicySetting { key, value } in &settings {
            edited = policy_edit::set(&edited, key, value).map_err(Failure::invalid)?;
        }
        edited
    };
    let change = PolicyChange::of_texts(context, Some(now), edited, &settings, LockoutGuard::Off)?;
    Ok((!change.is_idle()).then_some(change))
}

/// The switches that setup has set, as they were.
fn reversal(original: &str, after: &str) -> Result<Vec<PolicySetting>, Failure> {
    let (before, after) = (
        policy::parse(original).map_err(Failure::invalid)?,
        policy::parse(after).map_err(Failure::invalid)?,
    );
    if !before.enabled {
        return Ok(vec![PolicySetting::new("enabled", "false")]);
    }
    let services = after.services.named.keys();
    let changed = services.filter(|name| before.service_on(name) != after.service_on(name));
    let mut settings: Vec<PolicySetting> = changed
        .map(|name| {
            let value = before.service_on(name).to_string();
            PolicySetting::new(crate::commands::switch::service_key(name), value)
        })
        .collect();
    if before.services.default != after.services.default {
        let value = before.services.default.to_string();
        settings.push(PolicySetting::new("services.default", value));
    }
    Ok(settings)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ON: &str = "enabled = true\n[services]\nsshd = true\n";

    #[test]
    fn what_was_off_goes_off() {
        assert_eq!(
            reversal("enabled = false\n", ON).unwrap(),
            [PolicySetting::new("enabled", "false")]
        );
    }

    #[test]
    fn what_was_on_stays_on_but_for_the_new_services() {
        let before = "enabled = true\n[services]\nsudo = true\n";
        let after = "enabled = true\n[services]\nsudo = true\nsshd = true\n";
        assert_eq!(
            reversal(before, after).unwrap(),
            [PolicySetting::new("services.sshd", "false")]
        );
    }
}
