//! A change of the policy: announced, refused when it locks people out, confirmed, and made.

use std::collections::BTreeSet;
use std::path::PathBuf;

use serde::Serialize;
use toml_edit::Key;
use twofactor_core::log::event::CommandEvent;
use twofactor_core::policy::{self, DEFAULT_POLICY, Policy};
use twofactor_store::Store;
use twofactor_store::sys::clock::{self, Synchronization};
use zeroize::Zeroizing;

use crate::audit;
use crate::context::Context;
use crate::doctor::effect::PlannedChange;
use crate::doctor::{self, InstalledSystem, effect};
use crate::error::Failure;
use crate::exempt_names::{self, IdleName};
use crate::impact::{self, PolicyImpact, users};
use crate::output::Report;
use crate::policy_edit::{self, PolicyEditError};
use crate::suggest;

/// A key and its new value, as `policy set` takes them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PolicySetting {
    /// The key, with dots.
    pub key: String,
    /// The value, as typed.
    pub value: String,
}

impl PolicySetting {
    /// Sets `key` to `value`.
    pub fn new(key: impl Into<String>, value: impl Into<String>) -> Self {
        Self {
            key: key.into(),
            value: value.into(),
        }
    }

    /// The service that it switches, however the key is spelled (`services . "sshd"`).
    fn service(&self) -> Option<String> {
        match Key::parse(&self.key).ok()?.as_slice() {
            [table, service] if table.get() == "services" => Some(service.get().to_owned()),
            _ => None,
        }
    }
}

/// Treatment of a change that locks people out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LockoutGuard {
    /// It is refused.
    Refuse,
    /// It is made.
    Accept,
    /// There is none, since it only switches off: it is made whatever the state directory and its files are, and none of
    /// them is read. Nor is the user database, which may not answer.
    Off,
}

impl LockoutGuard {
    /// Reads `--force`.
    pub const fn new(force: &bool) -> Self {
        if *force { Self::Accept } else { Self::Refuse }
    }
}

/// Announces a change, has it confirmed, and makes it.
pub fn change(
    context: &Context,
    settings: &[PolicySetting],
    danger: LockoutGuard,
) -> Result<PolicyChangeReport, Failure> {
    let mut prepared = PolicyChange::of_settings(context, settings, danger)?;
    if prepared.is_idle() {
        return Ok(prepared.made);
    }
    prepared.look_at_logins(context);
    context.terminal.say(&prepared.announcement())?;
    prepared.refuse_dangers()?;
    context.terminal.confirm(prepared.question())?;
    prepared.commit(context)?;
    Ok(prepared.made)
}

/// A change of the policy that is not made yet.
pub struct PolicyChange {
    text: Option<String>,
    edited: String,
    before: Option<Policy>,
    after: Policy,
    settings: Vec<PolicySetting>,
    /// The services that it names or switches.
    services: BTreeSet<String>,
    danger: LockoutGuard,
    store: Option<Store>,
    /// The services whose PAM files name the module, where that was looked at.
    used: Vec<String>,
    cures: Vec<String>,
    made: PolicyChangeReport,
}

impl PolicyChange {
    /// A change of settings.
    ///
    /// # Errors
    /// When the policy or the state directory cannot be read, or a setting is not allowed.
    pub fn of_settings(
        context: &Context,
        settings: &[PolicySetting],
        danger: LockoutGuard,
    ) -> Result<Self, Failure> {
        let text = current_text(context)?;
        let edited = with_settings(context, text.as_deref(), settings)?;
        Self::of_texts(context, text, edited, settings, danger)
    }

    /// A change from the text that is there (`None`: no file) to another one, which is a valid policy. `settings` are what
    /// is announced and logged.
    ///
    /// # Errors
    /// When the new text is no valid policy, or the state directory cannot be read.
    pub fn of_texts(
        context: &Context,
        text: Option<String>,
        edited: String,
        settings: &[PolicySetting],
        danger: LockoutGuard,
    ) -> Result<Self, Failure> {
        let before = policy::parse(text.as_deref().unwrap_or(DEFAULT_POLICY)).ok();
        let after = policy::parse(&edited).map_err(Failure::invalid)?;
        let store = store_for(context, danger, &after)?;
        let impact = assess(store.as_ref(), before.as_ref(), &after, danger)?;
        let services = switched_services(before.as_ref(), &after, settings);
        let mut made = PolicyChangeReport::new(context, &after, impact);
        if text.as_deref() != Some(edited.as_str()) {
            made.changed = settings.to_vec();
            let unknown = unknown_services(&after, &services);
            made.impact.dangers.extend(unknown);
            let named = |service: &str| services.contains(service);
            let refusing = doctor::refusing_programs(before.as_ref(), &after, &named);
            made.impact.warnings.extend(refusing);
        }
        Ok(Self {
            text,
            edited,
            before,
            after,
            settings: settings.to_vec(),
            services,
            danger,
            store,
            used: Vec::new(),
            cures: Vec::new(),
            made,
        })
    }

