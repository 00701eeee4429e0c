//! A real cockpit-ws of a machine, and its login page in a browser.

use std::net::{Ipv4Addr, TcpStream};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::artefacts;
use crate::browser::Browser;
use crate::exec::{LIMIT, Running};
use crate::machine::Machine;

const PROGRAM: &str = "/usr/lib/cockpit/cockpit-ws";
const FIRST_PORT: u32 = 9900;

/// Content of the page, as soon as it waits for the user; null until then.
const SHOWN: &str = "
const text = id => {
    const element = document.getElementById(id);
    return element && element.offsetParent ? element.innerText : null;
};
if (document.readyState !== 'complete') return null;
const button = document.getElementById('login-button');
if (!button) {
    const user = document.title.match(/ - (.+)@/);
    return user ? { user: user[1] } : null;
}
if (text('login-fatal-message') !== null) return { dead_end: text('login-fatal-message') };
if (button.disabled || text('login-button') === null) return null;
const input = document.getElementById('conversation-input');
if (input.offsetParent) return {
    message: text('conversation-message'),
    prompt: text('conversation-prompt'),
    hidden: input.type === 'password',
};
return { reason: text('login-error-message') };
";

/// A running cockpit-ws without TLS, with PAM service name `cockpit`; it is killed when this is dropped.
pub struct Cockpit<'machine> {
    machine: &'machine Machine,
    server: Running,
    port: u32,
}

/// Page of Cockpit after something was sent to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Page {
    /// A question of PAM: a label and a field.
    Question {
        /// Text of PAM since the last question, above the label.
        message: Option<String>,
        /// The label.
        prompt: String,
        /// True if the field hides what is typed.
        hidden: bool,
    },
    /// User name and password, with the reason why they are asked for again; empty before the first login.
    Form(String),
    /// A reason why the login failed, and nothing to go on with.
    DeadEnd(String),
    /// Cockpit itself, with the name of the user whose `cockpit-bridge` it talks to.
    In(String),
}

impl Machine {
    /// Starts Cockpit's web server.
    ///
    /// # Panics
    /// When it is not installed or does not start.
    pub fn cockpit(&self) -> Cockpit<'_> {
        // Later versions would look for a socket of systemd instead of that program.
        self.write_file(
            "/etc/cockpit/cockpit.conf",
            "[WebService]\nAllowUnencrypted = true\n[Basic]\nCommand = /usr/lib/cockpit/cockpit-session\n",
            0o644,
        );
        let port = FIRST_PORT + self.number();
        let server = self
            .program(PROGRAM)
            .args(&["--no-tls", "--address=127.0.0.1"])
            .arg(format!("--port={port}"))
            .start();
        let mut cockpit = Cockpit {
            machine: self,
            server,
            port,
        };
        cockpit.wait_until_ready();
        cockpit
    }
}

impl<'machine> Cockpit<'machine> {
    /// Opens the login page in a new browser.
    pub fn login_page(&self) -> LoginPage<'machine> {
        let browser = self.machine.browser();
        let page = LoginPage {
            browser,
            address: format!("http://127.0.0.1:{}/", self.port),
        };
        page.open();
        page
    }

    /// Text that cockpit-ws and its sessions have written to standard error; with systemd it goes to the journal.
    pub fn log(&self) -> String {
        self.server.stderr()
    }

    fn wait_until_ready(&mut self) {
        let deadline = Instant::now() + LIMIT;
        let port = u16::try_from(self.port).expect("a port");
        while TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_err() {
            let ended = self.server.try_wait();
            assert!(
                ended.is_none() && Instant::now() < deadline,
                "cockpit-ws does not start ({ended:?}):\n{}",
                self.log()
            );
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

/// Cockpit in a browser. Each step waits for the page that follows.
pub struct LoginPage<'machine> {
    browser: Browser<'machine>,
    address: String,
}

impl<'machine> LoginPage<'machine> {
    /// Opens the page anew, for one more login with the same browser.
    pub fn open(&self) {
        self.browser.open(&self.address);
        assert_eq!(self.wait(), Page::Form(String::new()));
    }

    /// Fills in user name and password.
    pub fn login(&self, user: &str, password: &str) -> Page {
        self.browser.type_into("#login-user-input", user);
        self.browser.type_into("#login-password-input", password);
        self.send()
    }

    /// Answers a question.
    pub fn answer(&self, text: &str) -> Page {
        self.browser.type_into("#conversation-input", text);
        self.send()
    }

    /// Address of the server, which ends in a slash.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// The browser, to look closer.
    pub fn browser(&self) -> &Browser<'machine> {
        &self.browser
    }

    /// The page disables its button when it is clicked on, until it knows how to go on.
    fn send(&self) -> Page {
        self.browser.click("#login-button");
        self.wait()
    }

    fn wait(&self) -> Page {
        let deadline = Instant::now() + LIMIT;
        loop {
            // While the page is replaced by Cockpit itself, no script can run.
            let shown = self.browser.script(SHOWN);
            if let Ok(shown @ Value::Object(_)) = &shown {
                return page(shown);
            }
            if Instant::now() > deadline {
                let picture = artefacts::target().join("cockpit-login-page.png");
                self.browser.screenshot(&picture);
                panic!("{shown:?}: the page does not go on: {}", picture.display());
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

fn page(shown: &Value) -> Page {
    let text = |key: &str| shown[key].as_str().map(str::to_owned);
    if let Some(user) = text("user") {
        return Page::In(user);
    }
    if let Some(reason) = text("dead_end") {
        return Page::DeadEnd(reason);
    }
    match text("prompt") {
        Some(prompt) => Page::Question {
            message: text("message"),
            prompt,
            hidden: shown["hidden"] == true,
        },
        None => Page::Form(text("reason").unwrap_or_default()),
    }
}
