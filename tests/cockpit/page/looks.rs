//! Each screen light, dark and narrow: no hindrance that axe-core knows, nothing wider than the window, and a picture of it.

use std::path::{Path, PathBuf};

use harness::logins::enrolled;
use harness::{CockpitPage, CockpitRole, artefacts, workspace};
use serde_json::json;

use super::stage::{desk, page_of, policy, settled};

/// Screens in the documents, as they are shown there.
const IN_DOCUMENTS: [(&str, &str); 4] = [
    ("administrator", "light"),
    ("qr-code", "light"),
    ("recovery-codes", "light"),
    ("switch", "dark"),
];

/// Directory of the pictures. `PICTURES_WRITE=1` puts those of the documents into docs/pictures.
fn pictures() -> PathBuf {
    let directory = artefacts::target().join("pictures");
    std::fs::create_dir_all(&directory).expect("the directory of the pictures");
    directory
}

/// A picture of the documents is small, and taken anew where that is asked for.
fn documents(picture: &Path, name: &str) {
    let content = std::fs::read(picture).expect("the picture");
    assert!(content.len() < 200_000, "{name}: {} bytes", content.len());
    if std::env::var_os("PICTURES_WRITE").is_some() {
        let place = workspace().join(format!("docs/pictures/cockpit-{name}.png"));
        std::fs::write(place, content).expect("the directory of the documents");
    }
}

/// Looks at what the page shows now.
fn look(page: &CockpitPage<'_>, name: &str) {
    let axe = artefacts::target().join("axe.min.js");
    for (style, width, height) in [
        ("light", 1200, 900),
        ("dark", 1200, 900),
        ("light", 400, 800),
        ("dark", 400, 800),
    ] {
        page.look(style, width, height);
        let wide = page.wait("document.documentElement.scrollWidth > window.innerWidth");
        assert_eq!(wide, json!(false), "{name}: wider than {width}");
        let found = page.hindrances(&axe);
        assert_eq!(found, [""; 0], "{name}, {style}, {width}");
        let file = format!("{name}-{style}-{width}.png");
        let picture = pictures().join(file);
        page.browser().screenshot(&picture);
        if width == 1200 && IN_DOCUMENTS.contains(&(name, style)) {
            documents(&picture, name);
        }
    }
    page.look("light", 1200, 900);
}

#[test]
fn the_screens_of_a_user_are_accessible() {
    let (machine, _daemon) = desk("", "");
    let cockpit = machine.cockpit();
    let page = page_of(&cockpit, "alice", CockpitRole::User, &[]);
    look(&page, "user");
    page.click("configure");
    look(&page, "name");
    page.click("next");
    let (_, app) = super::stage::scan(&machine, &page);
    look(&page, "qr-code");
    page.click("show-key");
    look(&page, "key");
    app.settle(10);
    page.type_into("#code", &app.code());
    page.click("finish");
    page.text("dialog .codes");
    look(&page, "recovery-codes");
    page.browser().click("#kept");
    page.click("done");
    settled(&page);
    look(&page, "enrolled");
    page.click("unset-all");
    look(&page, "unset");
}

#[test]
fn the_screens_of_an_administrator_are_accessible() {
    let (machine, _daemon) = desk("", "");
    for name in ["anna", "bob", "carla"] {
        enrolled(&machine, name);
    }
    for name in ["dieter", "emil"] {
        machine.add_user(name);
    }
    let cockpit = machine.cockpit();
    let page = page_of(&cockpit, "alice", CockpitRole::Administrator, &[]);
    look(&page, "administrator");
    page.click("edit-settings");
    look(&page, "settings");
    page.click("cancel");
    settled(&page);
    page.click("switch-sshd");
    page.wait("document.querySelector('[data-key=\"confirm\"]')");
    look(&page, "switch");
    page.click("cancel");
    settled(&page);
    page.click("bypass-bob");
    page.click("confirm");
    page.text("#one-time-code");
    look(&page, "one-time-code");
    page.click("close");
    settled(&page);
    page.click("unset-carla");
    page.wait("document.querySelector('[data-key=\"confirm\"]')");
    look(&page, "unset-user");
    page.click("cancel");
    settled(&page);
    policy(&machine, "enabled = perhaps", "", "");
    page.click("refresh");
    page.wait_for_text("#page", "All users are refused");
    page.settle();
    look(&page, "invalid-policy");
}
