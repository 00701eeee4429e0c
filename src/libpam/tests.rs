//! The module at libpam's functions and memory. Under Miri, each pointer that is used too far or too late is an error, and
//! so is memory that is never given back.
#![allow(unsafe_code)]

mod fake;

use std::ffi::CStr;

use super::*;
use crate::module_arguments::ModuleArguments;
use fake::{FakeAnswer, FakeTransaction};
use pam::constants::{PamFlag, PamResultCode};

const SERVICE: c_int = ItemType::Service as c_int;
const USER: c_int = ItemType::User as c_int;
const TTY: c_int = ItemType::Tty as c_int;
const RHOST: c_int = ItemType::RHost as c_int;
const RUSER: c_int = ItemType::RUser as c_int;
const PASSWORD: c_int = ItemType::AuthTok as c_int;

fn application(transaction: &FakeTransaction) -> LibpamTransaction<'_> {
    // SAFETY: a `PamHandle` has no bytes, and nothing else has this one.
    LibpamTransaction(unsafe { &mut *transaction.handle() })
}

#[test]
fn items_are_copied_and_outlive_a_change() {
    let all = [
        (SERVICE, c"sshd"),
        (USER, c"alice"),
        (TTY, c"ssh"),
        (RHOST, c"192.0.2.7"),
        (RUSER, c"bob"),
        (PASSWORD, c"hunter2"),
    ];
    let transaction = FakeTransaction::start(&all);
    let mut application = application(&transaction);
    let password = application.password().unwrap();
    assert_eq!(application.user().unwrap(), b"alice");
    assert_eq!(application.service().unwrap(), b"sshd");
    assert_eq!(application.rhost().unwrap(), b"192.0.2.7");
    assert_eq!(application.ruser().unwrap(), b"bob");
    assert!(application.has_terminal());
    application.set_password(b"another").unwrap();
    assert_eq!(*password, b"hunter2");
    assert_eq!(*application.password().unwrap(), b"another");
}

#[test]
fn variables_are_set_copied_and_removed() {
    let transaction = FakeTransaction::start(&[(TTY, c"ssh")]);
    let mut application = application(&transaction);
    assert_eq!(application.tty().as_deref(), Some(&b"ssh"[..]));
    assert_eq!(application.variable("NAME"), None);
    application.set_variable("NAME=a=b").unwrap();
    let value = application.variable("NAME").unwrap();
    application.set_variable("NAME=c").unwrap();
    assert_eq!(
        (value.as_str(), application.variable("NAME").as_deref()),
        ("a=b", Some("c"))
    );
    application.set_variable("NAME").unwrap();
    assert_eq!(application.variable("NAME"), None);
    assert_eq!(application.set_variable("NUL\0=x"), Err(NoAnswer));
}

#[test]
fn what_libpam_does_not_know_is_none() {
    let transaction = FakeTransaction::start(&[(TTY, c"")]);
    let mut application = application(&transaction);
    assert_eq!(application.user(), Err(NoAnswer));
    assert_eq!((application.service(), application.rhost()), (None, None));
    assert_eq!(application.ruser(), None);
    assert!(application.password().is_none());
    assert!(!application.has_terminal());
    assert_eq!(application.unenrolled_marks(), []);
}

#[test]
fn a_password_that_libpam_does_not_take_is_an_error() {
    let transaction = FakeTransaction::start(&[]);
    let mut application = application(&transaction);
    assert_eq!(application.set_password(b"hun\0ter2"), Err(NoAnswer));
    application.set_password(b"").unwrap();
    assert_eq!(transaction.item(PASSWORD).unwrap().as_c_str(), c"");
    transaction.fills_up();
    assert_eq!(application.set_password(b"hunter2"), Err(NoAnswer));
}

#[test]
fn an_answer_is_taken_over_and_freed() {
    let transaction = FakeTransaction::start(&[]);
    let mut application = application(&transaction);
    let answers = [c"123456", c"", c"\xff \n"];
    transaction.answers(answers.map(FakeAnswer::Text));
    for (echo, answer) in [EchoMode::Hidden, EchoMode::Shown, EchoMode::Hidden]
        .into_iter()
        .zip(answers)
    {
        assert_eq!(*application.ask("Code: ", echo).unwrap(), answer.to_bytes());
    }
    let asked = |style| (style, "Code: ".to_owned());
    let styles = [PAM_PROMPT_ECHO_OFF, PAM_PROMPT_ECHO_ON, PAM_PROMPT_ECHO_OFF];
    assert_eq!(transaction.said(), styles.map(asked));
}

