//! The services whose PAM transaction is the login of a person.

use twofactor_core::account::Account;
use twofactor_core::policy::{LOGIN_SERVICES, Policy};
use twofactor_store::attempt::SessionRole;
use twofactor_store::sys::{accounts, process};

use crate::transaction::PamTransaction;

/// Services whose sessions are no logins, or whose users are told elsewhere.
const QUIET_SERVICES: [&str; 12] = [
    "su",
    "su-l",
    "sudo",
    "sudo-i",
    "runuser",
    "runuser-l",
    "cron",
    "crond",
    "atd",
    "polkit-1",
    "systemd-user",
    "pkexec",
];

/// Programs that a user starts within a login session, and that act for that user alone. No daemon is among them: one that was started by
/// hand has the audit session of its starter, and people far away at its door.
const SESSION_PROGRAMS: [&str; 8] = [
    "sudo", "sudo-i", "su", "su-l", "doas", "polkit-1", "chsh", "chfn",
];

/// The value that sshd gives PAM_TTY before there is a terminal.
pub const SSHD_TTY: &[u8] = b"ssh";

/// The name of the service; `None` where there is none, or one that is not UTF-8.
pub fn name(transaction: &dyn PamTransaction) -> Option<String> {
    transaction
        .service()
        .and_then(|name| String::from_utf8(name).ok())
}

/// True for a service whose sessions are no logins.
pub fn is_quiet(service: &str) -> bool {
    QUIET_SERVICES.contains(&service)
}

/// True for the login of a person at a terminal, over ssh (under whatever name of its PAM service) or on Cockpit's page. What is granted to
/// logins is granted to no other service: sudo and su run at the wish of programs of the user, too.
pub fn is_login(transaction: &dyn PamTransaction) -> bool {
    let Some(service) = name(transaction) else {
        return false;
    };
    !is_quiet(&service)
        && (LOGIN_SERVICES.contains(&service.as_str())
            || transaction.tty().as_deref() == Some(SSHD_TTY))
}

/// True where users are told of changes of their factor: not in a program within a session, whose login has told them.
pub fn tells_changes(transaction: &dyn PamTransaction) -> bool {
    let service = transaction.service().unwrap_or_default();
    !is_local(transaction) && !is_quiet(&String::from_utf8_lossy(&service))
}

/// True in sshd, under whatever name of its PAM service.
pub fn is_sshd(transaction: &dyn PamTransaction) -> bool {
    transaction.service().as_deref() == Some(b"sshd")
        || transaction.tty().as_deref() == Some(SSHD_TTY)
}

/// True for a program that a user starts within a login session. A service without a readable name is none.
fn is_local(transaction: &dyn PamTransaction) -> bool {
    let is_listed = |name: &str| SESSION_PROGRAMS.contains(&name);
    name(transaction).is_some_and(|name| is_listed(&name))
}

/// The part of this login in the sessions of this machine. Only listed services can be within one, only where the holder of the record
/// called them, and only without a remote host: most daemons set none.
pub fn session_role(
    transaction: &dyn PamTransaction,
    policy: &Policy,
    holder: &Account,
) -> SessionRole {
    let is_within = || {
        policy.grace_session != 0
            && is_local(transaction)
            && transaction.rhost().is_none_or(|rhost| rhost.is_empty())
            && is_caller(transaction, process::real_uid(), holder)
    };
    if is_login(transaction) {
        SessionRole::Begins
    } else if is_within() {
        SessionRole::Within
    } else {
        SessionRole::Apart
    }
}

