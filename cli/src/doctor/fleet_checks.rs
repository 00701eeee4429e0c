//! The host's part in a fleet: the causes of an outage, and the logins that are left in one.

use std::path::Path;

use twofactor_core::policy::{OutageRule, Policy};
use twofactor_fleet::etcd::certificate_facts::CertificateFacts;
use twofactor_fleet::host_files::host_error::HostError;
use twofactor_fleet::host_files::host_file::{FleetDirectory, HostPlace};
use twofactor_fleet::host_files::host_settings::{self, HostSettings};
use twofactor_protocol::fleet_attempt_call::FLEET_SOCKET;
use twofactor_store::fleet_contact::FleetContact;
use twofactor_store::sys::accounts;

use super::daemon_check::DaemonPresence;
use super::doctor_finding::DoctorFinding;
use super::fleet_members::SOON;
use super::fleet_store;

/// Seconds without contact with the store after which that is found: five beats.
const SILENCE: u64 = 300;

/// The fleet as this host's files and the service show it.
struct FleetFacts {
    service: DaemonPresence,
    /// Time of the last contact with the store, in seconds since 1970-01-01 UTC; `None` if there was none.
    met: Option<u64>,
    /// Seconds since 1970-01-01 UTC.
    now: u64,
}

/// Faults of the host's part in a fleet at `now` (seconds since 1970-01-01 UTC); none if neither the policy nor the host has a fleet.
pub fn check(
    policy: Option<&Policy>,
    (policy_path, state): (&Path, &Path),
    now: u64,
) -> Vec<DoctorFinding> {
    let Some(policy) = policy.filter(|policy| policy.enabled) else {
        return Vec::new();
    };
    if !policy.fleet.enabled {
        return unused(state).into_iter().collect();
    }
    let contact = match FleetContact::read(state) {
        Ok(contact) => contact,
        Err(error) => {
            let fix =
                "See who changed it; twofactord makes it anew within a minute once it is removed";
            let cause = format!("the note of the last contact with the store: {error}");
            let subject = state.display().to_string();
            return vec![DoctorFinding::problem("fleet-contact", subject, cause, fix)];
        }
    };
    let facts = FleetFacts {
        service: DaemonPresence::look_at(Path::new(FLEET_SOCKET)),
        met: contact.map(|contact| contact.met),
        now,
    };
    let findings = [reachable(&facts), endless(policy), shut_out(policy)];
    let mut findings: Vec<_> = findings.into_iter().flatten().collect();
    let settings = host_settings::beside(policy_path);
    let unusable = files(&settings, now);
    let can_be_met = unusable.iter().all(|it| it.check != "fleet-settings");
    findings.extend(unusable);
    if can_be_met {
        findings.extend(fleet_store::check(&settings, (policy_path, state)));
    }
    findings
}

/// The host's place in its fleet.
///
/// # Errors
/// [`HostError`], where [`HostError::is_not_joined`] tells that the host is in no fleet.
pub(super) fn place(state: &Path) -> Result<HostPlace, HostError> {
    FleetDirectory::open(state)?.place()
}

/// A host that is in a fleet, and judges codes without it.
pub(super) fn unused(state: &Path) -> Option<DoctorFinding> {
    let subject = state.display().to_string();
    match place(state) {
        Err(error) if error.is_not_joined() => None,
        // Its own finding tells of the state directory.
        Err(error) if error.path == state => None,
        Err(error) => {
            let otherwise = "twofactor fleet status says more";
            Some(DoctorFinding::of(
                "fleet-off",
                subject,
                error.into(),
                otherwise,
            ))
        }
        Ok(_) => Some(DoctorFinding::warning(
            "fleet-off",
            subject,
            "this host is in a fleet and the policy has fleet.enabled = false: codes are judged by its files alone, and work again on the other hosts",
            "twofactor policy set fleet.enabled true; or, to take the host out: twofactor fleet leave",
        )),
    }
}

