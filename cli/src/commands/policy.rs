//! `policy show` and `policy check`: reading the policy.
#![forbid(unsafe_code)]

use std::collections::BTreeMap;
use std::io::Read as _;
use std::path::Path;

use serde::Serialize;
use twofactor_core::policy::{self, Echo, Exempt, Policy};
use twofactor_store::sys::file::MAX_LEN;
use zeroize::Zeroizing;

use crate::context::Context;
use crate::error::Failure;
use crate::exempt_names::{self, IdleName};
use crate::output::Report;

/// `policy show`.
pub fn show(context: &Context) -> Result<(), Failure> {
    context.write(&View::new(&in_use(context)?))
}

/// `policy check`: the policy in use as a login would read it; another file for its content.
pub fn check(context: &Context, file: Option<&Path>) -> Result<(), Failure> {
    let (path, policy) = match file {
        None => (context.policy_path(), in_use(context)?),
        Some(path) => (path, draft(path)?),
    };
    if file.is_none()
        && let Some(failure) = context.missing_store(&policy)?
    {
        return Err(failure);
    }
    context.write(&Valid {
        file: path.display().to_string(),
        valid: true,
        enabled: policy.enabled,
        warnings: exempt_names::find(&policy)
            .iter()
            .map(IdleName::warning)
            .collect(),
    })
}

fn in_use(context: &Context) -> Result<Policy, Failure> {
    context.existing_policy().map(|loaded| loaded.policy)
}

/// A file that is not in use yet may belong to anybody.
fn draft(path: &Path) -> Result<Policy, Failure> {
    let at = |what: String| format!("{}: {what}", path.display());
    let file =
        std::fs::File::open(path).map_err(|error| Failure::refused(at(error.to_string())))?;
    let mut bytes = Vec::new();
    file.take(MAX_LEN as u64 + 1)
        .read_to_end(&mut bytes)
        .map_err(|error| Failure::system(at(error.to_string())))?;
    if bytes.len() > MAX_LEN {
        return Err(Failure::invalid(at(format!(
            "has more than {MAX_LEN} bytes"
        ))));
    }
    let text =
        String::from_utf8(bytes).map_err(|_| Failure::invalid(at("is not UTF-8".to_owned())))?;
    policy::parse(&text).map_err(|error| Failure::invalid(at(error.to_string())))
}

/// What `policy check` reports of a valid file; an invalid one is an error.
#[derive(Serialize)]
struct Valid {
    file: String,
    valid: bool,
    enabled: bool,
    warnings: Vec<String>,
}

impl Report for Valid {
    fn text(&self) -> Zeroizing<String> {
        let switch = if self.enabled { "on" } else { "off" };
        let mut text = format!(
            "{} is valid. Two-factor login is {switch} in it.\n",
            self.file
        );
        for warning in &self.warnings {
            text.push_str(&format!("Warning: {warning}\n"));
        }
        Zeroizing::new(text)
    }
}

/// The policy with all its defaults, under the keys of the file.
#[derive(Serialize)]
pub struct View {
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
    uniform_prompt: bool,
    new_devices: NewDevices,
    services: BTreeMap<String, bool>,
    throttle: Throttle,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    exempt: Vec<Exemption>,
}

#[derive(Serialize)]
struct NewDevices {
    digits: u8,
    interval: u32,
    algorithm: &'static str,
}

#[derive(Serialize)]
struct Throttle {
    attempts: u32,
    lockout: u32,
    max_lockout: u32,
    max_failures: u32,
    delay: u32,
}

#[derive(Serialize)]
struct Exemption {
    #[serde(skip_serializing_if = "Vec::is_empty")]
    users: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    groups: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    services: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    networks: Vec<String>,
}

impl View {
    /// Of `policy`.
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
            echo: policy.echo == Echo::Shown,
            issuer: policy.issuer.clone(),
            grace: policy.grace,
            uniform_prompt: policy.uniform_prompt,
            new_devices: NewDevices {
                digits: new.digits.value(),
                interval: new.interval.seconds(),
                algorithm: new.algorithm.name(),
            },
            services,
            throttle: Throttle {
                attempts: throttle.attempts,
                lockout: throttle.lockout,
                max_lockout: throttle.max_lockout,
                max_failures: throttle.max_failures,
                delay: throttle.delay,
            },
            exempt: policy.exempt.iter().map(Exemption::new).collect(),
        }
    }
}

impl Exemption {
    fn new(entry: &Exempt) -> Self {
        Self {
            users: entry.users().to_vec(),
            groups: entry.groups().to_vec(),
            services: entry.services().to_vec(),
            networks: entry.networks().iter().map(ToString::to_string).collect(),
        }
    }
}

impl Report for View {
    fn text(&self) -> Zeroizing<String> {
        // Strings, numbers and tables of them always have a TOML form.
        Zeroizing::new(toml_edit::ser::to_string_pretty(self).unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_shown_is_the_same_policy() {
        let text = "enabled = true\nenforcement = \"mandatory\"\nissuer = \"example.org\"\necho = true\nwindow = 3\n\
                    [services]\nsudo = false\n[throttle]\nattempts = 9\n[new_devices]\nalgorithm = \"SHA256\"\n\
                    [[exempt]]\nusers = [\"backup\"]\nnetworks = [\"10.0.0.0/8\"]\n[[exempt]]\ngroups = [\"robots\"]\n";
        for text in [text, policy::DEFAULT_POLICY] {
            let policy = policy::parse(text).unwrap();
            assert_eq!(policy::parse(&View::new(&policy).text()), Ok(policy));
        }
    }
}