/// True if a user called this program, whose real uid is given. The programs of other users that sudo and su start in a session have its
/// number all the same. su, doas, chsh, chfn and polkit's helper keep the real uid of their caller; sudo has root's by now, and names the
/// caller in `PAM_RUSER`, as su and doas do, too. Where that names another user, or one that cannot be looked up, it is not this one.
fn is_caller(transaction: &dyn PamTransaction, real_uid: u32, user: &Account) -> bool {
    match transaction.ruser().filter(|name| !name.is_empty()) {
        None => real_uid == user.uid,
        Some(name) => {
            let is_kept_or_given_up = real_uid == 0 || real_uid == user.uid;
            let named = || accounts::by_bytes(&name).ok().flatten();
            is_kept_or_given_up && named().is_some_and(|named| named.uid == user.uid)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tests::stage::StagedTransaction;

    use SessionRole::{Apart, Begins, Within};

    const GRACED: &str = "enabled = true\ngrace_session = 300\n";

    fn account(uid: u32) -> Account {
        let name = "alice".into();
        Account { name, uid, gid: 7 }
    }

    /// The role of a login that the user of this process has asked for.
    fn role_of(stage: &StagedTransaction) -> SessionRole {
        let policy = GRACED.parse().unwrap();
        session_role(stage, &policy, &account(process::real_uid()))
    }

    #[test]
    fn only_the_holders_own_programs_are_within() {
        let daemon = accounts::by_name("daemon").unwrap().unwrap().uid;
        for (ruser, real_uid, holder, is_own) in [
            (None, daemon, daemon, true),
            (None, 7_000_000, daemon, false),
            (None, 0, daemon, false),
            (Some(""), daemon, daemon, true),
            (Some("daemon"), 0, daemon, true),
            (Some("daemon"), daemon, daemon, true),
            (Some("root"), daemon, daemon, false),
            (Some("root"), 0, daemon, false),
            (Some("root"), 0, 0, true),
            (Some("daemon"), 7_000_000, daemon, false),
            (Some("no-such-user-here"), 0, daemon, false),
        ] {
            let mut stage = StagedTransaction::new(GRACED);
            stage.ruser = ruser.map(Into::into);
            let found = is_caller(&stage, real_uid, &account(holder));
            assert_eq!(found, is_own, "{ruser:?}, {real_uid}, {holder}");
        }
        let mut stage = StagedTransaction::new(GRACED);
        stage.service = Some("su".into());
        let holder = account(process::real_uid());
        for (text, role) in [(GRACED, Within), ("enabled = true\n", Apart)] {
            let policy = text.parse().unwrap();
            assert_eq!(session_role(&stage, &policy, &holder), role, "{text}");
        }
    }

    #[test]
    fn a_login_is_no_change_of_user() {
        for (service, tty, role) in [
            ("sshd", "ssh", Begins),
            ("ssh-inside", "ssh", Begins),
            ("login", "tty1", Begins),
            ("cockpit", "", Begins),
            ("su", "ssh", Within),
            ("sudo", "pts/0", Within),
            ("sudo-i", "pts/0", Within),
            ("doas", "", Within),
            ("polkit-1", "", Within),
            ("chsh", "pts/0", Within),
            ("cron", "cron", Apart),
            ("imap", "", Apart),
            ("nginx", "", Apart),
            ("i3lock", "", Apart),
            ("vlock", "tty1", Apart),
            ("SUDO", "pts/0", Apart),
            ("", "", Apart),
        ] {
            let mut stage = StagedTransaction::new("enabled = true\n");
            stage.service = Some(service.into());
            stage.tty = Some(tty.into());
            assert_eq!(is_login(&stage), role == Begins, "{service} {tty}");
            for (rhost, is_here) in [
                (None, true),
                (Some(""), true),
                (Some("192.0.2.1"), false),
                (Some("UNKNOWN"), false),
            ] {
                stage.rhost = rhost.map(Into::into);
                let expected = if is_here || role == Begins {
                    role
                } else {
                    Apart
                };
                assert_eq!(role_of(&stage), expected, "{service} {rhost:?}");
            }
        }
    }

    #[test]
    fn programs_in_a_session_tell_no_changes() {
        for (service, is_told) in [
            ("sshd", true),
            ("login", true),
            ("gdm-password", true),
            ("su", false),
            ("su-l", false),
            ("sudo", false),
            ("doas", false),
            ("chsh", false),
            ("polkit-1", false),
            ("cron", false),
        ] {
            let mut stage = StagedTransaction::new("enabled = true\n");
            stage.service = Some(service.into());
            assert_eq!(tells_changes(&stage), is_told, "{service}");
        }
    }

    #[test]
    fn a_service_without_a_name_is_no_login() {
        for service in [None, Some(b"su\xff".to_vec())] {
            let mut nameless = StagedTransaction::new("enabled = true\n");
            nameless.service = service;
            assert_eq!(role_of(&nameless), Apart);
        }
        let mut nameless = StagedTransaction::new("enabled = true\n");
        nameless.service = None;
        nameless.tty = Some(SSHD_TTY.into());
        assert!(!is_login(&nameless));
    }
}
