//! Logins on Cockpit's login page with password and code: real cockpit-ws, Chromium, libpam, and the stack `pam.d/cockpit`.
#![forbid(unsafe_code)]

mod common;

use common::{enrolled, logged, machine};
use harness::{Machine, PASSWORD, Page};

fn desk() -> Machine {
    let machine = machine();
    machine.install_stack("cockpit");
    machine
}

/// The page with the field for the code.
fn asks_for_the_code(message: Option<&str>) -> Page {
    Page::Question {
        message: message.map(str::to_owned),
        prompt: "Verification code:".to_owned(),
        hidden: true,
    }
}

#[test]
fn r14_the_login_page_asks_for_the_code_after_the_password() {
    let machine = desk();
    let phone = enrolled(&machine, "alice");
    let cockpit = machine.cockpit();
    let page = cockpit.login_page();
    assert_eq!(page.login("alice", PASSWORD), asks_for_the_code(None));
    let code = phone.code();
    assert_eq!(page.answer(&code), Page::In("alice".to_owned()));
    assert!(
        ![PASSWORD, &code]
            .iter()
            .any(|said| cockpit.log().contains(said))
    );
    assert_eq!(
        logged(&machine, "cockpit:auth"),
        ["user=alice rhost=127.0.0.1 result=accepted device=phone offset=0"]
    );
}

#[test]
fn a_wrong_code_or_password_is_refused() {
    let machine = desk();
    let phone = enrolled(&machine, "alice");
    let cockpit = machine.cockpit();
    let page = cockpit.login_page();
    assert_eq!(
        page.login("alice", "guess"),
        Page::Form("Wrong user name or password".to_owned())
    );
    assert_eq!(logged(&machine, "cockpit:auth"), [""; 0]);
    page.open();
    assert_eq!(page.login("alice", PASSWORD), asks_for_the_code(None));
    let wrong = phone.wrong_code();
    for _ in 0..2 {
        assert_eq!(page.answer(&wrong), asks_for_the_code(Some("Wrong code.")));
    }
    assert_eq!(
        page.answer(&wrong),
        Page::DeadEnd("Authentication failed: internal-error: Wrong code.".to_owned())
    );
    assert_eq!(
        logged(&machine, "cockpit:auth"),
        ["user=alice rhost=127.0.0.1 result=wrong"; 3]
    );
    // Nobody is in: the page asks for everything again, and the right code still counts.
    page.open();
    assert_eq!(page.login("alice", PASSWORD), asks_for_the_code(None));
    assert_eq!(page.answer(&phone.code()), Page::In("alice".to_owned()));
}

#[test]
fn r26_without_a_device_the_password_is_enough() {
    let machine = desk();
    machine.add_user("bob");
    let cockpit = machine.cockpit();
    let page = cockpit.login_page();
    assert_eq!(page.login("bob", PASSWORD), Page::In("bob".to_owned()));
}
