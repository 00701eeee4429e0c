//! `setup`: from an installed package to logins with a code, and back.
//!
//! `setup_plan` finds out what to change, `stack_edit` and `sshd_dropin` know the texts, `setup_journal` notes them before the first change,
//! `restored_files` puts them back, `trial_login` tries the result.

mod config_files;
mod pam_profile;
mod policy_before_setup;
mod policy_reversal;
mod restored_files;
pub mod setup_journal;
mod setup_lock;
mod setup_plan;
mod setup_report;
mod setup_undo;
mod shown_changes;
mod sshd_dropin;
mod sshd_reload;
mod stack_edit;
mod supported_system;
mod trial_login;
mod undo_plan;
mod unified_diff;

use twofactor_core::log::event::CommandEvent;
use twofactor_core::policy::DEFAULT_POLICY;
use twofactor_core::{POLICY_FILE, STATE_DIR};
use twofactor_store::MarkDisagreement;
use twofactor_store::files::LockWait;

use crate::args::SetupArgs;
use crate::command_context::CommandContext;
use crate::command_failure::CommandFailure;
use crate::command_log;
use crate::commands::enable_disable;
use crate::commands::policy_change::{DangerDecision, PolicyChange, PolicySetting, policy_with};
use crate::doctor;
use crate::doctor::stack_preview::{ChangedTexts, MachinePreview, StackVerdict};
use crate::failure_kind::FailureKind;
use crate::interrupt;
use crate::output::OutputFormat;
use restored_files::PutBack;
use setup_journal::{FileChange, SetupJournal, SetupProgress};
use setup_lock::SetupLock;
use setup_plan::{SetupPlan, SetupReach, SetupScope};
use setup_report::SetupReport;
use sshd_reload::SshdReload;

/// Runs it.
///
/// # Errors
/// The reason why it was not done. All files are as they were before.
pub fn run(context: &CommandContext, args: &SetupArgs) -> Result<(), CommandFailure> {
    if context.policy_path().as_os_str() != POLICY_FILE
        || context.state_path().as_os_str() != STATE_DIR
    {
        return Err(CommandFailure::usage(
            "setup works with the usual policy and state directory only",
        )
        .next("For others, see the arguments policy= and state= in pam_twofactor(8)."));
    }
    // A dry run changes nothing and needs no lock.
    let _lock = (!args.dry_run).then(SetupLock::take).transpose()?;
    if args.undo {
        return setup_undo::run(context, args);
    }
    let user = trial_login::user(context, args)?;
    let stopped = put_back_stopped(context, args)?;
    let preview = MachinePreview::look();
    let plan = noted_plan(context, args, (&preview, &user), stopped)?;
    if !args.dry_run {
        make_ready(context, &preview)?;
        if !enable_disable::has_device(context, &user)? && context.format == OutputFormat::Text {
            enable_disable::offer_device(context, &user)?;
        }
    }
    let mut policy = policy_change(context, args)?;
    let planned = MachinePreview::of(plan.machine(&preview));
    let newly_asking = plan.newly_asking(&preview, &planned);
    policy.look_at_plan(context, preview.system(), planned.system(), &newly_asking);
    policy.add_dangers(&plan.dangers);
    if args.dry_run {
        show(context, &plan, &policy)?;
        return context.write(&SetupReport::planned(&plan, &policy));
    }
    if plan.changes.is_empty() && policy.is_idle() {
        return context.write(&SetupReport::idle(&plan, &policy));
    }
    show(context, &plan, &policy)?;
    policy.refuse_dangers()?;
    context.terminal.confirm(
        "Make these changes? Keep a root shell open until a login in a second terminal has worked.",
    )?;
    // PAM lines alone can shut users out as well as a policy.
    policy.look_again()?;
    if policy.text().is_none() {
        make_policy(context)?;
        policy.begin_with_default();
    }
    let reloaded = apply(context, &plan, &mut policy, &user)?;
    if let Err(failure) = context.write(&SetupReport::done(&plan, &policy, reloaded)) {
        // Of a change that is not told no login is tried either, so that it does not stay.
        let what = format!("the report cannot be written: {}", failure.what);
        return Err(restored_files::after(context, CommandFailure::system(what)));
    }
    if context.format == OutputFormat::Json || context.terminal.is_confirmed() {
        return Ok(());
    }
    trial_login::run(context, &plan, &user)
}

