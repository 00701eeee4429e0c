//! The keys of the policy file: which there are, and what each may hold. Those of its tables are in `table_keys.rs`.

mod table_keys;

use toml::de::{DeTable, Error as TomlError};

use super::policy_error::{PolicyFault, quoted};
use super::toml_table::{PolicyTable, TextRule};
use super::{EchoMode, Enforcement, EnrollAtLogin, MAX_WINDOW, Policy};
use table_keys::{exempt, fleet, new_devices, require, self_service, services, throttle};

/// Reads the whole file.
pub(super) fn policy(text: &str) -> Result<Policy, PolicyFault> {
    let document = DeTable::parse(text).map_err(|error| syntax(text, &error))?;
    let top = PolicyTable::new("", &TOP_KEYS, document.get_ref())?;
    let default = Policy::default();
    Ok(Policy {
        enforcement: top
            .word("enforcement", &ENFORCEMENT)?
            .unwrap_or(default.enforcement),
        enroll_at_login: top
            .word("enroll_at_login", &ENROLL_AT_LOGIN)?
            .unwrap_or(default.enroll_at_login),
        enroll_needs_invite: top
            .flag("enroll_needs_invite")?
            .unwrap_or(default.enroll_needs_invite),
        window: top
            .number("window", 0..=MAX_WINDOW)?
            .unwrap_or(default.window),
        tries: top.number("tries", 1..=10)?.unwrap_or(default.tries),
        prompt: top.text("prompt", &PROMPT)?.unwrap_or(default.prompt),
        echo: top.flag("echo")?.map_or(default.echo, echo),
        issuer: top.text("issuer", &ISSUER)?,
        grace: top.number("grace", 0..=86_400)?.unwrap_or(default.grace),
        grace_session: top
            .number("grace_session", 0..=86_400)?
            .unwrap_or(default.grace_session),
        uniform_prompt: top
            .flag("uniform_prompt")?
            .unwrap_or(default.uniform_prompt),
        notify: top.text("notify", &PROGRAM)?,
        new_devices: top
            .table("new_devices")?
            .map_or(Ok(default.new_devices), new_devices)?,
        services: top
            .table("services")?
            .map_or(Ok(default.services), services)?,
        throttle: top
            .table("throttle")?
            .map_or(Ok(default.throttle), throttle)?,
        self_service: top
            .table("self_service")?
            .map_or(Ok(default.self_service), self_service)?,
        fleet: top.table("fleet")?.map_or(Ok(default.fleet), fleet)?,
        exempt: top
            .tables("exempt")?
            .into_iter()
            .map(exempt)
            .collect::<Result<_, _>>()?,
        require: top
            .tables("require")?
            .into_iter()
            .map(require)
            .collect::<Result<_, _>>()?,
        enabled: top
            .flag("enabled")?
            .ok_or_else(|| PolicyFault::new(0, MISSING_ENABLED))?,
    })
}

const TOP_KEYS: [&str; 20] = [
    "enabled",
    "enforcement",
    "enroll_at_login",
    "enroll_needs_invite",
    "window",
    "tries",
    "prompt",
    "echo",
    "issuer",
    "grace",
    "grace_session",
    "uniform_prompt",
    "notify",
    "new_devices",
    "services",
    "throttle",
    "self_service",
    "fleet",
    "exempt",
    "require",
];
const ENFORCEMENT: [(&str, Enforcement); 2] = [
    ("optional", Enforcement::Optional),
    ("mandatory", Enforcement::Mandatory),
];
const ENROLL_AT_LOGIN: [(&str, EnrollAtLogin); 3] = [
    ("off", EnrollAtLogin::Off),
    ("offer", EnrollAtLogin::Offer),
    ("require", EnrollAtLogin::Require),
];
const PROMPT: TextRule = TextRule {
    allowed: "1 to 200 bytes without control characters",
    check: |text| (1..=200).contains(&text.len()) && plain(text),
};
/// The colon separates issuer and account in the label of a provisioning URI (Key URI Format).
const ISSUER: TextRule = TextRule {
    allowed: "1 to 64 characters without \":\" and control characters",
    check: |text| (1..=64).contains(&text.chars().count()) && plain(text) && !text.contains(':'),
};
/// A path that stands for one file: what `..` leads to depends on what is there.
const PROGRAM: TextRule = TextRule {
    allowed: "an absolute path of at most 1024 bytes without \"..\" and control characters",
    check: |text| {
        text.starts_with('/')
            && text.len() <= 1024
            && plain(text)
            && text.split('/').all(|part| part != "..")
    },
};
const MISSING_ENABLED: &str =
    "key \"enabled\" is missing; write enabled = true or enabled = false in the first line";

fn echo(shown: bool) -> EchoMode {
    if shown {
        EchoMode::Shown
    } else {
        EchoMode::Hidden
    }
}

fn plain(text: &str) -> bool {
    !text.chars().any(char::is_control)
}

/// The fault that the TOML parser found. Its own Display would echo the line unescaped.
fn syntax(text: &str, error: &TomlError) -> PolicyFault {
    let span = error.span().unwrap_or_default();
    let at = span.start;
    let message = match (error.message(), text.get(span)) {
        ("duplicate key", Some(key)) => format!("key {} is given twice", quoted(key)),
        (message, _) => message.replace(char::is_control, " "),
    };
    PolicyFault::new(at, message)
}

#[cfg(test)]
mod tests;
