//! The log of the changes that users make to their own factor.

use twofactor_core::log::audit_line::AuditEvent;
use twofactor_core::record::recent_changes::{ChangeChannel, ChangeOrigin, OriginName};
use twofactor_store::notify_message::NotifyMessage;
use twofactor_store::operations::AuditSink;

use crate::calling_process::CallingProcess;
use crate::daemon_log;
use crate::notifier::{self, WaitingNotice};
use crate::stderr_output;

/// The log of the changes that a user makes. The program of `notify` gets them, too.
#[derive(Debug, Clone, Copy)]
pub struct ChangeLog<'a> {
    /// The process that asks for them.
    pub caller: CallingProcess,
    /// The program, where the policy names one.
    pub program: Option<&'a str>,
}

impl AuditSink for ChangeLog<'_> {
    fn origin(&self) -> ChangeOrigin {
        let terminal = self.caller.terminal.and_then(|terminal| terminal.name());
        ChangeOrigin {
            channel: ChangeChannel::Daemon,
            uid: self.caller.uid,
            terminal: terminal.and_then(|name| OriginName::of(name.as_bytes())),
            address: None,
        }
    }

    fn changed(&self, event: &AuditEvent<'_>) {
        let text = event.line(self.caller.uid, |seconds| seconds.to_string());
        let text = text.with("pid", &self.caller.pid);
        stderr_output::write_patiently(daemon_log::LogLevel::Notice as u8, text.as_str());
        if let Some(program) = self.program {
            notifier::queue(WaitingNotice {
                program: program.to_owned(),
                message: NotifyMessage::of(event).by(&self.origin(), self.time()),
            });
        }
    }
}
