//! Exemptions: the logins that one `[[exempt]]` entry covers, and how its networks are written.

use std::net::IpAddr;

use ipnet::IpNet;

use super::Policy;
use super::decision::LoginRequest;
use super::policy_error::quoted;
use crate::account::Account;

/// One `[[exempt]]` entry. It has at least one condition; all that it has must hold, and a
/// condition holds when one element of its list does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExemptEntry {
    users: Vec<String>,
    groups: Vec<String>,
    services: Vec<String>,
    networks: Vec<IpNet>,
}

impl ExemptEntry {
    /// Login names; empty where this is no condition.
    pub fn users(&self) -> &[String] {
        &self.users
    }

    /// Group names; empty where this is no condition.
    pub fn groups(&self) -> &[String] {
        &self.groups
    }

    /// PAM service names; empty where this is no condition.
    pub fn services(&self) -> &[String] {
        &self.services
    }

    /// Networks, IPv4-mapped ones as IPv4; empty where this is no condition.
    pub fn networks(&self) -> &[IpNet] {
        &self.networks
    }

    /// An entry, unless all lists are empty: without a condition it would cover all users.
    pub(super) fn new(
        users: Vec<String>,
        groups: Vec<String>,
        services: Vec<String>,
        networks: Vec<IpNet>,
    ) -> Option<Self> {
        let entry = Self {
            users,
            groups,
            services,
            networks,
        };
        let Self {
            users,
            groups,
            services,
            networks,
        } = &entry;
        let none =
            users.is_empty() && groups.is_empty() && services.is_empty() && networks.is_empty();
        (!none).then_some(entry)
    }

    /// True if every condition holds. Groups come last: their look-up may go over the network.
    pub fn covers(&self, request: &LoginRequest<'_>, member: &mut dyn FnMut(&str) -> bool) -> bool {
        let address = request.address.map(|address| address.to_canonical());
        let inside = |network: &IpNet| address.is_some_and(|address| network.contains(&address));
        holds(&self.users, |user| user == request.user())
            && holds(&self.services, |service| service == request.service)
            && holds(&self.networks, inside)
            && holds(&self.groups, |group| member(group))
    }
}

impl Policy {
    /// True if an entry covers all logins of an account: one that names users or groups alone. `member` says whether the account is
    /// in the group of that name.
    pub fn is_exempt_everywhere(
        &self,
        account: &Account,
        member: &mut dyn FnMut(&str) -> bool,
    ) -> bool {
        // An entry with services or networks covers no login that has neither: each service that it names has a letter.
        self.exemption(&anywhere(account, ""), member).is_some()
    }

    /// The services that the entries name and at which one covers an account, from wherever the login comes.
    pub fn exempting_services<'p>(
        &'p self,
        account: &Account,
        member: &mut dyn FnMut(&str) -> bool,
    ) -> Vec<&'p str> {
        let services = self.exempt.iter().flat_map(ExemptEntry::services);
        let mut is_exempt = |service| {
            self.exemption(&anywhere(account, service), member)
                .is_some()
        };
        let services = services.map(String::as_str);
        services.filter(|service| is_exempt(service)).collect()
    }
}

/// A login at a service without an address, which matches no network.
const fn anywhere<'r>(account: &'r Account, service: &'r str) -> LoginRequest<'r> {
    LoginRequest {
        account: Some(account),
        service,
        address: None,
    }
}

/// The address in PAM_RHOST: IPv4, or IPv6 with or without a `%zone`, which is dropped. An
/// IPv4-mapped address becomes IPv4. Names, `UNKNOWN` and the empty string are none.
pub fn rhost_address(rhost: &str) -> Option<IpAddr> {
    let address = match rhost.split_once('%') {
        Some((_, "")) => return None,
        Some((address, _)) => IpAddr::V6(address.parse().ok()?),
        None => rhost.parse().ok()?,
    };
    Some(address.to_canonical())
}

/// A network as the policy writes it: `address/prefix` or one address. IPv4-mapped ones become
/// IPv4, since that is what addresses are compared as.
pub(super) fn network(text: &str) -> Result<IpNet, String> {
    let (address, prefix) = match text.split_once('/') {
        Some((address, prefix)) => (address, Some(prefix)),
        None => (text, None),
    };
    let given: IpAddr = address.parse().map_err(|_| not_an_address(text))?;
    let widest = IpNet::from(given).max_prefix_len();
    let prefix = prefix.map_or(Some(widest), |digits| prefix_length(digits, widest));
    let Some(prefix) = prefix else {
        return Err(format!(
            "{} needs a prefix length from 0 to {widest}",
            quoted(text)
        ));
    };
    let address = given.to_canonical();
    let mapped = given != address;
    let prefix = if mapped {
        prefix.checked_sub(MAPPED_PREFIX)
    } else {
        Some(prefix)
    };
    let network = prefix.and_then(|prefix| IpNet::new(address, prefix).ok());
    let Some(network) = network else {
        return Err(format!(
            "{} is IPv4-mapped and needs a prefix length from 96 to 128; \
             write the IPv4 network instead",
            quoted(text)
        ));
    };
    let right = network.trunc();
    if right == network {
        Ok(network)
    } else {
        Err(format!("host bits are set in {text}: write {right}"))
    }
}

/// Length of `::ffff:0:0/96`, the network of IPv4-mapped addresses (RFC 4291 2.5.5.2).
const MAPPED_PREFIX: u8 = 96;

/// True if one element passes, or if the list is empty and so no condition.
fn holds<T>(list: &[T], check: impl FnMut(&T) -> bool) -> bool {
    list.is_empty() || list.iter().any(check)
}

fn prefix_length(digits: &str, widest: u8) -> Option<u8> {
    let plain = digits.len() <= 3 && digits.bytes().all(|byte| byte.is_ascii_digit());
    digits
        .parse()
        .ok()
        .filter(|length| plain && *length <= widest)
}

fn not_an_address(text: &str) -> String {
    let hint = if text.contains('%') {
        ", without %zone"
    } else {
        ""
    };
    format!(
        "{} is not a network; only addresses are allowed, such as \"192.0.2.7\", \"10.0.0.0/8\" \
         or \"2001:db8::/32\"{hint}",
        quoted(text)
    )
}

#[cfg(test)]
mod tests;
