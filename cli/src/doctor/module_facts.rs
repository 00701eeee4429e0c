//! Facts about the modules that stand in stacks: which check a password, and which always answer the same.

use super::pam::{ModuleCall, ReturnCode};
use crate::roster::REGULAR_UIDS;

/// The file name of the module that this is about.
pub const OURS: &str = "pam_twofactor.so";

/// Modules that ask for a password and check it.
const PASSWORD: [&str; 20] = [
    "pam_unix.so",
    "pam_unix2.so",
    "pam_pwdb.so",
    "pam_tcb.so",
    "pam_sss.so",
    "pam_ldap.so",
    "pam_krb5.so",
    "pam_winbind.so",
    "pam_systemd_home.so",
    "pam_userdb.so",
    "pam_radius_auth.so",
    "pam_radius.so",
    "pam_tacplus.so",
    "pam_mysql.so",
    "pam_pgsql.so",
    "pam_kanidm.so",
    "pam_himmelblau.so",
    "pam_lsass.so",
    "pam_vas3.so",
    "pam_centrifydc.so",
];

/// Modules that ask for a code, or can, such as those of RADIUS.
const CODE: [&str; 7] = [
    "pam_google_authenticator.so",
    "pam_oath.so",
    "pam_u2f.so",
    "pam_yubico.so",
    "pam_duo.so",
    "pam_radius.so",
    "pam_radius_auth.so",
];

/// Modules whose auth lines have nothing to say about who logs in.
const SILENT: [&str; 12] = [
    "pam_env.so",
    "pam_echo.so",
    "pam_faildelay.so",
    "pam_group.so",
    "pam_nologin.so",
    "pam_warn.so",
    "pam_cap.so",
    "pam_sepermit.so",
    "pam_keyinit.so",
    "pam_mail.so",
    "pam_motd.so",
    "pam_ssh_add.so",
];

/// Arguments that pam_twofactor.so knows; those with a value end in `=`.
const ARGUMENTS: [&str; 6] = [
    "debug",
    "try_first_pass",
    "use_first_pass",
    "forward_pass",
    "policy=/",
    "state=/",
];

/// Role of a module's auth line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ModuleRole {
    /// Asks for the code.
    Ours,
    /// Checks a password.
    Password,
    /// Answers this, no matter which user it is.
    Always(ReturnCode),
    /// The answer depends on the login.
    Open,
}

/// The login: user and service, as far as other modules look at it.
pub struct LoginFacts<'a> {
    /// The PAM service.
    pub service: &'a str,
    /// Login name.
    pub user: &'a str,
    /// Numeric user id.
    pub uid: u32,
    /// True if the user is in a group; `None` when that cannot be told.
    pub member: &'a dyn Fn(&str) -> Option<bool>,
}

/// The role of an auth line, for one user or, without facts, for any user.
pub fn part(module: &ModuleCall, facts: Option<&LoginFacts<'_>>) -> ModuleRole {
    let has = |word: &str| module.arguments.iter().any(|argument| argument == word);
    match module.name() {
        // Stands where a wrong password ends, and refuses.
        OURS if module.arguments == ["authfail"] => ModuleRole::Always(ReturnCode::AUTH_ERR),
        OURS => ModuleRole::Ours,
        name if PASSWORD.contains(&name) => ModuleRole::Password,
        name if SILENT.contains(&name) => ModuleRole::Always(ReturnCode::IGNORE),
        "pam_permit.so" => ModuleRole::Always(ReturnCode::SUCCESS),
        "pam_deny.so" => ModuleRole::Always(ReturnCode::AUTH_ERR),
        // Passes a user who is root already.
        "pam_rootok.so" => ModuleRole::Always(ReturnCode::AUTH_ERR),
        // No user has failed too often, so that it only counts.
        "pam_faillock.so" if has("authfail") => ModuleRole::Always(ReturnCode::IGNORE),
        "pam_faillock.so" | "pam_tally2.so" => ModuleRole::Always(ReturnCode::SUCCESS),
        "pam_succeed_if.so" => facts
            .and_then(|facts| succeeds(&module.arguments, facts))
            .map_or(ModuleRole::Open, ModuleRole::Always),
        "pam_usertype.so" if has("isregular") => match facts {
            Some(facts) if REGULAR_UIDS.contains(&facts.uid) => {
                ModuleRole::Always(ReturnCode::SUCCESS)
            }
            Some(_) => ModuleRole::Always(ReturnCode::AUTH_ERR),
            None => ModuleRole::Open,
        },
        _ => ModuleRole::Open,
    }
}

/// True if it is another module that asks for a code.
pub fn asks_for_a_code(module: &ModuleCall) -> bool {
    CODE.contains(&module.name())
}

/// Arguments that pam_twofactor.so will refuse, and with them every login.
pub fn unknown_argument(module: &ModuleCall) -> Option<&str> {
    let known = |argument: &str| {
        ARGUMENTS.iter().any(|known| match known.strip_suffix('/') {
            Some(_) => argument.starts_with(known),
            None => argument == *known,
        })
    };
    let key = |argument: &str| argument.split('=').next().unwrap_or_default().to_owned();
    let mut seen: Vec<String> = Vec::new();
    for argument in &module.arguments {
        let first_pass = argument.ends_with("_first_pass");
        let twice = seen.contains(&key(argument))
            || (first_pass && seen.iter().any(|key| key.ends_with("_first_pass")));
        if !known(argument) || twice {
            return Some(argument);
        }
        seen.push(key(argument));
    }
    None
}

