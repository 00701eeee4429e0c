//! One login through libpam, timed.

use std::ffi::{CString, c_int};
use std::path::Path;

use crate::libpam::{Conversation, Message, Phase, Reply, SUCCESS, Start, Transaction};
use crate::process::{cpu, mark, now};

/// How long the parts of a transaction took, in nanoseconds.
#[derive(Clone, Copy)]
pub struct Times {
    /// pam_start to pam_end.
    pub whole: u64,
    /// pam_authenticate alone.
    pub auth: u64,
    /// Processor time of the whole.
    pub whole_cpu: u64,
    /// Processor time of pam_authenticate.
    pub auth_cpu: u64,
}

/// Where stacks are, and who logs in.
pub struct Place {
    directory: CString,
    user: CString,
}

impl Place {
    /// A user, and the directory of the stacks.
    pub fn new(directory: &Path, user: &str) -> Self {
        Self {
            directory: CString::new(directory.to_str().unwrap()).unwrap(),
            user: CString::new(user).unwrap(),
        }
    }

    /// Authenticates with a code, and then does what is `added` to it. Returns the code of PAM.
    pub fn login(&self, service: &str, code: &str, added: &mut dyn FnMut()) -> (c_int, Times) {
        let service = CString::new(service).unwrap();
        let start = Start {
            service: &service,
            user: Some(&self.user),
            directory: Some(&self.directory),
            tty: None,
            rhost: None,
            ruser: None,
        };
        mark("bench:start");
        let began = (now(), cpu());
        let mut transaction = Transaction::start(&start, Answers(code))
            .unwrap_or_else(|code| panic!("pam_start: {code}"));
        mark("bench:auth");
        let asked = (now(), cpu());
        let result = transaction.run(Phase::Auth, 0);
        added();
        let answered = (now(), cpu());
        mark("bench:end");
        transaction.end();
        let ended = (now(), cpu());
        mark("bench:over");
        let times = Times {
            whole: ended.0 - began.0,
            auth: answered.0 - asked.0,
            whole_cpu: ended.1 - began.1,
            auth_cpu: answered.1 - asked.1,
        };
        (result, times)
    }

    /// Whether a code lets in.
    pub fn is_let_in(&self, service: &str, code: &str) -> bool {
        self.login(service, code, &mut || {}).0 == SUCCESS
    }
}

/// Gives the code to whatever is asked, and waits for nothing.
struct Answers<'a>(&'a str);

impl Conversation for Answers<'_> {
    fn message(&mut self, _: Message) -> Reply {
        Reply::Text(self.0.as_bytes().to_vec())
    }

    fn delay(&mut self, _: u32) {}
}
