//! The policy as it is shown: with all its defaults, whole or one setting of it.

use std::collections::BTreeMap;

use serde::Serialize;
use toml_edit::{ArrayOfTables, Datetime, DocumentMut, Item, Key, Value};
use twofactor_core::policy::{EchoMode, ExemptEntry, FleetPolicy, Policy, RequireEntry};
use twofactor_core::spelling_suggestion;
use zeroize::Zeroizing;

use crate::command_failure::CommandFailure;
use crate::failure_kind::FailureKind;
use crate::formatting::plain;
use crate::output::{CommandReport, LineLayout};

/// The policy with all its defaults, under the keys of the file.
#[derive(Serialize)]
pub struct PolicyReport {
    enabled: bool,
    enforcement: String,
    enroll_at_login: String,
    enroll_needs_invite: bool,
    window: u8,
    tries: u8,
    prompt: String,
    echo: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    issuer: Option<String>,
    grace: u32,
    grace_session: u32,
    uniform_prompt: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    notify: Option<String>,
    new_devices: NewDeviceSettings,
    services: BTreeMap<String, bool>,
    throttle: ThrottleSettings,
    self_service: SelfServiceSettings,
    fleet: FleetPolicySettings,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    exempt: Vec<ExemptionSettings>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    require: Vec<RequirementSettings>,
}

#[derive(Serialize)]
struct NewDeviceSettings {
    digits: u8,
    interval: u32,
    algorithm: &'static str,
}

#[derive(Serialize)]
struct ThrottleSettings {
    attempts: u32,
    lockout: u32,
    max_lockout: u32,
    max_failures: u32,
    delay: u32,
}

#[derive(Serialize)]
struct SelfServiceSettings {
    manage: bool,
    first_device: String,
    unset_last: bool,
    verifiers: Vec<String>,
}

#[derive(Serialize)]
struct FleetPolicySettings {
    enabled: bool,
    on_outage: String,
    outage_local_for: u32,
    outage_recovery: bool,
    local_services: Vec<String>,
    deadline_ms: u32,
}

#[derive(Serialize)]
struct ExemptionSettings {
    #[serde(skip_serializing_if = "Vec::is_empty")]
    users: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    groups: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    services: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    networks: Vec<String>,
}

#[derive(Serialize)]
struct RequirementSettings {
    #[serde(skip_serializing_if = "Vec::is_empty")]
    users: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    groups: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    from: Option<String>,
}

impl PolicyReport {
    /// The report on `policy`.
    pub fn new(policy: &Policy) -> Self {
        let (new, throttle) = (&policy.new_devices, &policy.throttle);
        let mut services = policy.own_services();
        services.insert("default".to_owned(), policy.services.default);
        Self {
            enabled: policy.enabled,
            enforcement: policy.enforcement.to_string(),
            enroll_at_login: policy.enroll_at_login.to_string(),
            enroll_needs_invite: policy.enroll_needs_invite,
            window: policy.window,
            tries: policy.tries,
            prompt: policy.prompt.clone(),
            echo: policy.echo == EchoMode::Shown,
            issuer: policy.issuer.clone(),
            grace: policy.grace,
            grace_session: policy.grace_session,
            uniform_prompt: policy.uniform_prompt,
            notify: policy.notify.clone(),
            new_devices: NewDeviceSettings {
                digits: new.digits.value(),
                interval: new.interval.seconds(),
                algorithm: new.algorithm.name(),
            },
            services,
            throttle: ThrottleSettings {
                attempts: throttle.attempts,
                lockout: throttle.lockout,
                max_lockout: throttle.max_lockout,
                max_failures: throttle.max_failures,
                delay: throttle.delay,
            },
            self_service: SelfServiceSettings {
                manage: policy.self_service.manage,
                first_device: policy.self_service.first_device.to_string(),
                unset_last: policy.self_service.unset_last,
                verifiers: policy.self_service.verifiers.clone(),
            },
            fleet: FleetPolicySettings::new(&policy.fleet),
            exempt: policy.exempt.iter().map(ExemptionSettings::new).collect(),
            require: policy
                .require
                .iter()
                .map(RequirementSettings::new)
                .collect(),
        }
    }
}

impl FleetPolicySettings {
    fn new(fleet: &FleetPolicy) -> Self {
        Self {
            enabled: fleet.enabled,
            on_outage: fleet.on_outage.to_string(),
            outage_local_for: fleet.outage_local_for,
            outage_recovery: fleet.outage_recovery,
            local_services: fleet.local_services.clone(),
            deadline_ms: fleet.deadline_ms,
        }
    }
}

impl ExemptionSettings {
    fn new(entry: &ExemptEntry) -> Self {
        Self {
            users: entry.users().to_vec(),
            groups: entry.groups().to_vec(),
            services: entry.services().to_vec(),
            networks: entry.networks().iter().map(ToString::to_string).collect(),
        }
    }
}

impl RequirementSettings {
    fn new(entry: &RequireEntry) -> Self {
        Self {
            users: entry.users().to_vec(),
            groups: entry.groups().to_vec(),
            from: entry.from().map(|day| day.to_string()),
        }
    }
}

impl CommandReport for PolicyReport {
    fn layout(&self) -> LineLayout {
        LineLayout::Verbatim
    }

    fn text(&self) -> Zeroizing<String> {
        // Strings, numbers and tables of them always have a TOML form.
        let text = toml_edit::ser::to_string_pretty(self).unwrap_or_default();
        Zeroizing::new(with_dates(&text).unwrap_or(text))
    }
}

