//! Recovery codes are kept: as a file, on paper, in the clipboard.

use std::time::Duration;

use harness::{CockpitPage, CockpitRole, Machine};
use serde_json::json;

use super::stage::{desk, keep_recovery_codes, page_of, scan, settled};

/// Sets up alice's first device, up to the recovery codes.
fn shown_codes(machine: &Machine, page: &CockpitPage<'_>) -> Vec<String> {
    page.click("configure");
    page.click("next");
    let (_, app) = scan(machine, page);
    app.settle(10);
    page.type_into("#code", &app.code());
    page.click("finish");
    let codes = page.text("dialog .codes");
    codes.lines().map(str::to_owned).collect()
}

/// Clicks on the button of the dialog that has this text.
fn press(page: &CockpitPage<'_>, text: &str) {
    let marked = format!(
        "[...document.querySelectorAll('dialog button')].find(it => it.textContent === '{text}')?.setAttribute('data-key', 'pressed') === undefined \
         && document.querySelector('dialog [data-key=\"pressed\"]') ? true : null"
    );
    page.wait(&marked);
    page.click("pressed");
    page.browser()
        .script("document.querySelector('[data-key=\"pressed\"]')?.removeAttribute('data-key')")
        .expect("the page");
}

/// The file that the browser saves, as soon as it is whole.
fn saved(path: &std::path::Path) -> String {
    (0..1200)
        .find_map(|_| {
            let text = std::fs::read_to_string(path).unwrap_or_default();
            if text.is_empty() {
                std::thread::sleep(Duration::from_millis(50));
            }
            Some(text).filter(|text| !text.is_empty())
        })
        .unwrap_or_else(|| panic!("{} is not there", path.display()))
}

#[test]
fn recovery_codes_are_downloaded_printed_and_copied() {
    let (machine, _daemon) = desk("", "");
    let cockpit = machine.cockpit();
    let page = page_of(&cockpit, "alice", CockpitRole::User, &[]);
    let codes = shown_codes(&machine, &page);
    let directory = machine.scratch().join("downloads");
    std::fs::create_dir_all(&directory).expect("the directory");
    let to = json!({"behavior": "allow", "downloadPath": directory});
    page.browser().devtools("Browser.setDownloadBehavior", &to);
    press(&page, "Download");
    let text = saved(&directory.join("recovery-codes-alice.txt"));
    assert!(
        text.starts_with("Recovery codes of alice for 127.0.0.1\n"),
        "{text}"
    );
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines[lines.len() - codes.len()..], codes[..], "{text}");
    // Paper gets the same text; it is gone from the page when the paper is made.
    let recorder = "window.paper = null; \
        window.print = () => { window.paper = document.getElementById('sheet').textContent; window.dispatchEvent(new Event('afterprint')); };";
    page.browser().script(recorder).expect("the page");
    press(&page, "Print");
    assert_eq!(page.wait("window.paper"), text);
    assert_eq!(page.text("#sheet"), "");
    let allowed = json!({"permissions": ["clipboardReadWrite", "clipboardSanitizedWrite"]});
    page.browser()
        .devtools("Browser.grantPermissions", &allowed);
    press(&page, "Copy");
    page.wait("[...document.querySelectorAll('dialog button')].some(it => it.textContent === 'Copied') ? true : null");
    let read = "window.pasted = null; \
        navigator.clipboard.readText().then(text => { window.pasted = text; }, error => { window.pasted = String(error); });";
    page.browser().script(read).expect("the page");
    assert_eq!(page.wait("window.pasted"), codes.join("\n"));
    assert!(page.shows("dialog [data-key='done']:disabled"));
    assert_eq!(keep_recovery_codes(&page), codes);
    settled(&page);
}

/// Some browsers say nothing once the paper is made.
#[test]
fn printed_codes_leave_the_page_with_their_dialog() {
    let (machine, _daemon) = desk("", "");
    let cockpit = machine.cockpit();
    let page = page_of(&cockpit, "alice", CockpitRole::User, &[]);
    let codes = shown_codes(&machine, &page);
    let silent = "window.print = () => {};";
    page.browser().script(silent).expect("the page");
    let sheet = "document.getElementById('sheet').textContent";
    press(&page, "Print");
    let printed = page.wait(&format!("{sheet} || null"));
    let printed = printed.as_str().expect("a text").to_owned();
    assert!(printed.contains(&codes[0]), "{printed}");
    let hide = "window.dispatchEvent(new Event('pagehide'))";
    page.browser().script(hide).expect("the page");
    assert_eq!(page.wait(sheet), "");
    press(&page, "Print");
    assert_eq!(page.wait(&format!("{sheet} || null")), printed);
    keep_recovery_codes(&page);
    settled(&page);
    assert_eq!(page.wait(sheet), "");
}

#[test]
fn a_hint_beside_done_says_why_it_is_disabled() {
    let (machine, _daemon) = desk("", "");
    let cockpit = machine.cockpit();
    let page = page_of(&cockpit, "alice", CockpitRole::User, &[]);
    shown_codes(&machine, &page);
    let hint = "First confirm above that you have kept the codes.";
    let beside = "document.querySelector(\"[data-key='done']\").nextElementSibling";
    assert_eq!(page.wait(&format!("{beside}.innerText")), hint);
    let described = format!(
        "document.querySelector(\"[data-key='done']\").getAttribute('aria-describedby') === {beside}.id"
    );
    assert_eq!(page.wait(&described), true);
    page.browser().click("#kept");
    assert!(page.shows("[data-key='done']:enabled"));
    assert_eq!(page.wait(&format!("{beside}.innerText")), "");
    // It comes back when the confirmation is taken back.
    page.browser().click("#kept");
    assert!(page.shows("[data-key='done']:disabled"));
    assert_eq!(page.wait(&format!("{beside}.innerText")), hint);
    keep_recovery_codes(&page);
    settled(&page);
}
