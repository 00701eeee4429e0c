//! Checks of the members of a fleet's store, one by one: its answer, its cluster, its free space, the history that it keeps, and
//! the end of its certificate.

use std::path::Path;
use std::time::Duration;

use twofactor_fleet::etcd::certificate_facts::CertificateFacts;
use twofactor_fleet::etcd::deadline::WorkDeadline;
use twofactor_fleet::etcd::etcd_gateway::EtcdGateway;
use twofactor_fleet::etcd::member_status::{MemberFacts, MemberStatus, StoreHistory};
use twofactor_fleet::host::member_certificate;
use twofactor_fleet::host_files::host_settings::HostSettings;
use twofactor_store::sys::clock;

use super::doctor_finding::DoctorFinding;

/// Longest time for all of them.
const PATIENCE: Duration = Duration::from_secs(5);
/// Longest time for each part of one handshake.
const HANDSHAKE: Duration = Duration::from_secs(1);
/// The quota of an etcd that was given none.
const DEFAULT_QUOTA: u64 = 2 * GIB;
const GIB: u64 = 1 << 30;
/// Revisions after which a store without any compaction is found: some hundred logins and numbers of hosts a minute for hours.
const MANY_REVISIONS: u64 = 100_000;
/// Days before the end of a certificate from which on that is found.
pub(super) const SOON: u64 = 30;

/// Their faults.
pub fn check(gateway: &EtcdGateway, settings: &Path) -> Vec<DoctorFinding> {
    let members = gateway.member_statuses(&WorkDeadline::after(PATIENCE));
    let mut findings = answers(&members);
    findings.extend(space(&members));
    let is_led = |it: &MemberStatus| it.said.as_ref().is_ok_and(|facts| facts.has_leader);
    if members.iter().any(is_led) {
        let history = gateway.history(&WorkDeadline::after(PATIENCE));
        let subject = settings.display().to_string();
        findings.extend(history.ok().and_then(|history| kept(history, &subject)));
    }
    let (Ok(now), Ok(settings)) = (clock::now(), HostSettings::load(settings)) else {
        return findings;
    };
    // One whose certificate is not believed does not answer, and says why.
    let shown = settings.endpoints.iter().filter_map(|address| {
        let facts = member_certificate::of_member(&settings, address, HANDSHAKE).ok()?;
        certificate(address, facts, now)
    });
    findings.extend(shown);
    findings
}

/// Members that take no part, or are those of another store.
fn answers(members: &[MemberStatus]) -> Vec<DoctorFinding> {
    let first = members.iter().find_map(|it| it.said.as_ref().ok());
    let found = members.iter().filter_map(|member| {
        let address = member.address.as_str();
        let fix = "see why on that machine: journalctl -u etcd; or take it out of endpoints";
        let facts = match &member.said {
            Ok(facts) => facts,
            Err(fault) => {
                let cause = format!("the member does not answer: {fault}; with half of the members gone, logins with a code follow fleet.on_outage");
                return Some(DoctorFinding::warning("fleet-member", address, cause, fix));
            }
        };
        if first.is_some_and(|first| first.cluster != facts.cluster) {
            let cause = "the member belongs to another store than the first one that answers";
            return Some(DoctorFinding::problem("fleet-member", address, cause, fix));
        }
        let cause = if facts.is_learner {
            "the member only learns, and judges no code"
        } else if !facts.has_leader {
            "the member knows no leader: most of the members are out of its reach"
        } else {
            return None;
        };
        Some(DoctorFinding::warning("fleet-member", address, cause, fix))
    });
    found.collect()
}

/// The fullest member: a store that is full refuses all codes.
fn space(members: &[MemberStatus]) -> Option<DoctorFinding> {
    let facts = |it: &MemberStatus| {
        it.said
            .clone()
            .ok()
            .map(|facts| (it.address.clone(), facts))
    };
    let said: Vec<(String, MemberFacts)> = members.iter().filter_map(facts).collect();
    if let Some((address, _)) = said.iter().find(|(_, facts)| facts.is_full) {
        return Some(DoctorFinding::problem(
            "fleet-space",
            address,
            "the store is full, so logins with a code follow fleet.on_outage",
            "etcdctl compact, etcdctl defrag, etcdctl alarm disarm; and see that auto-compaction is set: docs/fleet.md",
        ));
    }
    let (address, facts) = said.iter().max_by_key(|(_, facts)| facts.size)?;
    let (quota, whose) = match facts.quota {
        Some(quota) => (quota, "its quota"),
        None => (
            DEFAULT_QUOTA,
            "the quota that etcd has where none is set, and does not tell before 3.6",
        ),
    };
    let (size, most) = (gib(facts.size), gib(quota));
    if facts.size >= quota / 5 * 4 {
        let cause = format!(
            "the store has {size} of {most} GiB, {whose}; one that is full refuses all codes"
        );
        let fix = "see that auto-compaction is set, and run etcdctl defrag on each member; or raise the quota";
        return Some(DoctorFinding::warning("fleet-space", address, cause, fix));
    }
    (facts.size >= quota / 2 && facts.in_use < facts.size / 2).then(|| {
        let cause = format!(
            "the store has {size} of {most} GiB, {whose}, of which {} GiB are in use",
            gib(facts.in_use)
        );
        let fix = "etcdctl defrag, one member after the other";
        DoctorFinding::warning("fleet-space", address, cause, fix)
    })
}

