//! The page in German, and by keyboard alone.

use harness::CockpitRole;

use super::stage::{desk, devices, keep_recovery_codes, page_of, scan, settled};

const ENTER: &str = "\u{e007}";
const ESCAPE: &str = "\u{e00c}";

#[test]
fn the_page_speaks_german() {
    let (machine, _daemon) = desk("", "");
    let cockpit = machine.cockpit();
    let login = cockpit.login_page();
    let choose = "document.cookie = 'CockpitLang=de-de; path=/'; localStorage.setItem('cockpit.lang', 'de-de');";
    login.browser().script(choose).expect("the page");
    login.open();
    login.enters("alice", CockpitRole::Administrator, &[]);
    let page = login.product_page();
    let text = page.wait_for_text("#page", "Zwei-Faktor-Anmeldung");
    assert!(
        text.contains("Ihr Konto hat keinen zweiten Faktor."),
        "{text}"
    );
    assert!(text.contains("0 von 3 eingerichtet"), "{text}");
    assert!(!text.contains("Two-factor"), "{text}");
    // As Cockpit names it, by its version.
    let language = page.wait("document.documentElement.lang");
    assert!(language == "de" || language == "de-de", "{language}");
    page.browser().frame(None);
    page.wait_for_text("body", "Zwei-Faktor-Anmeldung");
}

#[test]
fn a_device_is_set_up_by_keyboard_alone() {
    let (machine, _daemon) = desk("", "");
    let cockpit = machine.cockpit();
    let page = page_of(&cockpit, "alice", CockpitRole::User, &[]);
    let focus = |key: &str| {
        format!("document.activeElement.getAttribute('data-key') === '{key}' ? true : null")
    };
    let tab_to = |key: &str| {
        for _ in 0..40 {
            if page.browser().script(&format!("return {}", focus(key)))
                == Ok(serde_json::json!(true))
            {
                return;
            }
            page.browser().press("\u{e004}");
        }
        panic!("no way by keyboard to {key}: {}", page.picture());
    };
    page.browser()
        .script("document.querySelector('[data-key=\"refresh\"]').focus()")
        .expect("the page");
    tab_to("configure");
    page.browser().press(ENTER);
    page.wait("document.activeElement.id === 'device' ? true : null");
    // Escape closes a dialog, and the focus goes back.
    page.browser().press(ESCAPE);
    settled(&page);
    page.wait(&focus("configure"));
    page.browser().press(ENTER);
    page.wait("document.activeElement.id === 'device' ? true : null");
    page.browser().press(ENTER);
    let (_, app) = scan(&machine, &page);
    page.wait("document.activeElement.id === 'code' ? true : null");
    app.settle(10);
    page.browser().press(&app.code());
    page.browser().press(ENTER);
    keep_recovery_codes(&page);
    settled(&page);
    assert_eq!(devices(&machine, "alice"), ["phone"]);
    page.wait(&focus("configure"));
}