/// pam_succeed_if(8), the conditions that need nothing but name, uid, groups and service.
fn succeeds(arguments: &[String], facts: &LoginFacts<'_>) -> Option<ReturnCode> {
    const FLAGS: [&str; 5] = ["quiet", "quiet_fail", "quiet_success", "debug", "audit"];
    let words: Vec<&str> = arguments
        .iter()
        .map(String::as_str)
        .filter(|word| !FLAGS.contains(word))
        .collect();
    let conditions = words.chunks_exact(3);
    if words.is_empty() || !conditions.remainder().is_empty() {
        return None;
    }
    let mut all = true;
    for condition in conditions {
        let [field, operator, value] = condition else {
            return None;
        };
        all &= holds(field, operator, value, facts)?;
    }
    Some(if all {
        ReturnCode::SUCCESS
    } else {
        ReturnCode::AUTH_ERR
    })
}

fn holds(field: &str, operator: &str, value: &str, facts: &LoginFacts<'_>) -> Option<bool> {
    let listed = || value.split(':');
    match (field, operator) {
        ("user", "ingroup") => listed()
            .map(|group| (facts.member)(group))
            .try_fold(false, |any, member| member.map(|member| any || member)),
        ("user", "notingroup") => holds(field, "ingroup", value, facts).map(|member| !member),
        ("uid", operator) => {
            let value: u32 = value.parse().ok()?;
            match operator {
                "eq" | "=" => Some(facts.uid == value),
                "ne" | "!=" => Some(facts.uid != value),
                "lt" | "<" => Some(facts.uid < value),
                "le" | "<=" => Some(facts.uid <= value),
                "gt" | ">" => Some(facts.uid > value),
                "ge" | ">=" => Some(facts.uid >= value),
                _ => None,
            }
        }
        ("user" | "service", operator) => {
            let own = if field == "user" {
                facts.user
            } else {
                facts.service
            };
            match operator {
                "=" => Some(own == value),
                "!=" => Some(own != value),
                "in" => Some(listed().any(|one| one == own)),
                "notin" => Some(!listed().any(|one| one == own)),
                _ => None,
            }
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn module(line: &str) -> ModuleCall {
        let mut words = line.split(' ').map(str::to_owned);
        ModuleCall {
            path: words.next().unwrap(),
            arguments: words.collect(),
        }
    }

    fn of(line: &str) -> ModuleRole {
        let facts = LoginFacts {
            service: "sshd",
            user: "alice",
            uid: 1000,
            member: &|group| Some(group == "staff"),
        };
        part(&module(line), Some(&facts))
    }

    #[test]
    fn conditions_on_the_user_are_decided() {
        let (yes, no) = (
            ModuleRole::Always(ReturnCode::SUCCESS),
            ModuleRole::Always(ReturnCode::AUTH_ERR),
        );
        for (line, expected) in [
            ("user ingroup staff", yes),
            ("user ingroup wheel:staff", yes),
            ("user notingroup staff", no),
            ("quiet uid >= 1000", yes),
            ("uid < 1000 quiet", no),
            ("uid ge 1000 user = bob", no),
            ("user in bob:alice", yes),
            ("service notin sshd:login", no),
            ("shell = /bin/sh", ModuleRole::Open),
            ("use_uid uid eq 0", ModuleRole::Open),
            ("user =~ a*", ModuleRole::Open),
            ("uid", ModuleRole::Open),
        ] {
            assert_eq!(of(&format!("pam_succeed_if.so {line}")), expected, "{line}");
        }
        assert_eq!(
            part(&module("pam_succeed_if.so uid eq 0"), None),
            ModuleRole::Open
        );
    }

    #[test]
    fn modules_are_known_by_their_file_name() {
        assert_eq!(
            of("/usr/lib/security/pam_twofactor.so debug"),
            ModuleRole::Ours
        );
        assert_eq!(
            of("pam_twofactor.so authfail"),
            ModuleRole::Always(ReturnCode::AUTH_ERR)
        );
        assert_eq!(of("pam_twofactor.so authfail debug"), ModuleRole::Ours);
        assert_eq!(of("pam_sss.so use_first_pass"), ModuleRole::Password);
        assert_eq!(of("pam_fprintd.so"), ModuleRole::Open);
        assert_eq!(
            of("pam_faillock.so authfail"),
            ModuleRole::Always(ReturnCode::IGNORE)
        );
    }

    #[test]
    fn arguments_that_refuse_all_users_are_reported() {
        for (line, expected) in [
            ("pam_twofactor.so", None),
            (
                "pam_twofactor.so debug forward_pass use_first_pass policy=/a state=/b",
                None,
            ),
            ("pam_twofactor.so nullok", Some("nullok")),
            ("pam_twofactor.so debug authfail", Some("authfail")),
            ("pam_twofactor.so policy=a", Some("policy=a")),
            ("pam_twofactor.so debug=1", Some("debug=1")),
            ("pam_twofactor.so debug debug", Some("debug")),
            ("pam_twofactor.so state=/a state=/b", Some("state=/b")),
            (
                "pam_twofactor.so try_first_pass use_first_pass",
                Some("use_first_pass"),
            ),
        ] {
            assert_eq!(unknown_argument(&module(line)), expected, "{line}");
        }
    }
}
