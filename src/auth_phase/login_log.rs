//! The log lines of a login, with its user and address in each line.

use twofactor_core::account::Account;
use twofactor_core::log::event::LoginEvent;
use twofactor_core::log::log_line::LogLine;
use twofactor_core::log::unusable_name;
use twofactor_core::policy::Policy;
use twofactor_core::verify::ThrottleStatus;
use twofactor_store::attempt::AttemptFailure;
use twofactor_store::{FoundBy, RecordHolder};

use super::LoginContext;
use crate::answer_source::NonCodeAnswer;
use crate::code_log_lines;
use crate::module_arguments::LogDetail;
use crate::transaction::{LogPriority, PamTransaction};

impl LoginContext<'_> {
    /// Reports an `[[exempt]]` entry that names the user as typed, where that is no login name: it exempts no login. Nothing is
    /// looked up for it.
    pub(super) fn log_unusable_name(
        &self,
        transaction: &dyn PamTransaction,
        policy: &Policy,
        account: Option<&Account>,
    ) {
        let is_typed = |name: &str| name.as_bytes() == self.user;
        let account = account.map(|account| account.name.as_str());
        let mut named = policy.exempt.iter().flat_map(|entry| entry.users());
        if account.is_some_and(is_typed) || !named.any(|name| is_typed(name)) {
            return;
        }
        let error = match account {
            Some(_) => unusable_name::OTHER_SPELLING,
            None => unusable_name::NO_ACCOUNT,
        };
        let line = unusable_name::unusable_user(self.about(), account, &error);
        transaction.log(LogPriority::Warning, line.as_str());
    }

    /// A log line about this login.
    pub(super) fn line(&self, event: LoginEvent) -> LogLine {
        self.about().result(event)
    }

    pub(super) fn about(&self) -> LogLine {
        LogLine::about(&self.user, &self.rhost)
    }

    pub(super) fn log_failed(&self, transaction: &dyn PamTransaction, failure: &AttemptFailure) {
        let service = transaction.service().unwrap_or_default();
        let line = code_log_lines::failed(self.about(), failure, &service);
        transaction.log(LogPriority::Error, line.as_str());
    }

    /// Logs that this host judged the code without the fleet; nothing if `why` is `None`.
    pub(super) fn log_outage(&self, transaction: &dyn PamTransaction, why: Option<&str>) {
        if let Some(why) = why {
            transaction.log(LogPriority::Warning, self.about().outage(why).as_str());
        }
    }

    /// Logs that the record was found by uid, under another name than the account's.
    pub(super) fn log_found_by_uid(&self, transaction: &dyn PamTransaction, holder: &RecordHolder) {
        if holder.found_by == FoundBy::Uid {
            let line = self.line(LoginEvent::FoundByUid);
            let line = line.with("record", &holder.account.name);
            transaction.log(LogPriority::Notice, line.as_str());
        }
    }

    pub(super) fn log_closed(&self, transaction: &dyn PamTransaction, status: ThrottleStatus) {
        let line = self.about().closed(status);
        transaction.log(LogPriority::Warning, line.as_str());
    }

    pub(super) fn log_passed_over(&self, transaction: &dyn PamTransaction, cause: NonCodeAnswer) {
        let line = match cause {
            NonCodeAnswer::SshdStandIn => self.line(LoginEvent::SshdStandIn),
            NonCodeAnswer::Repeated => self.line(LoginEvent::RepeatedAnswer),
            NonCodeAnswer::RepeatedCode => self.line(LoginEvent::RepeatedCode),
            NonCodeAnswer::UserName => self.line(LoginEvent::UserNameAsCode),
            NonCodeAnswer::Empty => self.line(LoginEvent::EmptyAnswer),
            NonCodeAnswer::Password => {
                let service = transaction.service().unwrap_or_default();
                self.line(LoginEvent::PasswordAsCode)
                    .saying("hint", &code_log_lines::password_as_code(&service))
            }
        };
        transaction.log(LogPriority::Notice, line.as_str());
    }

    pub(super) fn debug(&self, transaction: &dyn PamTransaction, line: &LogLine) {
        if self.arguments.detail == LogDetail::Debug {
            transaction.log(LogPriority::Debug, line.as_str());
        }
    }
}