/// Settings or certificates that cannot be used, or not for long after `now` (seconds since 1970-01-01 UTC).
fn files(settings: &Path, now: u64) -> Vec<DoctorFinding> {
    let unusable = |path: &Path, error: HostError| {
        let otherwise = "docs/fleet.md says what has to be in it";
        let subject = path.display().to_string();
        DoctorFinding::of("fleet-settings", subject, error.into(), otherwise)
    };
    let settings = match HostSettings::load(settings) {
        Ok(settings) => settings,
        Err(error) => return vec![unusable(settings, error)],
    };
    let mut findings = Vec::new();
    for (path, role) in [
        (&settings.certificate, CertificateRole::Host),
        (&settings.authorities, CertificateRole::Authority),
    ] {
        match host_settings::facts_of(path) {
            Ok(facts) => findings.extend(
                facts
                    .iter()
                    .filter_map(|it| certificate(path, *it, role, now)),
            ),
            Err(error) => findings.push(unusable(path, error)),
        }
    }
    findings
}

/// Part of a certificate.
#[derive(Clone, Copy, PartialEq, Eq)]
enum CertificateRole {
    /// By which the store knows this host.
    Host,
    /// By which this host knows the store.
    Authority,
}

/// A certificate that ends soon after `now` (seconds since 1970-01-01 UTC), or that etcd refuses.
fn certificate(
    path: &Path,
    facts: CertificateFacts,
    role: CertificateRole,
    now: u64,
) -> Option<DoctorFinding> {
    let path = path.display().to_string();
    let renew =
        "make a new one as in docs/fleet.md, and: systemctl restart twofactord-fleet.service";
    if facts.not_after < now {
        let cause = format!("{path} ran out, so logins with a code follow fleet.on_outage");
        return Some(DoctorFinding::problem(
            "fleet-certificate",
            path,
            cause,
            renew,
        ));
    }
    if role == CertificateRole::Host && facts.has_common_name {
        let cause =
            format!("{path} has a CN, for which etcd refuses every request with status 400");
        let fix = "make one with an empty CN as in docs/fleet.md";
        return Some(DoctorFinding::problem(
            "fleet-certificate",
            path,
            cause,
            fix,
        ));
    }
    let days = (facts.not_after - now) / 86_400;
    (days < SOON).then(|| {
        let cause = format!(
            "{path} runs out in {days} days; then logins with a code follow fleet.on_outage"
        );
        DoctorFinding::warning("fleet-certificate", path, cause, renew)
    })
}

/// A service that does not run, or a store that was not met for a while: one of them, the first cause.
fn reachable(facts: &FleetFacts) -> Option<DoctorFinding> {
    if facts.service == DaemonPresence::Missing {
        return Some(DoctorFinding::problem(
            "fleet-service",
            FLEET_SOCKET,
            "the service of the fleet does not run, so logins with a code follow fleet.on_outage",
            "systemctl enable --now twofactord-fleet.socket twofactord-fleet.service",
        ));
    }
    let log = "See why: journalctl -u twofactord-fleet.service";
    match facts.met {
        None => Some(DoctorFinding::problem(
            "fleet-contact",
            FLEET_SOCKET,
            "this host has not met the store of its fleet yet, so that in an outage all codes are refused but those of local_services",
            log,
        )),
        Some(met) if facts.now.saturating_sub(met) > SILENCE => Some(DoctorFinding::problem(
            "fleet-contact",
            FLEET_SOCKET,
            format!(
                "this host met the store of its fleet {} minutes ago the last time, so logins with a code follow fleet.on_outage",
                facts.now.saturating_sub(met) / 60
            ),
            log,
        )),
        Some(_) => None,
    }
}

/// An outage without an end.
fn endless(policy: &Policy) -> Option<DoctorFinding> {
    let is_endless =
        policy.fleet.on_outage == OutageRule::Local && policy.fleet.outage_local_for == 0;
    is_endless.then(|| {
        DoctorFinding::warning(
            "fleet-outage-endless",
            "outage_local_for",
            "a host that is cut off accepts devices for ever that were removed elsewhere",
            "twofactor policy set fleet.outage_local_for 86400",
        )
    })
}

