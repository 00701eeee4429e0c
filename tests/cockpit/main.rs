//! Logins on Cockpit's login page with password and code, and the product's own page: real cockpit-ws, Chromium, libpam, and the stack `pam.d/cockpit`.
#![forbid(unsafe_code)]
#![cfg(test)]
#![allow(
    clippy::disallowed_methods,
    reason = "a variable says that the pictures are to be written anew"
)]

mod page;
mod session_grace;

use harness::logins::{enrolled, logged, machine, policy};
use harness::{LoginPage, Machine, PASSWORD, Page, Totp};
use serde_json::Value;

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
fn r14_the_page_asks_for_the_code_after_the_password() {
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
    for _ in 0..2 {
        let asked_again = asks_for_the_code(Some("Wrong code. (No phone? Type a recovery code.)"));
        assert_eq!(page.answer(&phone.wrong_code()), asked_again);
    }
    assert_eq!(
        page.answer(&phone.wrong_code()),
        Page::DeadEnd(
            "Authentication failed: internal-error: Wrong code. (No phone? Type a recovery code.)"
                .to_owned()
        )
    );
    assert_eq!(
        logged(&machine, "cockpit:auth"),
        ["user=alice rhost=127.0.0.1 result=wrong"; 3]
    );
    // No user is in: the page asks for everything again, and the right code still counts.
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

const OFFER: &str = "Two-factor login is available for your account. A login then needs, besides the password, a code from an \
    authenticator app on your phone, such as Aegis, FreeOTP or Google Authenticator. If you have none yet: skip this, \
    install one, and log in again. Set it up now? Type yes, or press Enter to skip:";
const DEMAND: &str = "Two-factor login is required here, and it is not set up for your account yet. A login needs, besides \
    the password, a code from an authenticator app on your phone, such as Aegis, FreeOTP or Google Authenticator.";
const BEGIN: &str = "To set it up now, have the app ready and press Enter:";
const INVITATION: &str = "Enrollment code from your administrator:";
const ANOTHER: &str = "Add a second device, as a backup? Type yes, or press Enter to finish:";

/// A machine with alice, who has no device, and these keys in its policy.
fn desk_with(keys: &str) -> Machine {
    let machine = desk();
    machine.add_user("alice");
    policy(&machine, &format!("{keys}\nissuer = \"example.org\""), "");
    machine
}

/// The label of a question whose field shows what is typed; there is nothing beside it.
fn question(page: Page) -> String {
    match page {
        Page::Question {
            message: None,
            prompt,
            hidden: false,
        } => prompt,
        other => panic!("{other:?}"),
    }
}

/// The whole text of the page that shows the key, but for the key.
fn key_of(shown: &str, question: &str) -> String {
    let (before, rest) = shown.split_once("(2) Key: ").expect("a key");
    let (key, rest) = rest.split_once(" (").expect("an end of the key");
    let bare = key.replace(' ', "");
    assert_eq!(
        before,
        "(1) In the authenticator app, add an entry and choose to type in a key. "
    );
    assert_eq!(
        rest,
        format!(
            "a password manager may want this address: \
             otpauth://totp/example.org:alice?secret={bare}&issuer=example.org ) {question}"
        )
    );
    bare
}

/// Types the key into an app and its code into the page; returns device and recovery codes.
fn sets_up(page: &LoginPage<'_>, shown: &str, question_for_code: &str) -> (Totp, Vec<String>) {
    let phone = Totp::new(&key_of(shown, question_for_code));
    phone.settle(10);
    let stored = question(page.answer(&phone.code()));
    let codes = stored
        .strip_prefix(
            "Done. From now on a login needs a code from this app, and a new one each time. Recovery codes, for when \
             the device is not at hand. Each works once, instead of a code. Write them down now; they are not shown \
             again: (1) ",
        )
        .and_then(|rest| rest.strip_suffix(&format!(" {ANOTHER}")))
        .unwrap_or_else(|| panic!("{stored}"));
    let codes = codes.split(" (").map(|code| match code.split_once(") ") {
        Some((_, code)) => code.to_owned(),
        None => code.to_owned(),
    });
    (phone, codes.collect())
}

fn devices(machine: &Machine) -> usize {
    let run = machine.command(&["status", "alice", "--json"]).ok();
    let report: Value = serde_json::from_str(&run.stdout).expect("JSON");
    report["users"][0]["devices"]
        .as_array()
        .expect("a list")
        .len()
}

#[test]
fn r15_r35_an_offered_device_is_set_up_on_the_page() {
    let machine = desk_with("enroll_at_login = \"offer\"");
    let cockpit = machine.cockpit();
    let page = cockpit.login_page();
    assert_eq!(question(page.login("alice", PASSWORD)), OFFER);
    let shown = question(page.answer("yes"));
    let (phone, recovery) = sets_up(&page, &shown, "Code that the app shows (Enter to skip):");
    assert_eq!(recovery.len(), 10);
    assert_eq!(page.answer(""), Page::In("alice".to_owned()));
    assert_eq!(
        logged(&machine, "cockpit:account"),
        ["user=alice rhost=127.0.0.1 result=enrolled device=phone"]
    );
    // With systemd it goes to the journal.
    let secrets = [phone.secret.as_str(), &recovery[0], "otpauth"];
    let log = cockpit.log();
    assert!(!secrets.iter().any(|secret| log.contains(secret)), "{log}");

    let page = cockpit.login_page();
    assert_eq!(page.login("alice", PASSWORD), asks_for_the_code(None));
    let offer = page.answer(&recovery[9]);
    let Page::Question {
        message: Some(told),
        prompt,
        hidden: false,
    } = offer
    else {
        panic!("{offer:?}");
    };
    assert!(told.contains("The device phone was added"), "{told}");
    assert!(prompt.contains("Set up a new device now?"), "{prompt}");
    assert_eq!(page.answer(""), Page::In("alice".to_owned()));
}

#[test]
fn the_code_counts_in_the_session_of_the_page() {
    let machine = desk();
    let phone = enrolled(&machine, "alice");
    policy(&machine, "grace_session = 60", "");
    let cockpit = machine.cockpit();
    let page = cockpit.login_page();
    assert_eq!(page.login("alice", PASSWORD), asks_for_the_code(None));
    assert_eq!(page.answer(&phone.code()), Page::In("alice".to_owned()));
    let begun = logged(&machine, "cockpit:session");
    assert_eq!(begun.len(), 1, "{begun:?}");
    assert!(begun[0].contains("result=session-grace session="));
}

#[test]
fn r35_an_offer_is_skipped_with_an_empty_field() {
    let machine = desk_with("enroll_at_login = \"offer\"");
    let cockpit = machine.cockpit();
    let page = cockpit.login_page();
    assert_eq!(question(page.login("alice", PASSWORD)), OFFER);
    assert_eq!(page.answer(""), Page::In("alice".to_owned()));
    assert_eq!(devices(&machine), 0);
}

#[test]
fn r17_a_mandatory_device_cannot_be_skipped() {
    let machine = desk_with("enroll_at_login = \"require\"");
    let cockpit = machine.cockpit();
    let page = cockpit.login_page();
    let demand = format!("{DEMAND} {BEGIN}");
    assert_eq!(question(page.login("alice", PASSWORD)), demand);
    key_of(&question(page.answer("")), "Code that the app shows:");
    assert_eq!(
        page.answer(""),
        Page::Form(
            "Two-factor login was not set up, so you cannot log in here. To set it up, log in again."
                .to_owned()
        )
    );
    assert_eq!(devices(&machine), 0);
    page.open();
    assert_eq!(question(page.login("alice", PASSWORD)), demand);
    let shown = question(page.answer(""));
    sets_up(&page, &shown, "Code that the app shows:");
    assert_eq!(page.answer(""), Page::In("alice".to_owned()));
    assert_eq!(devices(&machine), 1);
}

#[test]
fn an_invitation_is_asked_for_on_the_page_first() {
    let machine = desk_with("enroll_at_login = \"require\"\nenroll_needs_invite = true");
    let cockpit = machine.cockpit();
    let page = cockpit.login_page();
    assert_eq!(
        page.login("alice", PASSWORD),
        Page::Form(
            "Two-factor login is required here, and to set it up you need an enrollment code. Ask your administrator for one."
                .to_owned()
        )
    );
    let run = machine.command(&["invite", "alice", "--json"]).ok();
    let report: Value = serde_json::from_str(&run.stdout).expect("JSON");
    page.open();
    assert_eq!(
        question(page.login("alice", PASSWORD)),
        format!("{DEMAND} {INVITATION}")
    );
    assert_eq!(
        question(page.answer("AAAA-AAAA-AAAA-AAAA")),
        format!("Wrong code. {INVITATION}")
    );
    let shown = question(page.answer(report["code"].as_str().expect("a code")));
    sets_up(&page, &shown, "Code that the app shows:");
    assert_eq!(page.answer(""), Page::In("alice".to_owned()));
    assert_eq!(devices(&machine), 1);
}

/// Without the question Cockpit would say that the password was wrong.
#[test]
fn r17_the_page_says_why_a_login_is_refused() {
    let machine = desk_with("enforcement = \"mandatory\"");
    let cockpit = machine.cockpit();
    let page = cockpit.login_page();
    assert_eq!(
        question(page.login("alice", PASSWORD)),
        "Two-factor login is required here, and it is not set up for your account yet. Ask your administrator to do that. \
         Press Enter to go back:"
    );
    // Later versions of Cockpit say nothing more.
    let refused = page.answer("yes");
    let ends = ["Authentication failed", ""].map(|reason| Page::Form(reason.to_owned()));
    assert!(ends.contains(&refused), "{refused:?}");
}
