//! A headless Chromium of a machine, driven like a person would: through chromedriver, the W3C WebDriver interface.

use std::io::{BufRead, BufReader, Read, Write};
use std::marker::PhantomData;
use std::net::{Ipv4Addr, TcpStream};
use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::exec::{LIMIT, Running};
use crate::machine::Machine;

const FIRST_PORT: u32 = 9500;

/// Arguments of Chromium: it runs as root, without a display, and asks for nothing.
const ARGUMENTS: [&str; 11] = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-quic",
    "--disable-sync",
    "--disable-background-networking",
    "--disable-component-update",
    "--no-first-run",
    "--lang=en-US",
    "--window-size=1000,800",
];

/// The key of an element reference (WebDriver, section 12.2, "web element identifier").
const ELEMENT: &str = "element-6066-11e4-a52e-4f735466cecf";

/// A running Chromium with an empty profile and one window. chromedriver is killed when this is dropped, Chromium
/// itself at the latest with the machine.
pub struct Browser<'machine> {
    driver: Running,
    port: u16,
    session: String,
    _machine: PhantomData<&'machine Machine>,
}

impl Machine {
    /// Starts a browser.
    ///
    /// # Panics
    /// When Chromium or chromedriver is missing or does not start.
    pub fn browser(&self) -> Browser<'_> {
        let directory = self.scratch();
        let port = u16::try_from(FIRST_PORT + self.number()).expect("a port");
        let driver = self
            .program(program("chromedriver", &["chromedriver"]))
            .arg(format!("--port={port}"))
            .env("HOME", &directory)
            .env("TMPDIR", &directory)
            .start();
        let mut browser = Browser {
            driver,
            port,
            session: String::new(),
            _machine: PhantomData,
        };
        browser.wait_for_driver();
        let profile = format!("--user-data-dir={}", directory.join("profile").display());
        let arguments: Vec<&str> = ARGUMENTS.into_iter().chain([profile.as_str()]).collect();
        let chromium = program("Chromium", &["chromium", "google-chrome"]);
        let wanted = json!({"capabilities": {"alwaysMatch": {
            "browserName": "chrome",
            "goog:chromeOptions": {"binary": chromium, "args": arguments},
        }}});
        let started = browser.ask("POST", "/session", &wanted);
        browser.session = started["sessionId"].as_str().expect("a session").to_owned();
        browser
    }
}

