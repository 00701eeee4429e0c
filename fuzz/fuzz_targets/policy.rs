//! Policies: an error says where, in one line to log; what is accepted keeps its limits and is shown as it is.
#![no_main]

use libfuzzer_sys::fuzz_target;
use twofactor_command::fuzzing::shown;
use twofactor_core::account::Account;
use twofactor_core::policy::decision::{self, LoginRequest, PolicyDecision};
use twofactor_core::policy::{self, Policy, PolicyError, rhost_address};

fuzz_target!(|bytes: &[u8]| {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return;
    };
    match policy::parse(text) {
        Ok(policy) => accepted(&policy, text),
        Err(error) => refused(&error, text),
    }
    if let Some(address) = rhost_address(text) {
        assert_eq!(rhost_address(&address.to_string()), Some(address));
    }
});

fn accepted(policy: &Policy, text: &str) {
    let again = policy::parse(&shown(policy));
    // The text that is shown names the services that are on by their sibling, too.
    let mut named = policy.clone();
    named.services.named = policy.own_services();
    assert_eq!(again, Ok(named), "{text:?}");
    let throttle = &policy.throttle;
    assert!(policy.window <= policy::MAX_WINDOW && (1..=10).contains(&policy.tries));
    assert!((1..=throttle.max_lockout).contains(&throttle.lockout) && throttle.attempts > 0);
    assert!(throttle.max_failures == 0 || throttle.max_failures >= throttle.attempts);
    // No user but those it names is exempt.
    let stranger = Account {
        name: "no such user\n".to_owned(),
        uid: 1000,
        gid: 1000,
    };
    let request = LoginRequest {
        account: Some(&stranger),
        service: "no service\n",
        address: None,
    };
    let decided = decision::decide(policy, &request, &mut |_| false);
    let exempt = matches!(decided, Err(PolicyDecision::Exempt(_)));
    assert!(!exempt, "{text:?}");
}

fn refused(error: &PolicyError, text: &str) {
    let line = text
        .split('\n')
        .nth(error.line - 1)
        .expect("within the text");
    assert!(
        (1..=line.chars().count() + 1).contains(&error.column),
        "{error}: {text:?}"
    );
    let message = &error.message;
    assert!(!message.is_empty() && message.len() < 1000, "{error}");
    assert!(!message.chars().any(char::is_control), "{message:?}");
}
