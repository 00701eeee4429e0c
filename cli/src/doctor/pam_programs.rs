//! Programs that are known by their PAM services, and that cannot ask for a code, or not after the password.

use twofactor_core::policy::Policy;
use twofactor_protocol::SOCKET;

use super::daemon_check::DaemonPresence;
use super::doctor_finding::DoctorFinding;
use super::pam::ReturnCode;
use super::stack_simulation::{SimulatedLogin, StackSimulation};
use crate::example_files;

/// The example with password and code in one field.
const ONE_FIELD: &str = "sshd-password-and-code-in-one-field";
/// xsecurelock has no service of its own: Debian and Fedora build it with the file that services take in.
pub const XSECURELOCK: &str = "/usr/libexec/xsecurelock/authproto_pam";
/// These files.
pub const OF_XSECURELOCK: [&str; 2] = ["common-auth", "system-auth"];

/// Programs of the user who unlocks the screen or the terminal.
const OF_THE_USER: [&str; 15] = [
    "swaylock",
    "i3lock",
    "gtklock",
    "hyprlock",
    "waylock",
    "xscreensaver",
    "xsecurelock",
    "kde",
    "kscreenlocker",
    "mate-screensaver",
    "cinnamon-screensaver",
    "xfce4-screensaver",
    "gnome-screensaver",
    "budgie-screensaver",
    "screen",
];
/// Lockers with one field, whose text they give to every question, each with the service of its example.
const ONE_FIELD_LOCKERS: [(&str, &str); 3] = [
    ("i3lock", "i3lock"),
    ("swaylock", "swaylock"),
    ("gtklock", "swaylock"),
];
/// Servers that check others, and the accounts they run as.
const OF_AN_ACCOUNT: [(&str, &str); 5] = [
    ("nginx", "www-data or nginx"),
    ("apache2", "www-data"),
    ("httpd", "apache"),
    ("postgresql", "postgres"),
    ("radiusd", "radiusd or freerad"),
];
/// Programs of root that give the password to every question.
const ONE_ANSWER: [&str; 14] = [
    "dovecot",
    "vsftpd",
    "proftpd",
    "pure-ftpd",
    "cups",
    "sddm",
    "samba",
    "openvpn",
    "xrdp-sesman",
    "imap",
    "pop",
    "smtp",
    "sieve",
    "ppp",
];
/// Programs of root that run a job or a command for a user, and no auth lines.
const NO_AUTH: [&str; 5] = ["cron", "crond", "atd", "runuser", "runuser-l"];

/// Way in which a program calls PAM.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PamProgram {
    /// As the user who is asked, and may not read records and states: the daemon is asked.
    User,
    /// As a user, with one answer for all questions.
    UserOneField,
    /// As an account other than root that checks others.
    Account(&'static str),
    /// As `Account`, if the policy lets that account have codes of others judged by the daemon.
    Verifier(&'static str),
    /// As root, with one answer for all questions.
    OneAnswer,
    /// As root, and never for the auth lines.
    NoAuth,
}

impl PamProgram {
    /// The program of a service, if it is one of these.
    pub fn of(service: &str) -> Option<Self> {
        let account = OF_AN_ACCOUNT.iter().find(|(name, _)| *name == service);
        match service {
            _ if example_of(service).is_some() => Some(Self::UserOneField),
            _ if OF_THE_USER.contains(&service) => Some(Self::User),
            _ if ONE_ANSWER.contains(&service) => Some(Self::OneAnswer),
            _ if NO_AUTH.contains(&service) => Some(Self::NoAuth),
            _ => account.map(|(_, account)| Self::Account(account)),
        }
    }

    /// The program of a service under a policy, which may name its account.
    pub fn under(policy: &Policy, service: &str) -> Option<Self> {
        Self::of(service).map(|kind| match kind {
            Self::Account(account) if is_verifier(policy, account) => Self::Verifier(account),
            other => other,
        })
    }
}

/// A program that uses `service`, where its lines lead to the module and the policy is on for it.
pub fn check(
    simulation: &StackSimulation<'_>,
    (program, kind): (&str, PamProgram),
    service: &str,
    (policy, daemon): (&Policy, DaemonPresence),
) -> Option<DoctorFinding> {
    if !policy.asks_at(service) || is_exempt(policy, service) {
        return None;
    }
    let first = first_of_ours(simulation)?;
    let disable = format!("twofactor disable --service {service}");
    let refused = "every login there is refused, also of users without one";
    match kind {
        PamProgram::User | PamProgram::UserOneField if daemon == DaemonPresence::Missing => {
            Some(DoctorFinding::problem(
                "runs-as-user",
                service,
                format!(
                    "{program} runs as the user who unlocks it, and twofactord, which it has to ask about devices, does not \
                     listen at {SOCKET}: {refused}"
                ),
                format!(
                    "systemctl enable --now twofactord.socket, or: {disable} (then the password alone unlocks it)"
                ),
            ))
        }
        PamProgram::User => None,
        PamProgram::Account(account) => Some(DoctorFinding::problem(
            "runs-as-account",
            service,
            format!(
                "{program} runs as an account other than root ({account}), and only root may read who has a device: {refused}"
            ),
            format!(
                "Name the account in self_service.verifiers of the policy (see twofactor.toml(5)), or: {disable}"
            ),
        )),
        PamProgram::Verifier(account) if daemon == DaemonPresence::Missing => {
            Some(DoctorFinding::problem(
                "runs-as-account",
                service,
                format!(
                    "{program} runs as {account}, and twofactord, which it has to ask about devices, does not listen at \
                     {SOCKET}: {refused}"
                ),
                format!("systemctl enable --now twofactord.socket, or: {disable}"),
            ))
        }
        PamProgram::Verifier(_) | PamProgram::OneAnswer | PamProgram::UserOneField => {
            let module = simulation.module(first)?;
            let two_questions = !module.has("forward_pass") && !simulation.passwords().is_empty();
            two_questions.then(|| one_answer(program, service, &disable))
        }
        PamProgram::NoAuth => None,
    }
}

/// The first line of the module that a login with the right password reaches.
fn first_of_ours(simulation: &StackSimulation<'_>) -> Option<usize> {
    let ours = simulation.ours();
    simulation.ways().into_iter().find_map(|way| {
        let walk = simulation.walk(SimulatedLogin::new(way, ReturnCode::SUCCESS));
        walk.called.into_iter().find(|at| ours.contains(at))
    })
}

/// True if the policy lets one of these accounts (`www-data or nginx`) have codes of others judged.
fn is_verifier(policy: &Policy, accounts: &str) -> bool {
    let verifiers = &policy.self_service.verifiers;
    let mut accounts = accounts.split(" or ");
    accounts.any(|account| verifiers.iter().any(|one| one == account))
}

/// The example for a locker with one field.
fn example_of(service: &str) -> Option<&'static str> {
    let mut lockers = ONE_FIELD_LOCKERS.iter();
    lockers.find_map(|(name, example)| (*name == service).then_some(*example))
}