/// Gibibytes with one decimal.
fn gib(bytes: u64) -> String {
    let tenths = bytes.saturating_mul(10) / GIB;
    format!("{}.{}", tenths / 10, tenths % 10)
}

/// A store that was never compacted. A member does not tell if it compacts by itself.
fn kept(history: StoreHistory, subject: &str) -> Option<DoctorFinding> {
    match history {
        StoreHistory::Whole(revisions) if revisions >= MANY_REVISIONS => {
            Some(DoctorFinding::warning(
                "fleet-compaction",
                subject,
                format!(
                    "the store keeps all {revisions} revisions since its start, and will be full: then it refuses all codes"
                ),
                "set ETCD_AUTO_COMPACTION_MODE and ETCD_AUTO_COMPACTION_RETENTION on each member: docs/fleet.md",
            ))
        }
        StoreHistory::Whole(_) | StoreHistory::Compacted => None,
    }
}

/// A certificate of a member that ends soon after `now` (seconds since 1970-01-01 UTC). New connections fail then, and old ones
/// go on for a while.
fn certificate(address: &str, facts: CertificateFacts, now: u64) -> Option<DoctorFinding> {
    let days = facts.not_after.saturating_sub(now) / 86_400;
    (days < SOON).then(|| {
        let cause = format!(
            "the certificate of the member runs out in {days} days; then it is one that does not answer"
        );
        let fix = "make a new one as in docs/fleet.md, and put it in place on that machine";
        DoctorFinding::warning("fleet-certificate", address, cause, fix)
    })
}

#[cfg(test)]
mod tests {
    use super::super::doctor_finding::FindingLevel;
    use super::*;
    use twofactor_fleet::etcd::gateway_fault::GatewayFault;

    fn member(address: &str, facts: MemberFacts) -> MemberStatus {
        MemberStatus {
            address: address.to_owned(),
            said: Ok(facts),
        }
    }

    fn healthy() -> MemberFacts {
        MemberFacts {
            cluster: "7".to_owned(),
            has_leader: true,
            ..MemberFacts::default()
        }
    }

    fn found(findings: impl IntoIterator<Item = DoctorFinding>) -> Vec<(FindingLevel, String)> {
        let findings = findings.into_iter();
        findings.map(|it| (it.level, it.subject)).collect()
    }

    #[test]
    fn members_that_take_no_part_are_named() {
        let gone = MemberStatus {
            address: "d".to_owned(),
            said: Err(GatewayFault::NotSent("timeout".to_owned())),
        };
        let other = MemberFacts {
            cluster: "8".to_owned(),
            ..healthy()
        };
        let learner = MemberFacts {
            is_learner: true,
            ..healthy()
        };
        let lost = MemberFacts {
            has_leader: false,
            ..healthy()
        };
        let members = [
            member("a", healthy()),
            member("b", learner),
            member("c", lost),
            gone,
            member("e", other),
        ];
        let warned = |name: &str| (FindingLevel::Warning, name.to_owned());
        let wrong = (FindingLevel::Problem, "e".to_owned());
        assert_eq!(
            found(answers(&members)),
            [warned("b"), warned("c"), warned("d"), wrong]
        );
        assert_eq!(found(answers(&members[..1])), []);
    }

    #[test]
    fn a_store_that_gets_full_is_found() {
        let of = |size: u64, in_use: u64, quota: Option<u64>, is_full: bool| {
            let facts = MemberFacts {
                size,
                in_use,
                quota,
                is_full,
                ..healthy()
            };
            let found = space(&[member("a", healthy()), member("b", facts)]);
            found.map(|it| (it.level, it.subject))
        };
        let warned = Some((FindingLevel::Warning, "b".to_owned()));
        assert_eq!(of(GIB, GIB, Some(4 * GIB), false), None);
        assert_eq!(of(GIB, GIB, None, false), None);
        // 80 % of 4 GiB, and of the default.
        assert_eq!(of(4 * GIB / 5 * 4, GIB * 3, Some(4 * GIB), false), warned);
        assert_eq!(of(GIB * 17 / 10, GIB, None, false), warned);
        // Half of it, and most of that is free.
        assert_eq!(of(2 * GIB, GIB - 1, Some(4 * GIB), false), warned);
        assert_eq!(of(2 * GIB, GIB, Some(4 * GIB), false), None);
        let full = Some((FindingLevel::Problem, "b".to_owned()));
        assert_eq!(of(1, 1, Some(4 * GIB), true), full);
        assert_eq!(gib(GIB * 17 / 10), "1.6");
    }

    #[test]
    fn a_store_that_keeps_its_whole_history_is_found() {
        for (history, is_found) in [
            (StoreHistory::Whole(99_999), false),
            (StoreHistory::Whole(100_000), true),
            (StoreHistory::Compacted, false),
        ] {
            assert_eq!(kept(history, "f").is_some(), is_found, "{history:?}");
        }
    }

    #[test]
    fn a_members_certificate_that_ends_soon_is_found() {
        let of = |days: u64| {
            let facts = CertificateFacts {
                not_after: days * 86_400,
                has_common_name: true,
            };
            certificate("a", facts, 100 * 86_400)
        };
        assert!(of(129).is_some() && of(130).is_none());
    }
}