#[test]
fn an_application_that_cannot_ask_gives_no_answer() {
    let transaction = FakeTransaction::start(&[]);
    let mut application = application(&transaction);
    let mut ask = |prompt| application.ask(prompt, EchoMode::Hidden);
    assert_eq!(ask("Code: "), Err(NoAnswer), "no conversation");
    transaction.answers([
        FakeAnswer::Failure,
        FakeAnswer::NoResponse,
        FakeAnswer::Nothing,
    ]);
    for _ in 0..3 {
        assert_eq!(ask("Code: "), Err(NoAnswer));
    }
    assert_eq!(ask("Co\0de: "), Err(NoAnswer), "is no C string");
    assert_eq!(transaction.said().len(), 3);
}

/// Also where the client answers to a message.
#[test]
fn messages_are_shown_whatever_comes_back() {
    let transaction = FakeTransaction::start(&[]);
    let mut application = application(&transaction);
    let answers = [
        FakeAnswer::Nothing,
        FakeAnswer::Text(c"thanks"),
        FakeAnswer::Failure,
        FakeAnswer::NoResponse,
    ];
    transaction.answers(answers);
    for _ in 0..2 {
        application.inform("2 recovery codes are left.");
        application.complain("That code is wrong.");
    }
    let styles: Vec<c_int> = transaction.said().iter().map(|(style, _)| *style).collect();
    let both = [PAM_TEXT_INFO, PAM_ERROR_MSG];
    assert_eq!(styles, [both, both].concat());
}

#[test]
fn a_mark_lasts_until_replaced_or_the_end() {
    let transaction = FakeTransaction::start(&[]);
    let mut application = application(&transaction);
    let arguments = ModuleArguments::parse(&[]).unwrap();
    let mark = |account| vec![UnenrolledMark::new(&arguments, account)];
    application.keep_marks(&|_| false).unwrap();
    application.set_unenrolled_marks(mark("alice")).unwrap();
    application.set_unenrolled_marks(mark("bob")).unwrap();
    assert_eq!(application.unenrolled_marks(), mark("bob"));
    application.keep_marks(&|_| false).unwrap();
    assert_eq!(application.unenrolled_marks(), []);
    application.set_unenrolled_marks(mark("alice")).unwrap();
    transaction.fills_up();
    assert_eq!(application.keep_marks(&|_| false), Err(NoAnswer));
    assert_eq!(application.set_unenrolled_marks(mark("bob")), Err(NoAnswer));
    assert_eq!(application.unenrolled_marks(), mark("alice"));
    assert_eq!(application.keep_marks(&|_| true), Ok(()), "nothing to do");
}

#[test]
fn a_delay_is_told_in_microseconds_and_never_wraps() {
    let transaction = FakeTransaction::start(&[]);
    let mut application = application(&transaction);
    application.delay_failure(4);
    application.delay_failure(u32::MAX);
    assert_eq!(transaction.delays(), [4_000_000, u32::MAX]);
}

type EntryPoint =
    unsafe extern "C" fn(*mut PamHandle, PamFlag, c_int, *const *const c_char) -> PamResultCode;

/// Arguments of the module are read where they stand; what libpam never does denies.
#[test]
fn entry_points_survive_any_arguments() {
    use crate::{pam_sm_acct_mgmt, pam_sm_chauthtok, pam_sm_close_session, pam_sm_setcred};
    let transaction = FakeTransaction::start(&[]);
    let call = |entry: EntryPoint, handle: *mut PamHandle, words: &[Option<&CStr>]| {
        let words: Vec<*const c_char> = words
            .iter()
            .map(|word| word.map_or(std::ptr::null(), CStr::as_ptr))
            .collect();
        let count = c_int::try_from(words.len()).unwrap();
        // SAFETY: a handle that is not null has no bytes to be read, and there are `count` words.
        unsafe { entry(handle, 0, count, words.as_ptr()) }
    };
    let some = [Some(c"debug"), Some(c"no such argument")];
    for (entry, code) in [
        (pam_sm_acct_mgmt as EntryPoint, PamResultCode::PAM_IGNORE),
        (pam_sm_chauthtok, PamResultCode::PAM_IGNORE),
        (pam_sm_close_session, PamResultCode::PAM_SUCCESS),
        (pam_sm_setcred, PamResultCode::PAM_SUCCESS),
    ] {
        let handle = transaction.handle();
        assert_eq!(call(entry, handle, &[]), code);
        assert_eq!(call(entry, handle, &some), code);
        assert_eq!(call(entry, handle, &[None]), PamResultCode::PAM_ABORT);
        assert_eq!(
            call(entry, std::ptr::null_mut(), &[]),
            PamResultCode::PAM_ABORT
        );
    }
    // Other tests of this process shall say why they fail.
    drop(std::panic::take_hook());
}