fn one_answer(program: &str, service: &str, disable: &str) -> DoctorFinding {
    let cause = format!(
        "{program} has one answer for all questions, so the password is taken for the code: users with a device are refused"
    );
    let example = example_of(service).unwrap_or(ONE_FIELD);
    let fix = format!(
        "Use the lines of {}, or: {disable}",
        example_files::file(example)
    );
    match service {
        // It depends on its own configuration, and on that of its clients.
        "openvpn" => {
            let fix = format!(
                "If a static challenge answers the question for the code, nothing. If not: {fix}"
            );
            DoctorFinding::warning("one-answer", service, cause, fix)
        }
        _ => DoctorFinding::problem("one-answer", service, cause, fix),
    }
}

/// True if an entry without another condition covers the service.
pub fn is_exempt(policy: &Policy, service: &str) -> bool {
    policy.exempt.iter().any(|entry| {
        entry.services().iter().any(|one| one == service)
            && entry.users().is_empty()
            && entry.groups().is_empty()
            && entry.networks().is_empty()
    })
}

#[cfg(test)]
mod tests {
    use super::super::doctor_finding::FindingLevel;
    use super::super::pam::{ConfigFile, ConfigFiles, read};
    use super::*;

    const UNIX: &str = "auth requisite pam_unix.so\n";
    const OURS: &str = "auth [success=ok ignore=ignore default=die] pam_twofactor.so\n";

    struct GivenStack(String);

    impl ConfigFiles for GivenStack {
        fn open(&self, _name: &str) -> Option<ConfigFile> {
            Some(ConfigFile {
                path: "/etc/pam.d/x".to_owned(),
                text: self.0.clone(),
            })
        }
    }

    fn found(service: &str, auth: &str, policy: &str) -> Option<DoctorFinding> {
        found_with(DaemonPresence::Missing, service, auth, policy)
    }

    fn found_with(
        daemon: DaemonPresence,
        service: &str,
        auth: &str,
        policy: &str,
    ) -> Option<DoctorFinding> {
        let stacks = read(&GivenStack(auth.to_owned()), service).unwrap();
        let simulation = StackSimulation {
            handlers: &stacks.auth,
            facts: None,
            found: &|_| true,
        };
        let policy: Policy = policy.parse().unwrap();
        check(
            &simulation,
            (service, PamProgram::under(&policy, service)?),
            service,
            (&policy, daemon),
        )
    }

