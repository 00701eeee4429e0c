//! `setup`: from an installed package to logins with a code, and back.
//!
//! `setup_plan` finds out what to change, `stack_edit` and `dropin` know the texts, `journal` notes them before the first change,
//! `restore` puts them back, `trial` tries the result.

mod diff;
mod dropin;
pub mod journal;
mod profile;
mod reload;
mod replace;
mod restore;
mod setup_plan;
mod setup_report;
mod stack_edit;
mod trial;
mod undo;

use twofactor_core::log::event::CommandEvent;
use twofactor_core::policy::DEFAULT_POLICY;
use twofactor_core::{POLICY_FILE, STATE_DIR};
use twofactor_store::Disagreement;

use crate::args::SetupArgs;
use crate::audit;
use crate::commands::change::{LockoutGuard, PolicyChange, PolicySetting};
use crate::commands::switch;
use crate::context::Context;
use crate::doctor::preview::{ChangedTexts, MachinePreview, StackVerdict};
use crate::error::Failure;
use crate::interrupt;
use crate::output::OutputFormat;
use journal::{FileChange, SetupJournal, SetupProgress};
use reload::SshdReload;
use setup_plan::{SetupPlan, SetupReach, SetupScope};
use setup_report::SetupReport;

/// Runs it.
///
/// # Errors
/// Whatever keeps it from being done; then everything is as it was before.
pub fn run(context: &Context, args: &SetupArgs) -> Result<(), Failure> {
    if context.policy_path().as_os_str() != POLICY_FILE
        || context.state_path().as_os_str() != STATE_DIR
    {
        return Err(
            Failure::usage("setup works with the usual policy and state directory only")
                .next("For others, see the arguments policy= and state= in pam_twofactor(8)."),
        );
    }
    if args.undo {
        return undo::run(context, args);
    }
    let user = match &args.user {
        Some(user) => context.account(user)?.name,
        None => switch::caller()?.unwrap_or_else(|| "root".to_owned()),
    };
    if args.dry_run {
        let (plan, policy) = prepare(context, args, &user)?;
        show(context, &plan, &policy)?;
        return context.write(&SetupReport::planned(&plan, &policy));
    }
    make_ready(context)?;
    if !switch::has_device(context, &user)? && context.format == OutputFormat::Text {
        switch::offer_device(context, &user)?;
    }
    let (plan, policy) = prepare(context, args, &user)?;
    if plan.changes.is_empty() && policy.is_idle() {
        return context.write(&SetupReport::idle(&plan, &policy));
    }
    show(context, &plan, &policy)?;
    policy.refuse_dangers()?;
    context.terminal.confirm(
        "Make these changes? Keep a root shell open until a login in a second terminal has worked.",
    )?;
    let (journal, reloaded) = apply(context, &plan, &policy, &user)?;
    context.write(&SetupReport::done(&plan, &policy, reloaded))?;
    if context.format == OutputFormat::Json || context.terminal.is_confirmed() {
        return Ok(());
    }
    trial::run(context, &plan, &user, &journal)
}

/// What is there on every machine with the package: a marked state directory, and a policy. And nothing is left of a setup
/// that was stopped.
fn make_ready(context: &Context) -> Result<(), Failure> {
    let (store, _) = context.initialize(Disagreement::Refuse)?;
    if let Some(journal) = SetupJournal::load(context.state_path())?
        && journal.progress == SetupProgress::Begun
    {
        context
            .terminal
            .say("An earlier setup was stopped half-way. It is put back first.\n")?;
        restore::put_back(context, journal)?;
    }
    match context.policy.text() {
        Err(error) if error.is_missing() => context.policy.edit(Some(&store), |_| {
            Ok::<_, Failure>(DEFAULT_POLICY.to_owned())
        }),
        other => Ok(_ = other?),
    }
}

fn prepare(
    context: &Context,
    args: &SetupArgs,
    user: &str,
) -> Result<(SetupPlan, PolicyChange), Failure> {
    let preview = MachinePreview::look();
    let reach = if args.everywhere {
        SetupReach::Everywhere
    } else {
        SetupReach::Services
    };
    let scope = SetupScope {
        services: &args.services,
        reach,
        user,
    };
    let plan = SetupPlan::of(&preview, scope)?;
    let mut settings = vec![PolicySetting::new("enabled", "true")];
    if reach == SetupReach::Everywhere {
        settings.push(PolicySetting::new("services.default", "true"));
    }
    settings.extend(switch::switches(&args.services, "true"));
    let policy = PolicyChange::of_settings(context, &settings, LockoutGuard::new(&args.force))?;
    Ok((plan, policy))
}

/// Every change as a difference, and what it means for whom.
fn show(context: &Context, plan: &SetupPlan, policy: &PolicyChange) -> Result<(), Failure> {
    let terminal = &context.terminal;
    for change in &plan.changes {
        let path = change.path.display().to_string();
        let before = change.before.as_deref();
        terminal.say(&diff::unified(&path, before, Some(&change.after)))?;
    }
    if !policy.is_idle() {
        let path = context.policy_path().display().to_string();
        terminal.say(&diff::unified(&path, policy.text(), Some(policy.edited())))?;
        terminal.say(&format!("\n{}", policy.announcement()))?;
    }
    for note in &plan.notes {
        terminal.say(&format!("Note: {note}.\n"))?;
    }
    for danger in policy.dangers() {
        terminal.say(&format!("Danger: {danger}.\n"))?;
    }
    Ok(())
}

/// Makes the changes; puts everything back when one of them fails, or a signal comes.
fn apply(
    context: &Context,
    plan: &SetupPlan,
    policy: &PolicyChange,
    user: &str,
) -> Result<(SetupJournal, Option<SshdReload>), Failure> {
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
                Ok(()) => Ok((journal, reloaded)),
                Err(failure) => Err(restore::after(context, journal, failure)),
            }
        }
        Err(failure) => Err(restore::after(context, journal, failure)),
    }
}

/// The policy comes last: until then the module asks for nothing.
fn make(
    context: &Context,
    plan: &SetupPlan,
    policy: &PolicyChange,
    user: &str,
) -> Result<Option<SshdReload>, Failure> {
    for change in &plan.changes {
        interrupt::check()?;
        replace::write(&change.path, change.before.as_deref(), &change.after)?;
    }
    check(plan, user)?;
    interrupt::check()?;
    if !policy.is_idle() {
        policy.commit(context)?;
    }
    interrupt::check()?;
    let reloaded = if plan.changes_sshd() {
        Some(reload::reload()?)
    } else {
        None
    };
    audit::log(
        CommandEvent::Setup,
        None,
        &[("services", &plan.services.join(","))],
    );
    Ok(reloaded)
}

/// What was written, as libpam and sshd read it.
fn check(plan: &SetupPlan, user: &str) -> Result<(), Failure> {
    let preview = MachinePreview::look();
    let written = ChangedTexts::new();
    for service in &plan.services {
        if let StackVerdict::Unsound(why) = preview.judge(&written, service) {
            return Err(Failure::refused(why));
        }
    }
    if plan.changes_sshd() {
        preview.test_sshd().map_err(|error| {
            Failure::refused(format!("sshd -t refuses its configuration: {error}"))
        })?;
        let problems = preview.sshd_problems(&written, user).map_err(|error| {
            Failure::refused(format!("sshd does not tell its settings: {error}"))
        })?;
        if !problems.is_empty() {
            let causes: Vec<String> = problems.into_iter().map(|one| one.cause).collect();
            return Err(setup_plan::overruled(&causes.join("; ")));
        }
    }
    Ok(())
}
