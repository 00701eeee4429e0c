//! The tables of the policy file: which keys each has, and how their values must fit together.

use toml::Spanned;
use toml::de::{DeString, DeTable, DeValue};

use super::{TOP_KEYS, plain};
use crate::otp::{Algorithm, Digits, Interval};
use crate::policy::exempt::{ExemptEntry, network};
use crate::policy::policy_error::{PolicyFault, quoted};
use crate::policy::toml_table::{PolicyTable, PolicyValue, TextRule, wrong_kind};
use crate::policy::{
    FirstDevice, FleetPolicy, NewDevices, OutageRule, RequireEntry, SelfService, ServiceTable,
    ThrottlePolicy,
};

pub(super) const NEW_DEVICES_KEYS: [&str; 3] = ["digits", "interval", "algorithm"];
pub(super) const THROTTLE_KEYS: [&str; 5] = [
    "attempts",
    "lockout",
    "max_lockout",
    "max_failures",
    "delay",
];
const SELF_SERVICE_KEYS: [&str; 4] = ["manage", "first_device", "unset_last", "verifiers"];
const FLEET_KEYS: [&str; 6] = [
    "enabled",
    "on_outage",
    "outage_local_for",
    "outage_recovery",
    "local_services",
    "deadline_ms",
];
pub(super) const EXEMPT_KEYS: [&str; 4] = ["users", "groups", "services", "networks"];
const REQUIRE_KEYS: [&str; 3] = ["users", "groups", "from"];
/// The reserved key among the service names.
const DEFAULT_SERVICE: &str = "default";

const FIRST_DEVICE: [(&str, FirstDevice); 3] = [
    ("login", FirstDevice::Login),
    ("invite", FirstDevice::Invite),
    ("off", FirstDevice::Off),
];
const ON_OUTAGE: [(&str, OutageRule); 2] =
    [("local", OutageRule::Local), ("deny", OutageRule::Deny)];
pub(super) const ALGORITHM: [(&str, Algorithm); 3] = [
    ("SHA1", Algorithm::Sha1),
    ("SHA256", Algorithm::Sha256),
    ("SHA512", Algorithm::Sha512),
];

/// libpam takes the name for a file name in its directory.
const SERVICE: TextRule = TextRule {
    allowed: "1 to 64 bytes without \"/\" and control characters",
    check: |text| (1..=64).contains(&text.len()) && plain(text) && !text.contains('/'),
};
const NAME: TextRule = TextRule {
    allowed: "at least one character, no control characters",
    check: |text| !text.is_empty() && plain(text),
};
pub(super) fn new_devices(entries: &DeTable<'_>) -> Result<NewDevices, PolicyFault> {
    let table = PolicyTable::new("new_devices", &NEW_DEVICES_KEYS, entries)?;
    let default = NewDevices::default();
    Ok(NewDevices {
        digits: table
            .number_as("digits", 6..=8, Digits::new)?
            .unwrap_or(default.digits),
        interval: table
            .number_as("interval", 5..=3600, Interval::new)?
            .unwrap_or(default.interval),
        algorithm: table
            .word("algorithm", &ALGORITHM)?
            .unwrap_or(default.algorithm),
    })
}

pub(super) fn services(entries: &DeTable<'_>) -> Result<ServiceTable, PolicyFault> {
    let mut services = ServiceTable::default();
    let mut faults = Vec::new();
    for (key, value) in entries {
        match service(key, value) {
            Ok((DEFAULT_SERVICE, on)) => services.default = on,
            Ok((name, on)) => {
                services.named.insert(name.to_owned(), on);
            }
            Err(fault) => faults.push(fault),
        }
    }
    // The first one in the file; the table has another order.
    let first = faults.into_iter().min_by_key(|fault| fault.at);
    first.map_or(Ok(services), Err)
}

fn service<'a>(
    key: &'a Spanned<DeString<'_>>,
    value: &PolicyValue<'_>,
) -> Result<(&'a str, bool), PolicyFault> {
    let name = key.get_ref().as_ref();
    if TOP_KEYS.contains(&name) {
        // Below a table header TOML makes it a service, which would silently lose the setting.
        let message =
            format!("{name} is not a PAM service; to set it, move it above the first table");
        return Err(PolicyFault::new(key.span().start, message));
    }
    if !(SERVICE.check)(name) {
        let message = format!(
            "service {} is not possible; allowed: {}",
            quoted(name),
            SERVICE.allowed
        );
        return Err(PolicyFault::new(key.span().start, message));
    }
    match value.get_ref() {
        DeValue::Boolean(on) => Ok((name, *on)),
        _ => {
            let path = format!("services.{}", name.escape_debug());
            Err(wrong_kind(&path, "be true or false", value))
        }
    }
}

