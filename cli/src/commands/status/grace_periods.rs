//! Running grace periods of a user, for `status`.

use std::collections::BTreeSet;

use serde::Serialize;
use twofactor_core::policy::Policy;
use twofactor_core::state::graced_sessions::GracedSession;
use twofactor_core::state::{UserState, service_fingerprint};
use twofactor_core::verify::{address_grace, session_grace};
use twofactor_store::LoadedPolicy;
use twofactor_store::attempt::session_terms;

use crate::doctor::InstalledSystem;
use crate::formatting::{ReportedTime, plain};

/// An address from which a user is not asked for a code.
#[derive(Serialize)]
pub struct GraceStatus {
    /// The address.
    pub address: String,
    /// The PAM service; `null` when no file in `/etc/pam.d` and no setting of the policy has its name any more.
    pub service: Option<String>,
    /// The end, ISO 8601 UTC.
    pub until: ReportedTime,
}

impl GraceStatus {
    /// `at sshd from 192.0.2.7 until 2026-02-03 04:05`.
    pub fn text(&self) -> String {
        let service = match &self.service {
            Some(service) => plain(service),
            None => "an unknown service".to_owned(),
        };
        format!("at {service} from {} until {}", self.address, self.until)
    }
}

/// Grace periods that run at `now`.
pub fn running(state: &UserState, loaded: &LoadedPolicy, now: u64) -> Vec<GraceStatus> {
    let policy = &loaded.policy;
    if !policy.enabled {
        return Vec::new();
    }
    let found = address_grace::all_running(state, policy.grace, loaded.fingerprint(), now);
    if found.is_empty() {
        return Vec::new();
    }
    let services = services(policy);
    let status = |(grace, left): (twofactor_core::state::GracePeriod, u64)| GraceStatus {
        address: grace.address.to_string(),
        service: name_of(grace.service, &services),
        until: ReportedTime(now.saturating_add(left)),
    };
    found.into_iter().map(status).collect()
}

/// A login session in which a user is not asked for a code.
#[derive(Serialize)]
pub struct SessionGraceStatus {
    /// Its audit session.
    pub session: u32,
    /// The end, ISO 8601 UTC.
    pub until: ReportedTime,
}

impl SessionGraceStatus {
    /// `in audit session 3 until 2026-02-03 04:05`.
    pub fn text(&self) -> String {
        format!("in audit session {} until {}", self.session, self.until)
    }
}

/// Sessions whose grace runs at `now`.
pub fn sessions(state: &UserState, loaded: &LoadedPolicy, now: u64) -> Vec<SessionGraceStatus> {
    if !loaded.policy.enabled || loaded.policy.grace_session == 0 {
        return Vec::new();
    }
    let Some(terms) = session_terms(loaded) else {
        return Vec::new();
    };
    let running = session_grace::all_running(state, &terms, now).into_iter();
    let status = |(session, left): (GracedSession, u64)| SessionGraceStatus {
        session: session.id,
        until: ReportedTime(now.saturating_add(left)),
    };
    running.map(status).collect()
}

/// The state keeps a short hash only; of two services with the same one, neither is named.
fn name_of(fingerprint: u32, services: &BTreeSet<String>) -> Option<String> {
    let mut same = services
        .iter()
        .filter(|service| service_fingerprint(service) == fingerprint);
    match (same.next(), same.next()) {
        (Some(service), None) => Some(service.clone()),
        _ => None,
    }
}

/// Every service that has a stack or a setting.
fn services(policy: &Policy) -> BTreeSet<String> {
    let mut names: BTreeSet<String> = policy.own_services().into_keys().collect();
    let exempt = policy.exempt.iter().flat_map(|entry| entry.services());
    names.extend(exempt.cloned());
    names.extend(InstalledSystem::look().names());
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_service_is_named_only_when_there_is_no_doubt() {
        let services: BTreeSet<String> = ["sshd", "login"].map(str::to_owned).into();
        let name = |service: &str| name_of(service_fingerprint(service), &services);
        assert_eq!(name("sshd").as_deref(), Some("sshd"));
        assert_eq!(name("cockpit"), None);
    }
}