/// The plan with its notes: an earlier setup that is undone first, other lines that ask for a code, a state directory that is missing.
fn noted_plan(
    context: &CommandContext,
    args: &SetupArgs,
    (preview, user): (&MachinePreview, &str),
    stopped: Option<String>,
) -> Result<SetupPlan, CommandFailure> {
    let mut plan = plan(context, args, preview, user)?;
    plan.notes.extend(stopped);
    let lines = doctor::other_code_lines(preview.system(), &plan.services);
    plan.notes.extend(lines.iter().map(|line| {
        format!("{line} asks for a code, too. Remove that line once logins with the new code work")
    }));
    if args.dry_run && context.store()?.is_none() {
        plan.notes.push(
            "there is no state directory yet: setup makes it, and shows then which users are asked"
                .to_owned(),
        );
    }
    Ok(plan)
}

/// Restores the files of an interrupted setup. A dry run only notes it.
fn put_back_stopped(
    context: &CommandContext,
    args: &SetupArgs,
) -> Result<Option<String>, CommandFailure> {
    let journal = SetupJournal::load(context.state_path())?;
    if journal.is_none_or(|journal| journal.progress == SetupProgress::Done) {
        return Ok(None);
    }
    let stopped = PutBack::prepare(context)?;
    stopped.show(context)?;
    if args.dry_run {
        return Ok(Some(
            "an earlier setup was interrupted, and is undone first; what is shown here begins with the files as they are now"
                .to_owned(),
        ));
    }
    stopped.confirm_and_make(context)?;
    Ok(None)
}

/// Makes and marks a state directory where there never was one. Where it or the policy is missing and logins are refused,
/// making them would let users in without a code: only an explicit command may do that.
fn make_ready(context: &CommandContext, preview: &MachinePreview) -> Result<(), CommandFailure> {
    let used = preview.used();
    let loaded = context.policy.load_if_present()?;
    match loaded {
        None if !used.is_empty() => {
            return Err(CommandFailure::refused(format!(
                "there is no policy, so that logins are refused where PAM files name the module ({})",
                used.join(", ")
            ))
            .next("Restore it. To make one that asks for no code: twofactor policy set enabled false"));
        }
        Some(loaded) if !used.is_empty() => {
            if let Some(failure) = context.missing_store(&loaded.policy)? {
                return Err(failure);
            }
        }
        _ => {}
    }
    context.initialize(MarkDisagreement::Refuse)?;
    Ok(())
}

/// Puts the default policy, which asks for no code, where there is none.
fn make_policy(context: &CommandContext) -> Result<(), CommandFailure> {
    let store = context.existing_store()?;
    context
        .policy
        .edit((Some(&store), LockWait::Short), |now| match now {
            None => Ok(DEFAULT_POLICY.to_owned()),
            Some(_) => Err(
                CommandFailure::refused("the policy was changed meanwhile; try again")
                    .of_kind(FailureKind::ChangedMeanwhile),
            ),
        })
        .map(|_| ())
}

fn plan(
    context: &CommandContext,
    args: &SetupArgs,
    preview: &MachinePreview,
    user: &str,
) -> Result<SetupPlan, CommandFailure> {
    let scope = SetupScope {
        services: &args.services,
        reach: reach(args),
        user,
        policy: &policy_with(context, &settings(args))?,
    };
    SetupPlan::of(preview, scope)
}

fn policy_change(
    context: &CommandContext,
    args: &SetupArgs,
) -> Result<PolicyChange, CommandFailure> {
    // Without a state directory no user has a device, and a dry run makes none.
    let danger = if args.dry_run && context.store()?.is_none() {
        DangerDecision::Unchecked
    } else {
        DangerDecision::new(&args.force)
    };
    PolicyChange::of_settings(context, &settings(args), danger)
}

const fn reach(args: &SetupArgs) -> SetupReach {
    if args.everywhere {
        SetupReach::Everywhere
    } else {
        SetupReach::Services
    }
}