impl Browser<'_> {
    /// Goes to an address and waits until the page is loaded.
    pub fn open(&self, address: &str) {
        self.tell("/url", &json!({"url": address}));
    }

    /// Types into the field that a CSS selector finds, as on a keyboard.
    ///
    /// # Panics
    /// When there is no such field, or it cannot be typed into because it is not shown.
    pub fn type_into(&self, selector: &str, text: &str) {
        let element = self.element(selector);
        if !text.is_empty() {
            self.tell(&format!("/element/{element}/value"), &json!({"text": text}));
        }
    }

    /// Clicks on what a CSS selector finds.
    ///
    /// # Panics
    /// When there is nothing, or something else covers it.
    pub fn click(&self, selector: &str) {
        let element = self.element(selector);
        self.tell(&format!("/element/{element}/click"), &json!({}));
    }

    /// Value that a JavaScript function body returns in the page.
    ///
    /// # Errors
    /// What the browser says, for example while the page is being replaced.
    pub fn script(&self, body: &str) -> Result<Value, String> {
        let path = format!("/session/{}/execute/sync", self.session);
        self.request("POST", &path, &json!({"script": body, "args": []}))
    }

    /// Writes a picture (PNG) of what the window shows, for the search of a failure's cause.
    pub fn screenshot(&self, path: impl AsRef<Path>) {
        let path_of_it = format!("/session/{}/screenshot", self.session);
        let picture = self.ask("GET", &path_of_it, &Value::Null);
        let picture = picture.as_str().expect("a picture").as_bytes();
        let picture = data_encoding::BASE64.decode(picture).expect("base64");
        std::fs::write(path, picture).expect("writing the picture");
    }

    /// Presses keys where the focus is, as on a keyboard: text, or the code points of WebDriver (section 17.4.2) for others.
    pub fn press(&self, keys: &str) {
        let pressed = keys.chars().flat_map(|key| {
            ["keyDown", "keyUp"].map(|kind| json!({"type": kind, "value": key.to_string()}))
        });
        let actions: Vec<Value> = pressed.collect();
        self.tell(
            "/actions",
            &json!({"actions": [{"type": "key", "id": "keyboard", "actions": actions}]}),
        );
    }

    /// Goes into the frame that a CSS selector finds, or with `None` back to the whole window.
    pub fn frame(&self, selector: Option<&str>) {
        let frame = match selector {
            Some(selector) => json!({ELEMENT: self.element(selector)}),
            None => Value::Null,
        };
        self.tell("/frame", &json!({"id": frame}));
    }

    /// A command of the Chrome DevTools protocol, such as one that emulates a narrow screen.
    pub fn devtools(&self, command: &str, parameters: &Value) -> Value {
        let body = json!({"cmd": command, "params": parameters});
        self.tell("/goog/cdp/execute", &body)
    }

    fn element(&self, selector: &str) -> String {
        let by_selector = json!({"using": "css selector", "value": selector});
        let found = self.tell("/element", &by_selector);
        found[ELEMENT].as_str().expect("an element").to_owned()
    }

    fn tell(&self, command: &str, body: &Value) -> Value {
        self.ask("POST", &format!("/session/{}{command}", self.session), body)
    }

    fn ask(&self, method: &str, path: &str, body: &Value) -> Value {
        let answer = self.request(method, path, body);
        answer.unwrap_or_else(|error| panic!("the browser refuses {path} {body}: {error}"))
    }

    /// One exchange with chromedriver: the value it answers with, or its error.
    fn request(&self, method: &str, path: &str, body: &Value) -> Result<Value, String> {
        let body = if body.is_null() {
            String::new()
        } else {
            body.to_string()
        };
        let (status, answer) = exchange(self.port, method, path, &body)
            .unwrap_or_else(|error| panic!("chromedriver does not answer: {error}"));
        let mut answer: Value = serde_json::from_str(&answer).expect("JSON from chromedriver");
        let value = answer["value"].take();
        if status == 200 {
            Ok(value)
        } else {
            Err(format!("{}: {}", value["error"], value["message"]))
        }
    }

    fn wait_for_driver(&mut self) {
        let deadline = Instant::now() + LIMIT;
        while exchange(self.port, "GET", "/status", "").is_err() {
            let ended = self.driver.try_wait();
            assert!(
                ended.is_none() && Instant::now() < deadline,
                "chromedriver does not start ({ended:?})"
            );
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

/// Sends a request over HTTP/1.1 and returns status and body of the answer.
fn exchange(port: u16, method: &str, path: &str, body: &str) -> std::io::Result<(u16, String)> {
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port))?;
    stream.set_read_timeout(Some(LIMIT))?;
    let length = body.len();
    write!(
        stream,
        "{method} {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nConnection: close\r\n\
         Content-Type: application/json\r\nContent-Length: {length}\r\n\r\n{body}"
    )?;
    let mut answer = BufReader::new(stream);
    let (mut length, mut line) = (0, String::new());
    answer.read_line(&mut line)?;
    let status = line.split(' ').nth(1).unwrap_or_default();
    let status = status.parse().map_err(std::io::Error::other)?;
    while line != "\r\n" {
        if let Some((name, value)) = line.split_once(':')
            && name.eq_ignore_ascii_case("content-length")
        {
            length = value.trim().parse().map_err(std::io::Error::other)?;
        }
        line.clear();
        if answer.read_line(&mut line)? == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
    }
    let mut body = vec![0; length];
    answer.read_exact(&mut body)?;
    let body = String::from_utf8(body).map_err(std::io::Error::other)?;
    Ok((status, body))
}

/// Path of a program that has different names on different systems.
fn program(what: &str, names: &[&str]) -> String {
    let directories = ["/usr/local/bin", "/usr/bin"];
    let mut places = names
        .iter()
        .flat_map(|name| directories.map(|directory| format!("{directory}/{name}")));
    places
        .find(|path| Path::new(path).exists())
        .unwrap_or_else(|| {
            panic!(
                "{what} is not installed: apt-get install chromium chromium-driver, or on Ubuntu Google Chrome and \
                 its chromedriver"
            )
        })
}
