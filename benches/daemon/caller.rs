//! A user who calls the daemon.

use std::io::{Read as _, Write as _};
use std::os::unix::net::UnixStream;

use harness::effective_user::with_effective_uid;
use harness::twofactord::SOCKET;
use serde_json::{Value, json};
use twofactor_store::sys::accounts;

use crate::spread::Spread;

/// A user of the machine.
pub struct DaemonCaller {
    /// The login name.
    pub name: String,
    /// The uid.
    pub uid: u32,
}

impl DaemonCaller {
    /// The user of that name.
    pub fn of(name: &str) -> Self {
        let account = accounts::by_name(name).unwrap().unwrap();
        Self {
            name: name.to_owned(),
            uid: account.uid,
        }
    }

    /// A connection of a uid.
    pub fn connected(uid: u32) -> std::io::Result<UnixStream> {
        with_effective_uid(uid, || UnixStream::connect(SOCKET))
    }

    /// Asks for the status, on a connection of its own.
    ///
    /// # Panics
    /// When it is refused.
    pub fn status(&self) {
        self.check_status(self.answer(&self.status_call()).as_ref());
    }

    fn check_status(&self, reply: Option<&Value>) {
        let user = reply.map(|reply| &reply["parameters"]["user"]);
        assert_eq!(user, Some(&json!(self.name)), "{reply:?}");
    }

    /// The times of calls for the status, each on a connection of its own, in a thread that is the user's meanwhile: a program of the
    /// user becomes no other user for a call.
    pub fn statuses(&self, count: usize) -> Spread {
        let call = self.status_call();
        with_effective_uid(self.uid, || {
            Spread::of(count, || {
                let mut stream = UnixStream::connect(SOCKET).unwrap();
                self.check_status(asked(&mut stream, &call).as_ref());
            })
        })
    }

    /// The time with one connection for all calls.
    pub fn kept_status(&self, count: usize) -> Spread {
        let mut stream = Self::connected(self.uid).unwrap();
        let call = self.status_call();
        Spread::of(count, || {
            asked(&mut stream, &call).expect("a reply");
        })
    }

    /// True if a call for the status is answered with the status.
    pub fn is_served(&self) -> bool {
        let reply = self.answer(&self.status_call());
        reply.is_some_and(|reply| reply["error"].is_null())
    }

    /// Puts a code: the word of the result, or the name of the error; `None` where the connection ends without one.
    pub fn verify(&self, code: &str) -> Option<String> {
        let parameters = json!({"user": self.name, "code": code});
        let call = json!({"method": "io.twofactor.Verify", "parameters": parameters});
        let reply = self.answer(&format!("{call}\0"))?;
        let word = reply["error"].as_str();
        let word = word.or_else(|| reply["parameters"]["result"].as_str());
        Some(word.expect("a result").to_owned())
    }

    fn status_call(&self) -> String {
        let parameters = json!({"user": self.name});
        let call = json!({"method": "io.twofactor.Status", "parameters": parameters});
        format!("{call}\0")
    }

    fn answer(&self, call: &str) -> Option<Value> {
        asked(&mut Self::connected(self.uid).ok()?, call)
    }
}

fn asked(stream: &mut UnixStream, call: &str) -> Option<Value> {
    // One that is not served is told so, and cannot send.
    let _ = stream.write_all(call.as_bytes());
    let (mut reply, mut part) = (Vec::new(), [0; 4096]);
    while !reply.ends_with(b"\0") {
        let count = stream.read(&mut part).ok().filter(|count| *count > 0)?;
        reply.extend(&part[..count]);
    }
    Some(serde_json::from_slice(&reply[..reply.len() - 1]).expect("JSON"))
}
