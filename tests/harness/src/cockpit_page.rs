//! The page of the product in Cockpit, in a browser.

use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::artefacts;
use crate::browser::Browser;
use crate::cockpit::{LoginPage, Page};
use crate::exec::LIMIT;
use crate::machine::Machine;
use crate::users::PASSWORD;

/// Directory in which Cockpit's bridge looks for pages that no package has installed.
const DIRECTORY: &str = "/usr/local/share/cockpit/twofactor";
const FRAME: &str = "iframe[name$='/twofactor']";

/// Rights of a user in Cockpit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CockpitRole {
    /// Limited access.
    User,
    /// Administrative access, through sudo, at login.
    Administrator,
}

/// The page of a user who is logged in to Cockpit. The browser is inside its frame.
pub struct CockpitPage<'machine> {
    login: LoginPage<'machine>,
}

impl Machine {
    /// Puts the page of the workspace where Cockpit finds it.
    pub fn install_cockpit_page(&self) {
        let from = artefacts::workspace().join("cockpit");
        for entry in std::fs::read_dir(&from).expect("the page") {
            let path = entry.expect("a file of the page").path();
            if path.is_file() {
                let name = path.file_name().expect("a name");
                let content = std::fs::read(&path).expect("reading a file of the page");
                self.write_file(Path::new(DIRECTORY).join(name), content, 0o644);
            }
        }
    }
}

impl<'machine> LoginPage<'machine> {
    /// Logs in with the password, and with answers to the questions after it.
    ///
    /// # Panics
    /// When the user is not let in.
    pub fn enters(&self, user: &str, role: CockpitRole, answers: &[&str]) {
        let wanted = match role {
            CockpitRole::User => "none",
            CockpitRole::Administrator => "any",
        };
        let remember = format!("localStorage.setItem('superuser:{user}', '{wanted}')");
        self.browser().script(&remember).expect("the local storage");
        let mut page = self.login(user, PASSWORD);
        for answer in answers {
            page = self.answer(answer);
        }
        assert_eq!(page, Page::In(user.to_owned()));
    }

    /// Opens the page of the product, once the user is in.
    pub fn product_page(self) -> CockpitPage<'machine> {
        let page = CockpitPage { login: self };
        page.open();
        page
    }
}

impl<'machine> CockpitPage<'machine> {
    /// Opens the page anew, in the same session.
    pub fn open(&self) {
        let browser = self.browser();
        browser.frame(None);
        browser.open(&format!("{}twofactor", self.login.address()));
        let deadline = Instant::now() + LIMIT;
        let ready = format!(
            "const frame = document.querySelector(\"{FRAME}\"); return frame !== null && frame.offsetParent !== null;"
        );
        while browser.script(&ready) != Ok(json!(true)) {
            assert!(Instant::now() < deadline, "{}", self.picture());
            std::thread::sleep(Duration::from_millis(50));
        }
        browser.frame(Some(FRAME));
        // Before Cockpit has told the page that it is looked at, the page reads only what its mark in the menu needs.
        self.wait("window.cockpit?.hidden === false ? true : null");
        self.settle();
    }

    /// Ends the session, as the entry of Cockpit's menu does.
    pub fn log_out(&self) {
        self.browser()
            .script("cockpit.logout(false)")
            .expect("the page");
        self.browser().frame(None);
        self.wait("document.body.innerText.includes('Reconnect') || document.getElementById('login-button') ? true : null");
    }

