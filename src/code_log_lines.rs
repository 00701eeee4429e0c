//! The log lines about what kept a code from being compared, and their hints; those of a verdict are `core`'s.

use rustix::io::Errno;
use twofactor_protocol::reply::{ReplyError, ServiceError};
use twofactor_store::FileFault;
use twofactor_store::account_rules::{UnansweredName, UnusableGroup};
use twofactor_store::attempt::AttemptFailure;
use twofactor_store::daemon_client::DaemonFault;
use twofactor_store::sys::file::FileError;
use twofactor_store::sys::process;

use twofactor_core::log::event::LoginEvent;
use twofactor_core::log::log_line::LogLine;
use twofactor_core::log::unusable_name;

/// Completes the line about a login that could not be judged, at this PAM service.
#[must_use]
pub fn failed(line: LogLine, failure: &AttemptFailure, service: &[u8]) -> LogLine {
    let line = line.result(LoginEvent::Error).saying("error", failure);
    match hint(failure, service, process::ordinary_uid()) {
        Some(hint) => line.saying("hint", &hint),
        None => line,
    }
}

/// The hint against a failure, in a program that runs as this uid, if it is not root's.
fn hint(failure: &AttemptFailure, service: &[u8], uid: Option<u32>) -> Option<String> {
    match uid {
        Some(uid) if is_denied(failure) || is_foreign(failure) => Some(not_root(uid, service)),
        _ => failure.hint().map(|hint| hint.to_string()),
    }
}

/// True if the system refused to open a file, such as a policy that only root may read.
const fn is_denied(failure: &AttemptFailure) -> bool {
    let AttemptFailure::Store(error) = failure else {
        return false;
    };
    matches!(
        error.cause,
        FileFault::File(FileError::System(_, Errno::ACCESS | Errno::PERM))
    )
}

/// True if a program that runs as one user asked about another.
const fn is_foreign(failure: &AttemptFailure) -> bool {
    let AttemptFailure::Daemon(error) = failure else {
        return false;
    };
    matches!(
        error.cause,
        DaemonFault::Reply(ReplyError::Service(ServiceError::NotYours))
    )
}

/// A web server that asks PAM by itself about its users can be told nothing of them.
fn not_root(uid: u32, service: &[u8]) -> String {
    let name = plain(service);
    format!("this program runs as uid {uid}: twofactor disable --service {name}")
}

/// Completes the line about a group of `[[exempt]]` that has no members.
#[must_use]
pub fn unusable_group(line: LogLine, group: &UnusableGroup) -> LogLine {
    unusable_name::unusable_group(line, &group.name, &group.fault)
}

/// Completes the line about a name of `[[require]]` that cannot be looked up.
#[must_use]
pub fn unanswered_name(line: LogLine, unanswered: &UnansweredName) -> LogLine {
    line.result(LoginEvent::RequirementUnknown)
        .with(unanswered.kind, &unanswered.name)
        .saying("error", &unanswered.error)
        .saying(
            "hint",
            &"users without a device are taken for those that it names; see nsswitch.conf",
        )
}

/// Advice for a service where the question for the code was answered with the password.
pub fn password_as_code(service: &[u8]) -> String {
    let given = "the password was given as the code";
    match service {
        [b's', b's', b'h', b'd', ..] => format!(
            "{given}; in sshd_config, PasswordAuthentication must be no and KbdInteractiveAuthentication yes"
        ),
        b"sudo" | b"sudo-i" => {
            format!("{given}; nothing to do when it was Cockpit, which tries sudo so at each login")
        }
        _ => format!(
            "{given}; a program that gives one answer to all questions needs the lines of \
             pam.d/sshd-password-and-code-in-one-field, or: twofactor disable --service {}",
            plain(service)
        ),
    }
}

