//! The reports of pamdrive as values.

use std::collections::BTreeMap;

use serde_json::Value;

/// Result of one transaction.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PamOutcome {
    /// The code of pam_start, if that failed already.
    pub start: Option<i32>,
    /// The code of pam_authenticate; -1 when that was not called. The same for the others.
    pub auth: i32,
    /// The code of pam_setcred.
    pub setcred: i32,
    /// The code of pam_acct_mgmt.
    pub acct: i32,
    /// The code of pam_open_session.
    pub open: i32,
    /// The code of pam_close_session.
    pub close: i32,
    /// The code of pam_chauthtok.
    pub chauthtok: i32,
    /// Every message in order, prompts included.
    pub messages: Vec<ModuleMessage>,
    /// The texts of the prompts alone.
    pub prompts: Vec<String>,
    /// The delay that pam_fail_delay asked for, after libpam changed it at random by up to half; `None` for no delay.
    pub fail_delay_us: Option<u64>,
    /// PAM_USER at the end.
    pub user: Option<String>,
    /// The PAM environment at the end, as NAME=VALUE.
    pub environment: Vec<String>,
    /// Things that the module left different in the process: `descriptors`, `environment`, `identity`, `threads`,
    /// `umask`, `directory`, `signals`, `limits`.
    pub changed: Vec<String>,
}

/// A message of the module to the application.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ModuleMessage {
    /// `echo_off`, `echo_on`, `error` or `info`.
    pub style: String,
    /// The text.
    pub text: String,
}

/// Results of many transactions in one process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Repeated {
    /// Number of times that each code of the first phase was returned.
    pub results: BTreeMap<String, u64>,
    /// Number of transactions that left something different in the process (see `PamOutcome::changed`).
    pub changed: BTreeMap<String, u64>,
    /// Holdings of the process after the warm-up.
    pub before: Holdings,
    /// Holdings at the end.
    pub after: Holdings,
}

/// Holdings of a process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Holdings {
    /// Pages of memory.
    pub resident_pages: u64,
    /// Bytes allocated with malloc and not freed, exactly: a module that keeps nothing leaves the number as it was.
    pub heap_bytes: u64,
    /// Open descriptors.
    pub descriptors: u64,
    /// Number of thread-specific keys that can still be made.
    pub free_thread_keys: u64,
}

/// Results of one round of processes that ran at once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Round {
    /// Number of times that each code of the first phase was returned; `died` for a process that never reported.
    pub results: BTreeMap<String, u64>,
    /// Number of times that each text, prompts included, was shown.
    pub texts: BTreeMap<String, u64>,
}

pub(super) fn report(text: &str) -> Value {
    serde_json::from_str(text)
        .unwrap_or_else(|error| panic!("pamdrive did not report ({error}): {text:?}"))
}

pub(super) fn outcome(report: &Value) -> PamOutcome {
    let phase = |name: &str| {
        report[name]
            .as_i64()
            .map_or(-1, |code| i32::try_from(code).expect("a PAM code"))
    };
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let texts = |name: &str| {
        report[name]
            .as_array()
            .into_iter()
            .flatten()
            .map(text)
            .collect::<Vec<_>>()
    };
    let message = |value: &Value| ModuleMessage {
        style: text(&value["style"]),
        text: text(&value["text"]),
    };
    PamOutcome {
        start: report["start"]
            .as_i64()
            .map(|code| i32::try_from(code).expect("a PAM code")),
        auth: phase("auth"),
        setcred: phase("setcred"),
        acct: phase("acct"),
        open: phase("open"),
        close: phase("close"),
        chauthtok: phase("chauthtok"),
        messages: report["messages"]
            .as_array()
            .into_iter()
            .flatten()
            .map(message)
            .collect(),
        prompts: texts("prompts"),
        fail_delay_us: report["fail_delay_us"].as_u64().filter(|delay| *delay != 0),
        user: report["user"].as_str().map(str::to_owned),
        environment: texts("environment"),
        changed: texts("changed"),
    }
}

pub(super) fn repeated(report: &Value) -> Repeated {
    Repeated {
        results: counts(&report["results"]),
        changed: counts(&report["changed"]),
        before: holdings(&report["before"]),
        after: holdings(&report["after"]),
    }
}

pub(super) fn round(report: &Value) -> Round {
    Round {
        results: counts(&report["results"]),
        texts: counts(&report["texts"]),
    }
}

fn holdings(report: &Value) -> Holdings {
    let number = |name: &str| report[name].as_u64().expect("a number");
    Holdings {
        resident_pages: number("resident_pages"),
        heap_bytes: number("heap_bytes"),
        descriptors: number("descriptors"),
        free_thread_keys: number("free_thread_keys"),
    }
}

fn counts(value: &Value) -> BTreeMap<String, u64> {
    let entries = value.as_object().into_iter().flatten();
    entries
        .map(|(key, count)| (key.clone(), count.as_u64().unwrap_or(0)))
        .collect()
}