/// The policy as TOML, with the days of `[[require]]` as dates; JSON has none, so that they are strings before.
fn with_dates(text: &str) -> Option<String> {
    let mut document: DocumentMut = text.parse().ok()?;
    let entries = document.get_mut("require");
    let tables = entries.and_then(Item::as_array_of_tables_mut);
    for table in tables.into_iter().flat_map(ArrayOfTables::iter_mut) {
        if let Some(from) = table.get_mut("from") {
            let day: Datetime = from.as_str()?.parse().ok()?;
            *from = toml_edit::value(day);
        }
    }
    Some(document.to_string())
}

/// One setting, or one table, with its defaults.
#[derive(Serialize)]
pub struct ShownSetting {
    key: String,
    value: serde_json::Value,
    #[serde(skip)]
    text: String,
}

impl ShownSetting {
    /// The one of that key, with dots.
    pub fn of(policy: &Policy, key: &str) -> Result<Self, CommandFailure> {
        let document = toml_edit::ser::to_document(&PolicyReport::new(policy))
            .map_err(CommandFailure::system)?;
        let path = Key::parse(key).map_err(|_| unknown_key(key))?;
        let service = |path: &[Key]| match path {
            [table, name] if table.get() == "services" => Some(name.get().to_owned()),
            _ => None,
        };
        let place = path.iter().try_fold(document.as_item(), |item, key| {
            item.as_table_like()?.get(key.get())
        });
        let item = match (place, service(&path)) {
            (Some(item), _) => item.clone(),
            // It follows the others.
            (None, Some(name)) => toml_edit::value(policy.service_on(&name)),
            (None, None) if key == "issuer" => {
                return Err(
                    CommandFailure::refused("issuer is not set: the host name is used")
                        .of_kind(FailureKind::NotSet),
                );
            }
            (None, None) if key == "notify" => {
                return Err(
                    CommandFailure::refused("notify is not set: no program is run")
                        .of_kind(FailureKind::NotSet),
                );
            }
            (None, None) if key == "exempt" => {
                return Err(
                    CommandFailure::refused("exempt is not set: no login is exempt")
                        .of_kind(FailureKind::NotSet),
                );
            }
            (None, None) if key == "require" => {
                return Err(CommandFailure::refused(
                    "require is not set: no user is named who needs a device",
                )
                .of_kind(FailureKind::NotSet));
            }
            (None, None) => return Err(unknown_key(key)),
        };
        let text = match &item {
            Item::Value(Value::InlineTable(table)) => table.clone().into_table().to_string(),
            Item::Value(value) => format!("{}\n", value.clone().decorated("", "")),
            table => table.to_string(),
        };
        let whole =
            serde_json::to_value(PolicyReport::new(policy)).map_err(CommandFailure::system)?;
        let value = path
            .iter()
            .try_fold(&whole, |value, key| value.get(key.get()));
        Ok(Self {
            key: key.to_owned(),
            value: value.cloned().unwrap_or_else(|| item.as_bool().into()),
            text,
        })
    }
}

impl CommandReport for ShownSetting {
    fn layout(&self) -> LineLayout {
        LineLayout::Verbatim
    }

    fn text(&self) -> Zeroizing<String> {
        Zeroizing::new(self.text.clone())
    }
}

/// Every key that `policy set` takes, with dots, but for the services, which can have any name.
pub fn keys() -> Vec<String> {
    let view = serde_json::to_value(PolicyReport::new(&Policy::default())).unwrap_or_default();
    let mut keys = vec!["issuer".to_owned(), "notify".to_owned()];
    for (key, value) in view.as_object().into_iter().flatten() {
        match value.as_object() {
            Some(table) => keys.extend(table.keys().map(|inner| format!("{key}.{inner}"))),
            None => keys.push(key.clone()),
        }
    }
    keys
}

fn unknown_key(key: &str) -> CommandFailure {
    let keys = keys();
    let meant = spelling_suggestion::closest(key, keys.iter().map(String::as_str));
    let meant = meant.map(|meant| format!("; did you mean {meant}?"));
    let what = format!(
        "there is no setting {}{}",
        plain(key),
        meant.unwrap_or_default()
    );
    CommandFailure::usage(what).next("Settings are named as in: twofactor policy show")
}

#[cfg(test)]
mod tests {
    use super::*;
    use twofactor_core::policy;

    #[test]
    fn what_is_shown_is_the_same_policy() {
        let text = "enabled = true\nenforcement = \"mandatory\"\nissuer = \"example.org\"\necho = true\nwindow = 3\nnotify = \"/sbin/tell\"\n\
                    [services]\nsudo = false\n[throttle]\nattempts = 9\n[new_devices]\nalgorithm = \"SHA256\"\n\
                    [[exempt]]\nusers = [\"backup\"]\nnetworks = [\"10.0.0.0/8\"]\n[[exempt]]\ngroups = [\"robots\"]\n\
                    [[require]]\ngroups = [\"staff\"]\nfrom = 2027-03-01\n[[require]]\nusers = [\"a\"]\n";
        for text in [text, policy::DEFAULT_POLICY] {
            let policy = policy::parse(text).unwrap();
            assert_eq!(
                policy::parse(&PolicyReport::new(&policy).text()),
                Ok(policy)
            );
        }
    }
}