    /// Adds what PAM files and sshd's settings make of it. Switching off needs none of that, and must not depend on it.
    pub fn look_at_logins(&mut self, context: &Context) {
        if self.danger == LockoutGuard::Off {
            return;
        }
        let services = &self.services;
        let named = |service: &str| services.contains(service);
        let effect = effect::of_change(context, self.before.as_ref(), &self.after, &named);
        self.used = effect.used;
        self.cures = effect.cures;
        self.made.impact.warnings.extend(effect.warnings);
        self.made.impact.dangers.extend(effect.dangers);
    }

    /// Adds what becomes of logins with planned PAM files and settings of sshd.
    pub fn look_at_plan(
        &mut self,
        context: &Context,
        system: &InstalledSystem,
        planned: &InstalledSystem,
    ) {
        let services = &self.services;
        let named = |service: &str| services.contains(service);
        let change = PlannedChange {
            system,
            planned,
            before: self.before.as_ref(),
            after: &self.after,
        };
        let effect = effect::of_plan(context, &change, &named);
        self.used = effect.used;
        self.cures = effect.cures;
        let refusing = doctor::newly_refusing_programs(&change, &named);
        for warning in effect.warnings.into_iter().chain(refusing) {
            if !self.made.impact.warnings.contains(&warning) {
                self.made.impact.warnings.push(warning);
            }
        }
        self.made.impact.dangers.extend(effect.dangers);
    }

    /// Adds something that locks users out.
    pub fn add_dangers(&mut self, dangers: &[String]) {
        self.made.impact.dangers.extend_from_slice(dangers);
    }

    /// What to think about.
    pub fn warnings(&self) -> &[String] {
        &self.made.impact.warnings
    }

    /// True if the file has the new text already.
    pub fn is_idle(&self) -> bool {
        self.text.as_deref() == Some(self.edited.as_str())
    }

    /// The text that is replaced; `None` where there is no file.
    pub fn text(&self) -> Option<&str> {
        self.text.as_deref()
    }

    /// The new text.
    pub fn edited(&self) -> &str {
        &self.edited
    }

    /// The change, and what it means for which users.
    pub fn announcement(&self) -> String {
        announcement(&self.made, &self.after, &self.used)
    }

    /// Reasons for which the change would lock people out.
    pub fn dangers(&self) -> &[String] {
        &self.made.impact.dangers
    }

    /// Refuses a change that locks people out, unless that was accepted.
    ///
    /// # Errors
    /// A refusal that names what would happen.
    pub fn refuse_dangers(&self) -> Result<(), Failure> {
        let dangers = self.dangers();
        if self.danger != LockoutGuard::Refuse || dangers.is_empty() {
            return Ok(());
        }
        let mut steps = String::new();
        for cure in &self.cures {
            steps.push_str(&format!("{cure}\n"));
        }
        if self.made.impact.needs_device() {
            steps.push_str(
                "Enroll a device and try it first: twofactor enroll USER, twofactor verify USER\n",
            );
        }
        steps.push_str("To proceed despite this: --force");
        Err(Failure::refused(format!("not done: {}", dangers.join("; "))).next(steps))
    }

    /// The report of the change.
    pub fn report(&self) -> &PolicyChangeReport {
        &self.made
    }

    /// The question that is asked before it is made.
    pub fn question(&self) -> &'static str {
        question(self.before.as_ref(), &self.after)
    }

    /// Makes it, and logs it.
    ///
    /// # Errors
    /// A refusal when another text stands there by now; a system error when it cannot be written.
    pub fn commit(&self, context: &Context) -> Result<(), Failure> {
        context
            .policy
            .edit(self.store.as_ref(), |now: Option<&str>| {
                if now == self.text.as_deref() {
                    Ok(self.edited.clone())
                } else {
                    Err(Failure::refused(
                        "the policy was changed meanwhile; try again",
                    ))
                }
            })?;
        for PolicySetting { key, value } in &self.settings {
            audit::log(
                CommandEvent::Policy,
                None,
                &[("key", key), ("value", value)],
            );
        }
        Ok(())
    }
}

