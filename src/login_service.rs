//! The services whose PAM transaction is the login of a person.

use twofactor_core::policy::LOGIN_SERVICES;
use twofactor_store::attempt::SessionRole;

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

/// The part of this login in the sessions of this machine. Only listed services can be within one, and only without a remote host: most
/// daemons set none.
pub fn session_role(transaction: &dyn PamTransaction) -> SessionRole {
    if is_login(transaction) {
        SessionRole::Begins
    } else if is_local(transaction) && transaction.rhost().is_none_or(|rhost| rhost.is_empty()) {
        SessionRole::Within
    } else {
        SessionRole::Apart
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tests::stage::StagedTransaction;

    use SessionRole::{Apart, Begins, Within};

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
                assert_eq!(session_role(&stage), expected, "{service} {rhost:?}");
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
            assert_eq!(session_role(&nameless), Apart);
        }
        let mut nameless = StagedTransaction::new("enabled = true\n");
        nameless.service = None;
        nameless.tty = Some(SSHD_TTY.into());
        assert!(!is_login(&nameless));
    }
}
