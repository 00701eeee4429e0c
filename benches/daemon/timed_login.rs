//! One login through libpam in this process.

use std::time::{Duration, Instant};

use harness::enrolled::SERVICE;

use harness::pam_application::{
    self, DriveConversation, DriveTransaction, Phase, RawMessage, Reply, Start,
};

/// Duration of pam_authenticate with one answer, and its result.
pub fn authenticate(user: &str, code: String) -> (Duration, i32) {
    let (service, user) = (
        pam_application::c_string(SERVICE.as_bytes()).unwrap(),
        pam_application::c_string(user.as_bytes()).unwrap(),
    );
    let start = Start {
        service: &service,
        user: Some(&user),
        ..Start::default()
    };
    let answer = OneAnswer {
        code,
        asked: 0,
        said: String::new(),
    };
    let mut transaction = DriveTransaction::start(&start, answer).ok().unwrap();
    let begin = Instant::now();
    let result = transaction.run(Phase::Auth, 0);
    let time = begin.elapsed();
    let ended = transaction.end();
    assert_eq!(ended.asked, 1, "{result}: {}", ended.said);
    (time, result)
}

/// Gives the code to the question.
struct OneAnswer {
    code: String,
    asked: usize,
    said: String,
}

impl DriveConversation for OneAnswer {
    fn message(&mut self, message: RawMessage) -> Reply {
        if message.style > 2 {
            self.said = message.text;
            return Reply::Null;
        }
        self.asked += 1;
        Reply::Text(self.code.clone().into())
    }

    fn delay(&mut self, _: u32) {}
}