fn settings(args: &SetupArgs) -> Vec<PolicySetting> {
    let mut settings = vec![PolicySetting::new("enabled", "true")];
    if args.everywhere {
        settings.push(PolicySetting::new("services.default", "true"));
    }
    settings.extend(enable_disable::switches(&args.services, "true"));
    settings
}

/// Shows each change as a diff, and the effect on users.
fn show(
    context: &CommandContext,
    plan: &SetupPlan,
    policy: &PolicyChange,
) -> Result<(), CommandFailure> {
    let terminal = &context.terminal;
    for change in &plan.changes {
        let texts = (change.before.as_deref(), Some(change.after.as_str()));
        shown_changes::show_file(context, &change.path, texts)?;
    }
    if policy.is_idle() {
        for warning in policy.warnings() {
            terminal.prose(&format!("Warning: {warning}\n"))?;
        }
    } else {
        shown_changes::show_policy(context, policy)?;
    }
    // The differences may have scrolled away.
    let files = plan.changes.iter().map(|change| change.path.display());
    let files: Vec<String> = files.map(|path| path.to_string()).collect();
    if !files.is_empty() {
        terminal.prose(&format!("Other files: {}\n", files.join(", ")))?;
    }
    for note in &plan.notes {
        terminal.prose(&format!("Note: {note}.\n"))?;
    }
    for danger in policy.dangers() {
        terminal.prose(&format!("Danger: {danger}.\n"))?;
    }
    Ok(())
}

/// Makes the changes. Restores all files when one fails or a signal arrives.
fn apply(
    context: &CommandContext,
    plan: &SetupPlan,
    policy: &mut PolicyChange,
    user: &str,
) -> Result<Option<SshdReload>, CommandFailure> {
    let mut changes = plan.changes.clone();
    if !policy.is_idle() {
        changes.push(FileChange {
            path: context.policy_path().to_owned(),
            before: policy.text().map(str::to_owned),
            after: policy.edited().to_owned(),
        });
    }
    let earlier = SetupJournal::load(context.state_path())?;
    let mut journal = SetupJournal::begin(earlier.as_ref(), &changes)?;
    interrupt::arm()?;
    journal.save(context.state_path())?;
    match make(context, plan, policy, user) {
        Ok(reloaded) => {
            journal.progress = SetupProgress::Done;
            match journal.save(context.state_path()) {
                Ok(()) => Ok(reloaded),
                Err(failure) => Err(restored_files::after(context, failure)),
            }
        }
        Err(failure) => Err(restored_files::after(context, failure)),
    }
}

/// The policy comes last: until then the module asks for nothing.
fn make(
    context: &CommandContext,
    plan: &SetupPlan,
    policy: &mut PolicyChange,
    user: &str,
) -> Result<Option<SshdReload>, CommandFailure> {
    for change in &plan.changes {
        interrupt::check()?;
        config_files::write(&change.path, change.before.as_deref(), &change.after)?;
    }
    check(plan, user)?;
    interrupt::check()?;
    if !policy.is_idle() {
        policy.commit(context)?;
    }
    interrupt::check()?;
    let reloaded = if plan.changes_sshd() {
        Some(sshd_reload::reload()?)
    } else {
        None
    };
    command_log::log(
        CommandEvent::Setup,
        None,
        &[("services", &plan.services.join(","))],
    );
    Ok(reloaded)
}

/// Checks the written files as libpam and sshd read them.
fn check(plan: &SetupPlan, user: &str) -> Result<(), CommandFailure> {
    let preview = MachinePreview::look();
    let written = ChangedTexts::new();
    for service in plan.services.iter().chain(&plan.shared) {
        if let StackVerdict::Unsound(why) = preview.judge(&written, service) {
            return Err(CommandFailure::refused(why));
        }
    }
    if plan.changes_sshd() {
        preview.test_sshd().map_err(|error| {
            CommandFailure::refused(format!("sshd -t refuses its configuration: {error}"))
        })?;
        let problems = preview
            .sshd_problems(&written, user)
            .map_err(|error| setup_plan::silent_sshd(&error))?;
        if !problems.is_empty() {
            let causes: Vec<String> = problems.into_iter().map(|one| one.cause).collect();
            return Err(setup_plan::overruled(&causes.join("; ")));
        }
    }
    Ok(())
}
