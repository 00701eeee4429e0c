//! The rest of a login where the program in front cannot do what the policy and the stack ask for.

use super::daemon_check::DaemonPresence;
use super::login_forecast::{LoginPath, LoginReason, LoginResult, PolicyDemand, one_answer};
use super::pam_programs::PamProgram;

/// The effect of a demand of the policy, which every account may read, where records may be read by root alone.
pub const fn demanded(
    (program, daemon): (PamProgram, DaemonPresence),
    demanded: PolicyDemand,
    uid: u32,
) -> PolicyDemand {
    let why = match program {
        // root's own screen is unlocked by root.
        PamProgram::User | PamProgram::UserOneField if uid != 0 => match (daemon, demanded) {
            (DaemonPresence::Missing, _) => LoginReason::RunsAsUser,
            // No device is given out there.
            (DaemonPresence::Listening, PolicyDemand::Nothing(LoginReason::MustEnroll)) => {
                LoginReason::NoDevice
            }
            (DaemonPresence::Listening, _) => return demanded,
        },
        PamProgram::Account(_) => LoginReason::NotRoot,
        PamProgram::Verifier(_) => match (daemon, demanded) {
            (DaemonPresence::Missing, _) => LoginReason::RunsAsUser,
            // That another user has no device lets no user in.
            (DaemonPresence::Listening, PolicyDemand::Nothing(_)) => LoginReason::NoDevice,
            (DaemonPresence::Listening, _) => return demanded,
        },
        _ => return demanded,
    };
    match demanded {
        PolicyDemand::Nothing(
            LoginReason::Disabled | LoginReason::ServiceOff | LoginReason::Exempt,
        ) => demanded,
        _ => PolicyDemand::Refused(why),
    }
}

/// The effect on the questions of a stack.
pub fn way(program: PamProgram, pam: LoginPath, demanded: PolicyDemand) -> LoginPath {
    match program {
        PamProgram::OneAnswer | PamProgram::UserOneField if pam.asks.len() > 1 => {
            one_answer(&pam, demanded, LoginReason::OneAnswer)
        }
        // One that is not named is refused whatever it asks.
        PamProgram::Account(_) if demanded == PolicyDemand::Code && pam.asks.len() > 1 => {
            one_answer(&pam, demanded, LoginReason::OneAnswer)
        }
        // A file that libpam cannot use stops such a program as well.
        PamProgram::NoAuth if pam.why != Some(LoginReason::Stack) => {
            LoginPath::new(&[], LoginResult::In, Some(LoginReason::NeverAsked))
        }
        _ => pam,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_root_only_the_policy_decides() {
        let user = |given| demanded((PamProgram::User, DaemonPresence::Missing), given, 1000);
        for why in [
            LoginReason::Disabled,
            LoginReason::ServiceOff,
            LoginReason::Exempt,
        ] {
            assert_eq!(user(PolicyDemand::Nothing(why)), PolicyDemand::Nothing(why));
        }
        let refused = PolicyDemand::Refused(LoginReason::RunsAsUser);
        assert_eq!(user(PolicyDemand::Nothing(LoginReason::NoDevice)), refused);
        assert_eq!(user(PolicyDemand::Code), refused);
        assert_eq!(
            demanded(
                (PamProgram::User, DaemonPresence::Missing),
                PolicyDemand::Code,
                0
            ),
            PolicyDemand::Code
        );
        assert_eq!(
            demanded(
                (PamProgram::Account("postgres"), DaemonPresence::Listening),
                PolicyDemand::Code,
                0
            ),
            PolicyDemand::Refused(LoginReason::NotRoot)
        );
        let root = demanded(
            (PamProgram::OneAnswer, DaemonPresence::Missing),
            PolicyDemand::Code,
            1000,
        );
        assert_eq!(root, PolicyDemand::Code);
        let verifier =
            |daemon, given| demanded((PamProgram::Verifier("postgres"), daemon), given, 1000);
        let (here, away) = (DaemonPresence::Listening, DaemonPresence::Missing);
        let no_device = PolicyDemand::Nothing(LoginReason::NoDevice);
        assert_eq!(verifier(here, PolicyDemand::Code), PolicyDemand::Code);
        assert_eq!(verifier(away, PolicyDemand::Code), refused);
        let denied = PolicyDemand::Refused(LoginReason::NoDevice);
        assert_eq!(verifier(here, no_device), denied);
        let exempt = PolicyDemand::Nothing(LoginReason::Exempt);
        assert_eq!(verifier(here, exempt), exempt);
        let asked = |given| demanded((PamProgram::User, DaemonPresence::Listening), given, 1000);
        assert_eq!(asked(PolicyDemand::Code), PolicyDemand::Code);
        let none = PolicyDemand::Nothing(LoginReason::NoDevice);
        assert_eq!(asked(none), none);
        let must = PolicyDemand::Nothing(LoginReason::MustEnroll);
        assert_eq!(asked(must), PolicyDemand::Refused(LoginReason::NoDevice));
    }

    #[test]
    fn one_answer_is_refused_where_two_are_asked_for() {
        let asked = |asks: &[&'static str], demanded| {
            let pam = LoginPath::new(asks, LoginResult::In, None);
            let way = way(PamProgram::OneAnswer, pam, demanded);
            (way.asks, way.result, way.why)
        };
        let two = ["password", "code"];
        let refused = (
            vec!["password"],
            LoginResult::Refused,
            Some(LoginReason::OneAnswer),
        );
        assert_eq!(asked(&two, PolicyDemand::Code), refused);
        for one in ["password-and-code", "code"] {
            assert_eq!(
                asked(&[one], PolicyDemand::Code),
                (vec![one], LoginResult::In, None)
            );
        }
        let password = (vec!["password"], LoginResult::In, None);
        assert_eq!(
            asked(&["password"], PolicyDemand::Nothing(LoginReason::NoDevice)),
            password
        );
        assert_eq!(
            asked(&two, PolicyDemand::Uniform(LoginResult::In)),
            password
        );
    }
}