    fn kind(service: &str, auth: &str, policy: &str) -> Option<&'static str> {
        found(service, auth, policy).map(|finding| finding.check)
    }

    #[test]
    fn each_kind_of_program_has_its_finding_and_its_cure() {
        let stack = format!("{UNIX}{OURS}");
        for (services, expected) in [
            (
                "swaylock i3lock gtklock hyprlock xscreensaver xsecurelock kde kscreenlocker screen",
                Some("runs-as-user"),
            ),
            ("nginx apache2 httpd postgresql", Some("runs-as-account")),
            (
                "dovecot vsftpd cups samba openvpn xrdp-sesman",
                Some("one-answer"),
            ),
            ("cron atd sshd", None),
        ] {
            for service in services.split(' ') {
                let found = found(service, &stack, "enabled = true");
                let check = found.as_ref().map(|finding| finding.check);
                assert_eq!(check, expected, "{service}");
                if let Some(found) = found {
                    let cure = format!("twofactor disable --service {service}");
                    assert!(found.fix.contains(&cure), "{}", found.fix);
                }
            }
        }
    }

    #[test]
    fn with_the_daemon_a_locker_needs_its_fields_only() {
        let on = "enabled = true";
        let kind = |service: &str, auth: &str| {
            let found = found_with(DaemonPresence::Listening, service, auth, on);
            found.map(|finding| (finding.check, finding.fix))
        };
        let two = format!("{UNIX}{OURS}");
        for service in ["xscreensaver", "kde"] {
            assert_eq!(kind(service, &two), None, "{service}");
        }
        for (service, example) in [
            ("i3lock", "i3lock"),
            ("swaylock", "swaylock"),
            ("gtklock", "swaylock"),
        ] {
            let (check, fix) = kind(service, &two).unwrap();
            assert_eq!(check, "one-answer");
            let lines = format!("Use the lines of {}, or", example_files::file(example));
            assert!(fix.contains(&lines), "{fix}");
        }
        let one = format!(
            "{}auth requisite pam_unix.so use_first_pass\n",
            OURS.replace(".so", ".so forward_pass")
        );
        assert_eq!(kind("i3lock", &one), None);
        assert_eq!(kind("nginx", &two).unwrap().0, "runs-as-account");
    }

    #[test]
    fn a_verifier_needs_the_daemon_and_one_question() {
        let policy = "enabled = true\n[self_service]\nverifiers = [\"www-data\"]";
        let one = format!(
            "{}auth requisite pam_unix.so use_first_pass\n",
            OURS.replace(".so", ".so forward_pass")
        );
        let check = |daemon, service, stack: &str| {
            let finding = found_with(daemon, service, stack, policy)?;
            Some((finding.check, finding.fix.contains("twofactord.socket")))
        };
        let (here, away) = (DaemonPresence::Listening, DaemonPresence::Missing);
        assert_eq!(check(here, "nginx", &one), None);
        assert_eq!(check(away, "nginx", &one), Some(("runs-as-account", true)));
        let two = format!("{UNIX}{OURS}");
        assert_eq!(check(here, "nginx", &two), Some(("one-answer", false)));
        // Another server's account is not named.
        let other = check(here, "postgresql", &one);
        assert_eq!(other, Some(("runs-as-account", false)));
    }

    #[test]
    fn what_never_comes_to_the_module_is_no_finding() {
        let stack = format!("{UNIX}{OURS}");
        assert_eq!(kind("i3lock", UNIX, "enabled = true"), None);
        let skipped = format!("auth sufficient pam_unix.so\n{OURS}");
        assert_eq!(kind("i3lock", &skipped, "enabled = true"), None);
        for policy in [
            "enabled = false",
            "enabled = true\n[services]\ni3lock = false",
            "enabled = true\n[services]\ndefault = false",
            "enabled = true\n[[exempt]]\nservices = [\"i3lock\"]",
        ] {
            assert_eq!(kind("i3lock", &stack, policy), None, "{policy}");
        }
        let some = "enabled = true\n[[exempt]]\nservices = [\"i3lock\"]\nusers = [\"alice\"]";
        assert_eq!(kind("i3lock", &stack, some), Some("runs-as-user"));
    }

    #[test]
    fn one_answer_is_enough_for_one_field() {
        let one_field = format!(
            "{}auth requisite pam_unix.so use_first_pass\n",
            OURS.replace(".so", ".so forward_pass")
        );
        assert_eq!(kind("vsftpd", &one_field, "enabled = true"), None);
        assert_eq!(kind("vsftpd", OURS, "enabled = true"), None);
        let behind = format!("{UNIX}{OURS}");
        let level = |service| found(service, &behind, "enabled = true").map(|found| found.level);
        assert_eq!(level("samba"), Some(FindingLevel::Problem));
        // Clients with a static challenge give another answer to each question.
        assert_eq!(level("openvpn"), Some(FindingLevel::Warning));
        assert_eq!(
            kind("vsftpd", &behind, "enabled = true"),
            Some("one-answer")
        );
    }
}
