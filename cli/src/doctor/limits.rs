//! What is left of a login where the program in front cannot do what the policy and the stack ask for.
#![forbid(unsafe_code)]

use super::callers::Caller;
use super::logins::{Demanded, Ends, Way, Why, one_answer};

/// What becomes of a demand of the policy, which every account may read, where records may be read by root alone.
pub const fn demanded(caller: Caller, demanded: Demanded, uid: u32) -> Demanded {
    let why = match caller {
        // root's own screen is unlocked by root.
        Caller::User if uid != 0 => Why::RunsAsUser,
        Caller::Account(_) => Why::NotRoot,
        _ => return demanded,
    };
    match demanded {
        Demanded::Nothing(Why::Disabled | Why::ServiceOff | Why::Exempt) => demanded,
        _ => Demanded::Refused(why),
    }
}

/// What becomes of the questions of a stack.
pub fn way(caller: Caller, pam: Way, demanded: Demanded) -> Way {
    match caller {
        Caller::OneAnswer if pam.asks.len() > 1 => one_answer(&pam, demanded, Why::OneAnswer),
        // A file that libpam cannot use stops such a program as well.
        Caller::NoAuth if pam.why != Some(Why::Stack) => {
            Way::new(&[], Ends::In, Some(Why::NeverAsked))
        }
        _ => pam,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_root_only_the_policy_decides() {
        let user = |given| demanded(Caller::User, given, 1000);
        for why in [Why::Disabled, Why::ServiceOff, Why::Exempt] {
            assert_eq!(user(Demanded::Nothing(why)), Demanded::Nothing(why));
        }
        let refused = Demanded::Refused(Why::RunsAsUser);
        assert_eq!(user(Demanded::Nothing(Why::NoDevice)), refused);
        assert_eq!(user(Demanded::Code), refused);
        assert_eq!(demanded(Caller::User, Demanded::Code, 0), Demanded::Code);
        assert_eq!(
            demanded(Caller::Account("postgres"), Demanded::Code, 0),
            Demanded::Refused(Why::NotRoot)
        );
        let root = demanded(Caller::OneAnswer, Demanded::Code, 1000);
        assert_eq!(root, Demanded::Code);
    }

    #[test]
    fn one_answer_is_refused_where_two_are_asked_for() {
        let asked = |asks: &[&'static str], demanded| {
            let pam = Way::new(asks, Ends::In, None);
            let way = way(Caller::OneAnswer, pam, demanded);
            (way.asks, way.result, way.why)
        };
        let two = ["password", "code"];
        let refused = (vec!["password"], Ends::Refused, Some(Why::OneAnswer));
        assert_eq!(asked(&two, Demanded::Code), refused);
        for one in ["password-and-code", "code"] {
            assert_eq!(asked(&[one], Demanded::Code), (vec![one], Ends::In, None));
        }
        let password = (vec!["password"], Ends::In, None);
        assert_eq!(
            asked(&["password"], Demanded::Nothing(Why::NoDevice)),
            password
        );
        assert_eq!(asked(&two, Demanded::Uniform(Ends::In)), password);
    }
}
