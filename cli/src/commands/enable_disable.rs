//! `enable`, `disable` and `policy set`: what each of them changes in the policy.

use twofactor_core::policy;

use super::policy_change::{DangerDecision, PolicySetting, change, replace_invalid};
use crate::args::{DisableArgs, EnableArgs, EnrollArgs, PolicySetArgs, QrStyle};
use crate::command_context::CommandContext;
use crate::command_failure::CommandFailure;
use crate::formatting::plain;
use crate::invoking_user;
use crate::output::OutputFormat;
use crate::qr_files::QrFileOptions;
use crate::suggested_command;

/// `enable`: a service is of no use without the global switch, so that is switched on with it.
pub fn enable(context: &CommandContext, args: &EnableArgs) -> Result<(), CommandFailure> {
    let mut settings = vec![PolicySetting::new("enabled", "true")];
    let services = args.named();
    settings.extend(switches(&services, "true"));
    if args.only {
        settings.extend(all_others(context, &services)?);
    }
    say_siblings(context, &services)?;
    let danger = DangerDecision::new(&args.force);
    let made = change(context, &settings, danger, &args.preview)?;
    context.write(&made)?;
    match (made.is_written(), context.format) {
        // It is on already: what comes after is an offer.
        (true, OutputFormat::Text) => match after_enabling(context) {
            Ok(()) => Ok(()),
            Err(failure) => Ok(context.terminal.prose(&format!("{failure}\n"))?),
        },
        _ => Ok(()),
    }
}

/// `disable`: works also with a policy that is invalid, since it is what gets one back in.
pub fn disable(context: &CommandContext, args: &DisableArgs) -> Result<(), CommandFailure> {
    let services = args.named();
    let settings: Vec<PolicySetting> = match services.as_slice() {
        [] => vec![PolicySetting::new("enabled", "false")],
        services => switches(services, "false"),
    };
    say_siblings(context, &services)?;
    // Also one that no program may use, such as one that others can write.
    let made = match context.policy.unusable() {
        Some(unusable) if services.is_empty() => {
            replace_invalid(context, &unusable, &args.preview)?
        }
        _ => change(context, &settings, DangerDecision::Unchecked, &args.preview)?,
    };
    context.write(&made)
}

/// `policy set`.
pub fn set(context: &CommandContext, args: &PolicySetArgs) -> Result<(), CommandFailure> {
    let settings = pairs(args)?;
    let danger = DangerDecision::new(&args.force);
    let made = change(context, &settings, danger, &args.preview)?;
    context.write(&made)
}

/// The settings that were named, each once.
fn pairs(args: &PolicySetArgs) -> Result<Vec<PolicySetting>, CommandFailure> {
    let mut settings = vec![PolicySetting::new(&args.key, &args.value)];
    for pair in args.more.chunks(2) {
        let [key, value] = pair else {
            let lone = pair.first().map_or("", String::as_str);
            return Err(
                CommandFailure::usage(format!("the setting {} has no value", plain(lone)))
                    .next("Give a value for each: twofactor policy set KEY VALUE KEY VALUE"),
            );
        };
        let setting = PolicySetting::new(key, value);
        if settings.iter().any(|other| other.is_same_key(&setting)) {
            return Err(CommandFailure::usage(format!(
                "{} is set twice",
                plain(key)
            )));
        }
        settings.push(setting);
    }
    Ok(settings)
}

/// Settings that switch off what these services and their siblings leave.
fn all_others(
    context: &CommandContext,
    services: &[String],
) -> Result<Vec<PolicySetting>, CommandFailure> {
    let policy = context.policy_or_default()?;
    let stays = |name: &str| {
        services
            .iter()
            .any(|service| service == name || policy::sibling(service) == Some(name))
    };
    let others = policy.own_services().into_iter();
    let others = others.filter(|(name, on)| *on && !stays(name));
    let off = others.map(|(name, _)| PolicySetting::new(service_key(&name), "false"));
    Ok([PolicySetting::new("services.default", "false")]
        .into_iter()
        .chain(off)
        .collect())
}

/// Settings that switch services, each with its sibling.
pub fn switches(services: &[String], value: &str) -> Vec<PolicySetting> {
    let mut settings: Vec<PolicySetting> = Vec::new();
    let all = services.iter().flat_map(|service| {
        let sibling = policy::sibling(service).map(str::to_owned);
        [Some(service.clone()), sibling].into_iter().flatten()
    });
    for service in all {
        let setting = PolicySetting::new(service_key(&service), value);
        if !settings.contains(&setting) {
            settings.push(setting);
        }
    }
    settings
}

/// Says which services are switched though they were not named.
fn say_siblings(context: &CommandContext, services: &[String]) -> Result<(), CommandFailure> {
    for service in services {
        let Some(sibling) = policy::sibling(service).filter(|it| !services.iter().any(|s| s == it))
        else {
            continue;
        };
        context.terminal.prose(&format!(
            "{service} and {sibling} are one program, so both are switched. To switch {sibling} alone: twofactor policy set \
             services.{sibling} true, or false\n"
        ))?;
    }
    Ok(())
}

/// A service name as a key: quoted where TOML needs it.
pub fn service_key(service: &str) -> String {
    let bare = !service.is_empty()
        && service
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_');
    if bare {
        format!("services.{service}")
    } else {
        format!("services.{}", toml_edit::Value::from(service))
    }
}

/// R29: an administrator who switched it on is led to a device of their own.
fn after_enabling(context: &CommandContext) -> Result<(), CommandFailure> {
    let name = invoking_user::unless_named(None, "enroll")?;
    if has_device(context, &name)? {
        return Ok(context.terminal.prose(&format!(
            "To try a code without logging in: {}\n",
            suggested_command::twofactor("verify", &[&name], &[])
        ))?);
    }
    offer_device(context, &name)
}

/// True if the user has a device.
///
/// # Errors
/// When there is no such user, or the files cannot be read.
pub fn has_device(context: &CommandContext, user: &str) -> Result<bool, CommandFailure> {
    let account = context.account(user)?;
    Ok(match context.store()? {
        Some(store) => store
            .holder(&account)?
            .record
            .is_some_and(|record| record.is_enrolled()),
        None => false,
    })
}

/// Offers a user without a device to enroll one now.
///
/// # Errors
/// Those of `enroll`.
pub fn offer_device(context: &CommandContext, user: &str) -> Result<(), CommandFailure> {
    let terminal = &context.terminal;
    let whose = match invoking_user::account() {
        Ok((caller, _)) if caller.name == user => format!("You ({user}) have"),
        _ => format!("{user} has"),
    };
    if !terminal.offer(&format!("{whose} no device. Enroll one now?"))? {
        return Ok(terminal.prose(&format!(
            "To enroll a device of your own: {}\n",
            suggested_command::twofactor("enroll", &[user], &[])
        ))?);
    }
    let args = EnrollArgs {
        user: Some(user.to_owned()),
        device: "phone".to_owned(),
        digits: None,
        interval: None,
        algorithm: None,
        hotp: false,
        qr: QrStyle::Auto,
        files: QrFileOptions::default(),
        recovery_file: None,
        no_confirm: false,
        dialogue: None,
    };
    super::enroll::with_backup(context, &args)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy_text;

    #[test]
    fn service_names_become_keys() {
        assert_eq!(service_key("sshd"), "services.sshd");
        assert_eq!(service_key("systemd-user"), "services.systemd-user");
        let text = policy_text::set("enabled = true\n", &service_key("a.b"), "true").unwrap();
        assert!(policy::parse(&text).unwrap().services.named["a.b"]);
    }
}