/// The text of the policy in use, valid or not; `None` where there is no file.
///
/// # Errors
/// When it cannot be read as a login would read it.
pub fn current_text(context: &Context) -> Result<Option<String>, Failure> {
    match context.policy.text() {
        Err(error) if error.is_missing() => Ok(None),
        other => Ok(Some(other?)),
    }
}

/// The text of a policy with these settings.
fn with_settings(
    context: &Context,
    text: Option<&str>,
    settings: &[PolicySetting],
) -> Result<String, Failure> {
    let mut edited = text.unwrap_or(DEFAULT_POLICY).to_owned();
    for PolicySetting { key, value } in settings {
        edited = policy_edit::set(&edited, key, value).map_err(|error| refusal(context, error))?;
    }
    Ok(edited)
}

/// The policy as it would be with these settings.
///
/// # Errors
/// As [`PolicyChange::of_settings`], but for the state directory, which is not needed.
pub fn policy_with(context: &Context, settings: &[PolicySetting]) -> Result<Policy, Failure> {
    let text = current_text(context)?;
    let edited = with_settings(context, text.as_deref(), settings)?;
    policy::parse(&edited).map_err(Failure::invalid)
}

/// The state directory. Switching off works without it: that ends the lock-out of all users by a broken one.
fn store_for(
    context: &Context,
    danger: LockoutGuard,
    after: &Policy,
) -> Result<Option<Store>, Failure> {
    match context.existing_store() {
        Err(_) if danger == LockoutGuard::Off || !after.enabled => Ok(None),
        other => other.map(Some),
    }
}

fn assess(
    store: Option<&Store>,
    before: Option<&Policy>,
    after: &Policy,
    danger: LockoutGuard,
) -> Result<PolicyImpact, Failure> {
    // The exempt users are told by the policy under which people are asked.
    let asking = match before {
        Some(before) if !after.enabled => before,
        _ => after,
    };
    let listed = store.map(|store| match danger {
        LockoutGuard::Off => users::recorded(asking, store).map(|people| (people, Vec::new())),
        LockoutGuard::Refuse | LockoutGuard::Accept => users::all(asking, store),
    });
    let (people, mut warnings) = match listed.transpose() {
        // Switching off changes the same for all users, and must work also while accounts cannot be looked up.
        Err(_) if danger == LockoutGuard::Off || !after.enabled => (Vec::new(), Vec::new()),
        other => other?.unwrap_or_default(),
    };
    let mut impact = impact::assess(before, after, &people);
    if after.enabled {
        let already = before.is_some_and(|policy| policy.enabled);
        if !already && clock::synchronization() != Synchronization::Synchronized {
            warnings.push(
                "the clock is not synchronized, and codes depend on it. Set up NTP \
                 (chrony or systemd-timesyncd)"
                    .to_owned(),
            );
        }
        impact.warnings.append(&mut warnings);
    }
    if after.enabled && danger != LockoutGuard::Off {
        let idle = exempt_names::find(after);
        impact.warnings.extend(idle.iter().map(IdleName::warning));
    }
    Ok(impact)
}

/// The services that the settings name, and those whose switch differs.
fn switched_services(
    before: Option<&Policy>,
    after: &Policy,
    settings: &[PolicySetting],
) -> BTreeSet<String> {
    let old = before.map(|policy| &policy.services.named);
    let differs = |name: &str, on: bool| old.and_then(|old| old.get(name)) != Some(&on);
    let switched = after.services.named.iter();
    switched
        .filter(|(name, on)| differs(name, **on))
        .map(|(name, _)| name.clone())
        .chain(settings.iter().filter_map(PolicySetting::service))
        .collect()
}

/// Services among these that the policy switches on and libpam has no stack for: they are misspelt, or not installed.
fn unknown_services(after: &Policy, services: &BTreeSet<String>) -> Vec<String> {
    let world = InstalledSystem::look();
    let names = world.names();
    let unknown = |service: &&String| {
        // A program that is called by one name only has one stack.
        let known = names.contains(*service)
            || policy::sibling(service).is_some_and(|sibling| names.contains(sibling));
        after.services.named.get(*service) == Some(&true) && !known
    };
    let danger = |service: &String| {
        let missing = world.service_files(service).next().unwrap_or_default();
        let near = suggest::nearest(service, names.iter().map(String::as_str));
        let hint = near.map_or_else(String::new, |near| format!(". Did you mean {near}?"));
        format!(
            "there is no PAM file of the service {service}: {}{hint}",
            missing.display()
        )
    };
    services.iter().filter(unknown).map(danger).collect()
}

