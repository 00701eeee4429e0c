//! The risks of a policy, counted in two ways.
//!
//! Root cannot see each way in of an administrator: keys may lie at other places, and a certificate needs no file of keys. Those who seem
//! to have no way in count in one view and not in the other, before a change as after it. Were they left out alone, a risk would be
//! assumed before the change, and pass for known; were they counted alone, one would be missed after it.

use twofactor_core::policy::ExemptionScope;

use super::shut_out_risk::{self, ShutOutRisk};
use super::{AffectedUser, PolicyView, names};
use crate::roster::AccountRole;

/// The risks of a policy in both views.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RiskViews {
    /// All administrators count.
    all: Vec<ShutOutRisk>,
    /// Administrators count who can log in, as far as root sees.
    able: Vec<ShutOutRisk>,
    /// The administrators who count in the first view alone.
    left_out: Vec<String>,
}

/// A risk that a change brings.
pub struct NewRisk<'a> {
    risk: ShutOutRisk,
    /// The administrators who do not count, where it would be none if they did.
    left_out: &'a [String],
}

/// Services that exempted an administrator before a change, and exempt none after it, in both views.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct EndedExemptions {
    all: Vec<String>,
    able: Vec<String>,
}

impl RiskViews {
    /// Counts the risks of a policy; one that is off has none.
    pub fn of(view: PolicyView<'_>) -> Self {
        let (all, able) = (administrators(view.people), repairers(view.people));
        let is_left_out =
            |person: &&&AffectedUser| !able.iter().any(|other| other.name == person.name);
        let left_out = all.iter().filter(is_left_out);
        Self {
            left_out: left_out.map(|person| person.name.clone()).collect(),
            all: shut_out_risk::shut_outs(view, &all),
            able: shut_out_risk::shut_outs(view, &able),
        }
    }

    /// The risks that were none before, or weaker ones.
    pub fn new_since(&self, before: &Self) -> Vec<NewRisk<'_>> {
        self.told(
            shut_out_risk::new_risks(&before.all, &self.all),
            shut_out_risk::new_risks(&before.able, &self.able),
        )
    }

    /// The risks at these services, as if there had been none before.
    pub(super) fn at(&self, services: &[String]) -> Vec<NewRisk<'_>> {
        self.at_each(services, services)
    }

    /// The risks at those of the services in use that exempt no administrator any more.
    pub(super) fn at_ended(&self, ended: &EndedExemptions, used: &[String]) -> Vec<NewRisk<'_>> {
        let used = |services: &[String]| -> Vec<String> {
            let services = services.iter().filter(|service| used.contains(service));
            services.cloned().collect()
        };
        self.at_each(&used(&ended.all), &used(&ended.able))
    }

    fn at_each(&self, all: &[String], able: &[String]) -> Vec<NewRisk<'_>> {
        let at = |risks: &[ShutOutRisk], services: &[String]| -> Vec<ShutOutRisk> {
            let risks = risks.iter().copied();
            risks.filter(|risk| risk.is_at_any(services)).collect()
        };
        self.told(at(&self.all, all), at(&self.able, able))
    }

    /// Risks of both views, each once.
    fn told(&self, all: Vec<ShutOutRisk>, mut able: Vec<ShutOutRisk>) -> Vec<NewRisk<'_>> {
        able.retain(|risk| !all.contains(risk));
        let of_all = all.into_iter().map(|risk| NewRisk {
            risk,
            left_out: &[],
        });
        let of_able = able.into_iter().map(|risk| NewRisk {
            risk,
            left_out: &self.left_out,
        });
        of_all.chain(of_able).collect()
    }
}

impl NewRisk<'_> {
    /// The risk itself.
    pub(super) const fn kind(&self) -> ShutOutRisk {
        self.risk
    }

    /// True if it is one also where all administrators count.
    pub(super) const fn is_of_all(&self) -> bool {
        self.left_out.is_empty()
    }

    /// Reason why it is not switched on.
    pub(super) fn when_switched_on(&self) -> String {
        self.told(self.risk.when_switched_on())
    }

    /// The risk of the policy as it is.
    pub fn once_stored(&self) -> String {
        self.told(self.risk.once_stored())
    }

    /// Reason why a device is not removed.
    pub fn when_removed(&self) -> String {
        self.told(self.risk.when_removed())
    }

    /// The text, with the administrators who do not count: a reader may know a way in that root cannot see.
    pub(super) fn told(&self, text: &str) -> String {
        let verb = match self.left_out {
            [] => return text.to_owned(),
            [_] => "is",
            _ => "are",
        };
        format!(
            "{text} ({} {verb} not counted: locked password, and no key that root can see)",
            names(self.left_out)
        )
    }
}

impl EndedExemptions {
    /// Finds the services that a change has.
    pub(super) fn of(before: PolicyView<'_>, after: PolicyView<'_>) -> Self {
        let ended = |before: &[&AffectedUser], now: &[&AffectedUser]| -> Vec<String> {
            let exempts = |service: &String| {
                now.iter().any(|person| {
                    person.exemption == ExemptionScope::Everywhere
                        || person.exempt_at.contains(service)
                })
            };
            let services = before.iter().flat_map(|person| &person.exempt_at);
            let ended = services
                .filter(|service| after.policy.service_on(service))
                .filter(|service| !exempts(service));
            ended.cloned().collect()
        };
        Self {
            all: ended(
                &administrators(before.people),
                &administrators(after.people),
            ),
            able: ended(&repairers(before.people), &repairers(after.people)),
        }
    }
}

fn administrators(people: &[AffectedUser]) -> Vec<&AffectedUser> {
    let is_one = |person: &&AffectedUser| person.role == AccountRole::Administrator;
    people.iter().filter(is_one).collect()
}

/// Administrators who can log in at all. Where none can, all of them count: then it is not the policy that keeps them out.
fn repairers(people: &[AffectedUser]) -> Vec<&AffectedUser> {
    let all = administrators(people);
    let able: Vec<_> = all
        .iter()
        .copied()
        .filter(|person| person.can_log_in)
        .collect();
    if able.is_empty() { all } else { able }
}

#[cfg(test)]
mod tests;
