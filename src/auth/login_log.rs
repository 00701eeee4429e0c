//! What a login writes to the log, with its user and address in each line.

use twofactor_core::log::event::LoginEvent;
use twofactor_core::log::line::Line;
use twofactor_core::verify::ThrottleStatus;
use twofactor_store::attempt::AttemptFailure;

use super::LoginContext;
use crate::answer_source::NonCodeAnswer;
use crate::arguments::LogDetail;
use crate::report;
use crate::transaction::{PamTransaction, Priority};

impl LoginContext<'_> {
    /// A log line about this login.
    pub(super) fn line(&self, event: LoginEvent) -> Line {
        self.about().result(event)
    }

    pub(super) fn about(&self) -> Line {
        Line::about(&self.user, &self.rhost)
    }

    pub(super) fn log_failed(&self, host: &dyn PamTransaction, failure: &AttemptFailure) {
        let service = host.service().unwrap_or_default();
        let line = report::failed(self.about(), failure, &service);
        host.log(Priority::Error, line.as_str());
    }

    pub(super) fn log_closed(&self, host: &dyn PamTransaction, gate: ThrottleStatus) {
        let line = report::closed(self.about(), gate);
        host.log(Priority::Warning, line.as_str());
    }

    pub(super) fn log_passed_over(&self, host: &dyn PamTransaction, cause: NonCodeAnswer) {
        let line = match cause {
            NonCodeAnswer::SshdStandIn => self.line(LoginEvent::SshdStandIn),
            NonCodeAnswer::Repeated => self.line(LoginEvent::RepeatedAnswer),
            NonCodeAnswer::RepeatedCode => self.line(LoginEvent::RepeatedCode),
            NonCodeAnswer::UserName => self.line(LoginEvent::UserNameAsCode),
            NonCodeAnswer::Empty => self.line(LoginEvent::EmptyAnswer),
            NonCodeAnswer::Password => {
                let service = host.service().unwrap_or_default();
                self.line(LoginEvent::PasswordAsCode)
                    .saying("hint", &report::password_as_code(&service))
            }
        };
        host.log(Priority::Notice, line.as_str());
    }

    pub(super) fn debug(&self, host: &dyn PamTransaction, line: &Line) {
        if self.arguments.detail == LogDetail::Debug {
            host.log(Priority::Debug, line.as_str());
        }
    }
}