fn announcement(made: &PolicyChangeReport, after: &Policy, used: &[String]) -> String {
    let mut text = String::from("Changes:\n");
    for PolicySetting { key, value } in &made.changed {
        text.push_str(&format!("  {key} = {value}\n"));
    }
    text.push_str("Effect:\n");
    text.push_str(&made.impact.text(after, used));
    text
}

const fn question(before: Option<&Policy>, after: &Policy) -> &'static str {
    match before {
        Some(before) if before.enabled && !after.enabled => "Switch two-factor login off?",
        Some(before) if before.enabled == after.enabled => "Change the policy?",
        _ if after.enabled => {
            "Switch two-factor login on? Keep a root shell open until a login has worked."
        }
        _ => "Change the policy?",
    }
}

fn refusal(context: &Context, error: PolicyEditError) -> Failure {
    match error {
        PolicyEditError::Before(what) => {
            Failure::invalid(format!("{}: {what}", context.policy_path().display()))
                .next("Correct that first.")
        }
        PolicyEditError::Table(key) if key == "exempt" => {
            Failure::usage(format!("{key} is a list of tables")).next(format!(
                "Edit {}, then: twofactor policy check",
                context.policy_path().display()
            ))
        }
        PolicyEditError::Key(_) | PolicyEditError::Table(_) => {
            Failure::usage(error).next("Settings are named as in: twofactor policy show")
        }
        // The place is one in a text that exists nowhere yet.
        PolicyEditError::Refused(what) => Failure::usage(
            what.split_once(": ")
                .map_or(what.as_str(), |(_, what)| what),
        ),
    }
}

/// Puts the default policy, which asks no user, in place of one that cannot be used, and keeps that one beside it.
pub fn replace_invalid(context: &Context) -> Result<PolicyChangeReport, Failure> {
    let after = policy::parse(DEFAULT_POLICY).map_err(Failure::invalid)?;
    let store = store_for(context, LockoutGuard::Off, &after)?;
    let mut kept = context.policy_path().as_os_str().to_owned();
    kept.push(".invalid");
    let kept = PathBuf::from(kept);
    context.terminal.say(&format!(
        "The policy cannot be used, so it is replaced by the default one, switched off.\nThe old one is kept: {}\n",
        kept.display()
    ))?;
    context.terminal.confirm("Switch two-factor login off?")?;
    if context.policy.load().is_ok() {
        return Err(Failure::refused(
            "the policy was changed meanwhile; try again",
        ));
    }
    // Moved, not copied: it may be anything. Logins are refused before, and until there is a new one.
    std::fs::rename(context.policy_path(), &kept)
        .map_err(|error| Failure::system(format!("{}: {error}", kept.display())))?;
    context.policy.edit(store.as_ref(), |_| {
        Ok::<_, Failure>(DEFAULT_POLICY.to_owned())
    })?;
    audit::log(
        CommandEvent::Policy,
        None,
        &[
            ("key", "enabled"),
            ("value", "false"),
            ("replaced", "invalid"),
        ],
    );
    let impact = assess(store.as_ref(), None, &after, LockoutGuard::Off)?;
    let mut made = PolicyChangeReport::new(context, &after, impact);
    made.changed = vec![PolicySetting::new("enabled", "false")];
    Ok(made)
}

/// Report of a change of the policy.
#[derive(Serialize)]
pub struct PolicyChangeReport {
    file: String,
    /// Settings that were written; empty when they had these values already.
    pub changed: Vec<PolicySetting>,
    enabled: bool,
    clock: &'static str,
    #[serde(flatten)]
    impact: PolicyImpact,
}

impl PolicyChangeReport {
    fn new(context: &Context, after: &Policy, impact: PolicyImpact) -> Self {
        Self {
            file: context.policy_path().display().to_string(),
            changed: Vec::new(),
            enabled: after.enabled,
            clock: clock::synchronization().word(),
            impact,
        }
    }
}

impl Report for PolicyChangeReport {
    fn text(&self) -> Zeroizing<String> {
        let switch = if self.enabled { "on" } else { "off" };
        Zeroizing::new(if self.changed.is_empty() {
            format!(
                "Nothing to change in {}. Two-factor login is {switch}.\n",
                self.file
            )
        } else {
            format!("Done: {}. Two-factor login is {switch}.\n", self.file)
        })
    }
}
