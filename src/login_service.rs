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

/// The value that sshd gives PAM_TTY before there is a terminal.
pub const SSHD_TTY: &[u8] = b"ssh";

/// True for a service whose sessions are no logins.
pub fn is_quiet(service: &str) -> bool {
    QUIET_SERVICES.contains(&service)
}

/// True for the login of a person at a terminal, over ssh (under whatever name of its PAM service) or on Cockpit's page. What is granted to
/// logins is granted to no other service: sudo and su run at the wish of programs of the user, too.
pub fn is_login(host: &dyn PamTransaction) -> bool {
    let Some(service) = host.service().and_then(|name| String::from_utf8(name).ok()) else {
        return false;
    };
    !is_quiet(&service)
        && (LOGIN_SERVICES.contains(&service.as_str()) || host.tty().as_deref() == Some(SSHD_TTY))
}

/// True in sshd, under whatever name of its PAM service.
pub fn is_sshd(host: &dyn PamTransaction) -> bool {
    host.service().as_deref() == Some(b"sshd") || host.tty().as_deref() == Some(SSHD_TTY)
}

/// The part of this login in the sessions of this machine. Programs on this machine have no remote host.
pub fn session_role(host: &dyn PamTransaction) -> SessionRole {
    if is_login(host) {
        SessionRole::Begins
    } else if host.rhost().is_none_or(|rhost| rhost.is_empty()) {
        SessionRole::Within
    } else {
        SessionRole::Apart
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tests::stage::Stage;

    #[test]
    fn a_login_is_no_change_of_user() {
        for (service, tty, expected) in [
            ("sshd", "ssh", true),
            ("ssh-inside", "ssh", true),
            ("login", "tty1", true),
            ("cockpit", "", true),
            ("su", "ssh", false),
            ("sudo", "pts/0", false),
            ("cron", "cron", false),
            ("polkit-1", "", false),
            ("chsh", "pts/0", false),
            ("i3lock", "", false),
        ] {
            let mut stage = Stage::new("enabled = true\n");
            stage.service = Some(service.into());
            stage.tty = Some(tty.into());
            assert_eq!(is_login(&stage), expected, "{service} {tty}");
            for (rhost, elsewhere) in [
                (None, SessionRole::Within),
                (Some(""), SessionRole::Within),
                (Some("192.0.2.1"), SessionRole::Apart),
                (Some("UNKNOWN"), SessionRole::Apart),
            ] {
                stage.rhost = rhost.map(Into::into);
                let role = if expected {
                    SessionRole::Begins
                } else {
                    elsewhere
                };
                assert_eq!(session_role(&stage), role, "{service} {rhost:?}");
            }
        }
        let mut nameless = Stage::new("enabled = true\n");
        nameless.service = None;
        nameless.tty = Some(SSHD_TTY.into());
        assert!(!is_login(&nameless));
    }
}