/// The finding of a policy that leaves no way in without the store.
pub fn shut_out(policy: &Policy) -> Option<DoctorFinding> {
    shut(policy, |user| {
        matches!(accounts::by_name(user), Ok(Some(_)))
    })
}

/// No way in without the store. A key of ssh may be one, which this cannot see.
fn shut(policy: &Policy, is_user: impl Fn(&str) -> bool) -> Option<DoctorFinding> {
    let fleet = &policy.fleet;
    let mut named = policy.exempt.iter().map(|entry| entry.users());
    let is_shut = fleet.on_outage == OutageRule::Deny
        && fleet.local_services.is_empty()
        && !named.any(|users| users.is_empty() || users.iter().any(|it| is_user(it)));
    is_shut.then(|| {
        DoctorFinding::problem(
            "fleet-deny",
            "on_outage",
            "in an outage no login with a code is left: on_outage is \"deny\", local_services is empty, and no user who exists is exempt",
            "twofactor policy edit, and name the console: local_services = [\"login\"]",
        )
    })
}

#[cfg(test)]
mod tests {
    use super::super::doctor_finding::FindingLevel;
    use super::*;
    use twofactor_core::policy;

    fn of(text: &str) -> Policy {
        policy::parse(&format!("enabled = true\n[fleet]\nenabled = true\n{text}")).unwrap()
    }

    fn check_of(finding: Option<DoctorFinding>) -> Option<&'static str> {
        finding.map(|finding| finding.check)
    }

    #[test]
    fn an_outage_without_an_end_or_a_way_in_is_found() {
        assert_eq!(check_of(endless(&of(""))), None);
        let without_end = "outage_local_for = 0\n";
        assert_eq!(
            check_of(endless(&of(without_end))),
            Some("fleet-outage-endless")
        );
        let denied = "on_outage = \"deny\"\noutage_local_for = 0\n";
        assert_eq!(check_of(endless(&of(denied))), None);
        let shut = |text: &str| check_of(shut(&of(text), |user| user == "root"));
        assert_eq!(shut(denied), None, "the console is left");
        let shut_in = format!("{denied}local_services = []\n");
        assert_eq!(shut(&shut_in), Some("fleet-deny"));
        let exempt = |users| format!("{shut_in}[[exempt]]\nusers = {users}\n");
        assert_eq!(shut(&exempt(r#"["rescue", "root"]"#)), None);
        assert_eq!(shut(&exempt(r#"["rescue"]"#)), Some("fleet-deny"));
    }

    #[test]
    fn a_store_that_is_not_met_is_found() {
        let facts = |service, met| FleetFacts {
            service,
            met,
            now: 1_000,
        };
        let missing = facts(DaemonPresence::Missing, None);
        assert_eq!(check_of(reachable(&missing)), Some("fleet-service"));
        for (met, found) in [
            (None, Some("fleet-contact")),
            (Some(699), Some("fleet-contact")),
            (Some(700), None),
            // The clock was set back; the check of the clock tells.
            (Some(2_000), None),
        ] {
            let facts = facts(DaemonPresence::Listening, met);
            assert_eq!(check_of(reachable(&facts)), found, "{met:?}");
        }
    }

    #[test]
    fn a_certificate_that_ends_or_has_a_name_is_found() {
        let level = |days: u64, has_common_name, role| {
            let facts = CertificateFacts {
                not_after: days * 86_400,
                has_common_name,
            };
            let now = 100 * 86_400 + 1;
            certificate(Path::new("/tls.crt"), facts, role, now).map(|it| it.level)
        };
        let (host, authority) = (CertificateRole::Host, CertificateRole::Authority);
        assert_eq!(level(131, false, host), None);
        assert_eq!(level(130, false, host), Some(FindingLevel::Warning));
        assert_eq!(level(100, false, host), Some(FindingLevel::Problem));
        assert_eq!(level(500, true, host), Some(FindingLevel::Problem));
        assert_eq!(level(500, true, authority), None);
        assert_eq!(level(101, true, authority), Some(FindingLevel::Warning));
    }
}