/// A name that a shell takes as one word, to be copied; of any other it is left to the reader to write it.
fn plain(service: &[u8]) -> &str {
    let is_plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"-_.".contains(byte);
    let starts = service.first().is_some_and(u8::is_ascii_alphanumeric);
    std::str::from_utf8(service)
        .ok()
        .filter(|name| starts && name.len() <= 64 && name.bytes().all(|byte| is_plain(&byte)))
        .unwrap_or("SERVICE")
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use twofactor_store::StoreError;
    use twofactor_store::account_rules::GroupFault;
    use twofactor_store::daemon_client::DaemonClient;

    #[test]
    fn what_only_root_may_do_names_the_uid_of_the_program() {
        let of_file = |errno| -> AttemptFailure {
            let cause = FileFault::File(FileError::System("open", errno));
            let path = "/etc/security/twofactor.toml".into();
            StoreError { path, cause }.into()
        };
        let of_daemon = |error| -> AttemptFailure {
            let client = DaemonClient::new(Path::new("/run/daemon"), "alice");
            client.error(ReplyError::Service(error)).into()
        };
        for (failure, is_roots) in [
            (of_file(Errno::ACCESS), true),
            (of_file(Errno::PERM), true),
            (of_file(Errno::IO), false),
            (of_daemon(ServiceError::NotYours), true),
            (of_daemon(ServiceError::Busy), false),
        ] {
            let own = failure.hint().map(|hint| hint.to_string());
            let expected = if is_roots {
                Some(not_root(33, b"nginx"))
            } else {
                own.clone()
            };
            assert_eq!(hint(&failure, b"nginx", Some(33)), expected, "{failure}");
            assert_eq!(hint(&failure, b"nginx", None), own, "{failure}");
        }
    }

    #[test]
    fn a_group_without_members_is_named_with_its_fault() {
        let group = UnusableGroup {
            name: "robots".to_owned(),
            fault: GroupFault::Unknown,
        };
        let line = unusable_group(LogLine::about(b"alice", b""), &group);
        let said =
            "user=alice rhost= result=unusable-group group=robots error=\"there is no such group\"";
        assert!(line.as_str().starts_with(said), "{}", line.as_str());
    }

    #[test]
    fn a_name_without_an_answer_is_named_with_its_kind() {
        let silent = std::io::Error::from_raw_os_error(Errno::IO.raw_os_error());
        let name = UnansweredName {
            kind: "group",
            name: "staff".to_owned(),
            error: silent.into(),
        };
        let line = unanswered_name(LogLine::about(b"alice", b""), &name);
        let said = "user=alice rhost= result=requirement-unknown group=staff error=";
        assert!(line.as_str().starts_with(said), "{}", line.as_str());
    }

    #[test]
    fn who_is_not_root_reads_its_uid_and_a_plain_service() {
        let hint = "this program runs as uid 33: twofactor disable --service ";
        for (service, shown) in [
            (&b"nginx"[..], "nginx"),
            (b"my-app_2.d", "my-app_2.d"),
            (b"a;reboot", "SERVICE"),
            (b"\xff", "SERVICE"),
            (b"", "SERVICE"),
        ] {
            assert_eq!(not_root(33, service), format!("{hint}{shown}"));
        }
    }

    #[test]
    fn the_password_as_code_has_a_cause_by_service() {
        for (service, has, has_not) in [
            ("sshd", "PasswordAuthentication", "Cockpit"),
            ("sshd-2", "PasswordAuthentication", "Cockpit"),
            ("sudo", "Cockpit", "sshd"),
            ("sudo-i", "Cockpit", "sshd"),
            (
                "dovecot",
                "or: twofactor disable --service dovecot",
                "Cockpit",
            ),
            ("xrdp-sesman", "one-field, or: twofactor", "sshd_config"),
            ("", "disable --service SERVICE", "Cockpit"),
            ("-x", "disable --service SERVICE", "Cockpit"),
            ("a;reboot", "disable --service SERVICE", "reboot"),
        ] {
            let hint = password_as_code(service.as_bytes());
            assert!(
                hint.contains(has) && !hint.contains(has_not),
                "{service}: {hint}"
            );
        }
    }
}