pub(super) fn throttle(entries: &DeTable<'_>) -> Result<ThrottlePolicy, PolicyFault> {
    let table = PolicyTable::new("throttle", &THROTTLE_KEYS, entries)?;
    let default = ThrottlePolicy::default();
    let attempts = table
        .number("attempts", 1..=1000)?
        .unwrap_or(default.attempts);
    let lockout = table
        .number("lockout", 1..=86_400)?
        .unwrap_or(default.lockout);
    let max_lockout = table
        .number("max_lockout", lockout..=604_800)
        .map_err(|fault| fault.because(&format!("throttle.lockout is {lockout}")))?
        .unwrap_or(default.max_lockout);
    if max_lockout < lockout {
        let message = format!(
            "throttle.lockout is {lockout}, but throttle.max_lockout is {max_lockout} by default; \
             set throttle.max_lockout to {lockout} or more"
        );
        return Err(table.fault("lockout", message));
    }
    let max_failures = table
        .number_as("max_failures", 0..=1_000_000, |limit| {
            (limit == 0 || limit >= attempts).then_some(limit)
        })
        .map_err(|fault| {
            fault.because(&format!(
                "0 is no limit; else at least throttle.attempts, {attempts}"
            ))
        })?
        .unwrap_or(default.max_failures);
    if max_failures != 0 && max_failures < attempts {
        let message = format!(
            "throttle.attempts is {attempts}, but throttle.max_failures is {max_failures} by \
             default; set throttle.max_failures to {attempts} or more, or to 0 for no limit"
        );
        return Err(table.fault("attempts", message));
    }
    let delay = table.number("delay", 0..=30)?.unwrap_or(default.delay);
    Ok(ThrottlePolicy {
        attempts,
        lockout,
        max_lockout,
        max_failures,
        delay,
    })
}

pub(super) fn self_service(entries: &DeTable<'_>) -> Result<SelfService, PolicyFault> {
    let table = PolicyTable::new("self_service", &SELF_SERVICE_KEYS, entries)?;
    let default = SelfService::default();
    Ok(SelfService {
        manage: table.flag("manage")?.unwrap_or(default.manage),
        first_device: table
            .word("first_device", &FIRST_DEVICE)?
            .unwrap_or(default.first_device),
        unset_last: table.flag("unset_last")?.unwrap_or(default.unset_last),
        // As `policy show` prints it where there is none.
        verifiers: table.list_or_none("verifiers", &|given| match given {
            "root" => Err("root needs no entry: its programs read the files".to_owned()),
            _ => allowed(given, &NAME),
        })?,
    })
}

pub(super) fn fleet(entries: &DeTable<'_>) -> Result<FleetPolicy, PolicyFault> {
    let table = PolicyTable::new("fleet", &FLEET_KEYS, entries)?;
    let default = FleetPolicy::default();
    let local = table.list_or_none("local_services", &named_service)?;
    Ok(FleetPolicy {
        enabled: table.flag("enabled")?.unwrap_or(default.enabled),
        on_outage: table
            .word("on_outage", &ON_OUTAGE)?
            .unwrap_or(default.on_outage),
        outage_local_for: table
            .number("outage_local_for", 0..=31_536_000)?
            .unwrap_or(default.outage_local_for),
        outage_recovery: table
            .flag("outage_recovery")?
            .unwrap_or(default.outage_recovery),
        local_services: if entries.contains_key("local_services") {
            local
        } else {
            default.local_services
        },
        deadline_ms: table
            .number("deadline_ms", 500..=4000)?
            .unwrap_or(default.deadline_ms),
    })
}

pub(super) fn exempt((place, entries): (usize, &DeTable<'_>)) -> Result<ExemptEntry, PolicyFault> {
    let table = PolicyTable::new("exempt", &EXEMPT_KEYS, entries)?;
    let name = |given: &str| allowed(given, &NAME);
    ExemptEntry::new(
        table.list("users", &name)?,
        table.list("groups", &name)?,
        table.list("services", &named_service)?,
        table.list("networks", &network)?,
    )
    .ok_or_else(|| {
        let keys = EXEMPT_KEYS.join(", ");
        PolicyFault::new(
            place,
            format!("[[exempt]] has no condition; give at least one of {keys}"),
        )
    })
}

fn named_service(given: &str) -> Result<String, String> {
    match given {
        DEFAULT_SERVICE => {
            Err("\"default\" is not the name of a service; name each one".to_owned())
        }
        _ => allowed(given, &SERVICE),
    }
}

pub(super) fn require(
    (place, entries): (usize, &DeTable<'_>),
) -> Result<RequireEntry, PolicyFault> {
    let table = PolicyTable::new("require", &REQUIRE_KEYS, entries)?;
    let name = |given: &str| allowed(given, &NAME);
    RequireEntry::new(
        table.list("users", &name)?,
        table.list("groups", &name)?,
        table.day("from")?,
    )
    .ok_or_else(|| {
        let message = "[[require]] names no user; give at least one of users, groups";
        PolicyFault::new(place, message)
    })
}

fn allowed(given: &str, text: &TextRule) -> Result<String, String> {
    if (text.check)(given) {
        Ok(given.to_owned())
    } else {
        Err(format!(
            "{} is not possible; allowed: {}",
            quoted(given),
            text.allowed
        ))
    }
}