    /// Goes back to the login page, after the session was ended or given up.
    pub fn login_page(self) -> LoginPage<'machine> {
        self.browser().frame(None);
        self.login
    }

    /// Waits until the page has read everything and shows it.
    pub fn settle(&self) {
        self.wait("document.querySelector('[aria-busy=\"true\"]') ? null : true");
    }

    /// Waits for a JavaScript expression that is not null, and returns its value.
    ///
    /// # Panics
    /// When it stays null for a minute.
    pub fn wait(&self, expression: &str) -> Value {
        let deadline = Instant::now() + LIMIT;
        loop {
            let value = self
                .browser()
                .script(&format!("return ({expression}) ?? null;"));
            match value {
                Ok(value) if !value.is_null() => return value,
                other => assert!(
                    Instant::now() < deadline,
                    "{expression}: {other:?}: {}: {}",
                    self.picture(),
                    self.text("body")
                ),
            }
            std::thread::sleep(Duration::from_millis(30));
        }
    }

    /// Text that is shown of what a CSS selector finds, as soon as it is there.
    pub fn text(&self, selector: &str) -> String {
        let selector = Value::from(selector);
        let text = self.wait(&format!("document.querySelector({selector})?.innerText"));
        text.as_str().expect("a text").to_owned()
    }

    /// Waits until what a selector finds shows a text.
    pub fn wait_for_text(&self, selector: &str, text: &str) -> String {
        let (selector, text) = (Value::from(selector), Value::from(text));
        let shown = format!("document.querySelector({selector})?.innerText");
        let shown = self.wait(&format!("{shown}?.includes({text}) ? {shown} : null"));
        shown.as_str().expect("a text").to_owned()
    }

    /// True if a selector finds something that is shown.
    pub fn shows(&self, selector: &str) -> bool {
        let selector = Value::from(selector);
        let found =
            format!("return !!document.querySelector({selector})?.getClientRects().length;");
        self.browser().script(&found) == Ok(json!(true))
    }

    /// Clicks on the button of this name (`data-key`), as soon as it is there and enabled.
    pub fn click(&self, key: &str) {
        let selector = format!("[data-key='{key}']:enabled");
        self.wait(&format!(
            "document.querySelector({})",
            Value::from(selector.as_str())
        ));
        self.browser().click(&selector);
    }

    /// Types into a field, as soon as it is there.
    pub fn type_into(&self, selector: &str, text: &str) {
        self.wait(&format!(
            "document.querySelector({})",
            Value::from(selector)
        ));
        self.browser().type_into(selector, text);
    }

    /// Empties a field and types into it.
    pub fn retype(&self, selector: &str, text: &str) {
        self.wait(&format!(
            "(field => {{ if (field) field.value = ''; return field; }})(document.querySelector({}))",
            Value::from(selector)
        ));
        self.browser().type_into(selector, text);
    }

    /// Chooses an entry of a list by its value.
    pub fn choose(&self, selector: &str, value: &str) {
        self.browser()
            .click(&format!("{selector} option[value='{value}']"));
    }

    /// Findings of axe-core, from a file, on the page as it is shown: rule and element.
    pub fn hindrances(&self, axe: &Path) -> Vec<String> {
        let axe = std::fs::read_to_string(axe).expect("axe-core; make test-browser fetches it");
        self.browser().script(&axe).expect("axe-core runs");
        let start = "window.axeFound = null; axe.run().then(found => { window.axeFound = found.violations; })";
        self.browser().script(start).expect("axe-core runs");
        let found = self.wait("window.axeFound");
        let found = found.as_array().expect("a list").iter();
        found
            .map(|it| format!("{}: {}", it["id"], it["nodes"][0]["html"]))
            .collect()
    }

    /// Light or dark, and a window of this size.
    pub fn look(&self, style: &str, width: u32, height: u32) {
        let size =
            json!({"width": width, "height": height, "deviceScaleFactor": 1, "mobile": false});
        self.browser()
            .devtools("Emulation.setDeviceMetricsOverride", &size);
        let is_dark = style == "dark";
        let style = format!(
            "localStorage.setItem('shell:style', '{style}'); \
             window.dispatchEvent(new CustomEvent('cockpit-style', {{ detail: {{ style: '{style}' }} }}));"
        );
        self.browser().script(&style).expect("the storage");
        let shown = format!(
            "document.documentElement.classList.contains('dark') === {is_dark} && window.top.innerWidth === {width} ? true : null"
        );
        self.wait(&shown);
        // What was measured anew is drawn by the second frame.
        let drawn = "window.drawn = null; requestAnimationFrame(() => requestAnimationFrame(() => { window.drawn = true; }));";
        self.browser().script(drawn).expect("the page");
        self.wait("window.drawn");
    }

    /// The browser, to look closer.
    pub fn browser(&self) -> &Browser<'machine> {
        self.login.browser()
    }

    /// A picture of the whole window, for the search of a failure's cause: its path.
    pub fn picture(&self) -> String {
        let path = artefacts::target().join("cockpit-page.png");
        self.browser().screenshot(&path);
        path.display().to_string()
    }
}
