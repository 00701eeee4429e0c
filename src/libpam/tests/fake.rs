//! libpam as far as the module calls it, in Rust: memory is given and taken as pam_get_item(3), pam_set_data(3) and
//! pam_conv(3) say, and Miri can follow each pointer from one side to the other.
//!
//! These functions take the places of libpam's own in the program of the unit tests. pam_syslog(3) is missing: it takes a
//! variable number of arguments, which stable Rust cannot define.
#![allow(unsafe_code)]

use std::cell::RefCell;
use std::collections::{BTreeMap, VecDeque};
use std::ffi::{CStr, CString, c_char, c_int, c_uint, c_void};
use std::ptr::NonNull;

use pam::module::PamHandle;

const PAM_SUCCESS: c_int = 0;
const PAM_BUF_ERR: c_int = 5;
const PAM_NO_MODULE_DATA: c_int = 18;
const PAM_CONV_ERR: c_int = 19;
const PAM_CONV: c_int = 5;

/// Value that the application finds where it keeps its own data.
const MINE: u32 = 0x0074_6570;

type Cleanup = extern "C" fn(*mut PamHandle, *mut c_void, c_int);

#[repr(C)]
struct FakeMessage {
    style: c_int,
    text: *const c_char,
}

#[repr(C)]
struct FakeResponse {
    text: *mut c_char,
    code: c_int,
}

#[repr(C)]
struct FakeConversation {
    function:
        extern "C" fn(c_int, *mut *const FakeMessage, *mut *mut FakeResponse, *mut c_void) -> c_int,
    data: *mut c_void,
}

/// Action of the application when it is asked.
#[derive(Clone, Copy)]
pub enum FakeAnswer {
    Text(&'static CStr),
    /// A response without text, as to a message.
    Nothing,
    /// It says that all went well, and leaves the response out.
    NoResponse,
    /// It cannot ask.
    Failure,
}

/// Everything that libpam knows of the transaction of this thread.
#[derive(Default)]
struct Known {
    /// By item type, from `CString::into_raw`.
    items: BTreeMap<c_int, *mut c_char>,
    /// From `Box::into_raw`.
    conversation: Option<*mut FakeConversation>,
    data: BTreeMap<CString, (*mut c_void, Cleanup)>,
    /// True if it is out of memory.
    is_full: bool,
    answers: VecDeque<FakeAnswer>,
    said: Vec<(c_int, String)>,
    delays: Vec<c_uint>,
    variables: BTreeMap<CString, CString>,
}

thread_local! {
    static KNOWN: RefCell<Known> = RefCell::default();
}

/// A transaction, from pam_start(3) to pam_end(3). Each thread has one at most.
pub struct FakeTransaction(());

impl FakeTransaction {
    pub fn start(items: &[(c_int, &CStr)]) -> Self {
        KNOWN.with_borrow_mut(|known| {
            assert!(known.items.is_empty() && known.data.is_empty());
            for (number, text) in items {
                known.items.insert(*number, CString::from(*text).into_raw());
            }
        });
        Self(())
    }

    /// From now on there is an application, which answers like this.
    pub fn answers(&self, answers: impl IntoIterator<Item = FakeAnswer>) {
        KNOWN.with_borrow_mut(|known| {
            known.answers = answers.into_iter().collect();
            known.conversation.get_or_insert_with(|| {
                let data = Box::into_raw(Box::new(MINE)).cast();
                Box::into_raw(Box::new(FakeConversation {
                    function: converse,
                    data,
                }))
            });
        });
    }

    /// From now on nothing can be stored.
    pub fn fills_up(&self) {
        KNOWN.with_borrow_mut(|known| known.is_full = true);
    }

    /// Messages that the application was given: style and text.
    pub fn said(&self) -> Vec<(c_int, String)> {
        KNOWN.with_borrow(|known| known.said.clone())
    }

    pub fn delays(&self) -> Vec<c_uint> {
        KNOWN.with_borrow(|known| known.delays.clone())
    }

    pub fn item(&self, number: c_int) -> Option<CString> {
        let known = KNOWN.with_borrow(|known| known.items.get(&number).copied())?;
        // SAFETY: items come from `CString::into_raw`, and this one was not freed.
        Some(unsafe { CStr::from_ptr(known) }.to_owned())
    }

    /// Handle that the entry points of a module are called with.
    pub fn handle(&self) -> *mut PamHandle {
        // It has no bytes, and libpam's part of it is `KNOWN`.
        NonNull::dangling().as_ptr()
    }
}

impl Drop for FakeTransaction {
    fn drop(&mut self) {
        let known = KNOWN.take();
        for (data, cleanup) in known.data.into_values() {
            cleanup(self.handle(), data, PAM_SUCCESS);
        }
        for text in known.items.into_values() {
            // SAFETY: it comes from `CString::into_raw`.
            drop(unsafe { CString::from_raw(text) });
        }
        if let Some(conversation) = known.conversation {
            // SAFETY: both come from `Box::into_raw` in `answers`.
            unsafe {
                let conversation = Box::from_raw(conversation);
                drop(Box::from_raw(conversation.data.cast::<u32>()));
            }
        }
    }
}

/// The application's conversation function (pam_conv(3)): the response is of malloc(3), and the module frees it.
extern "C" fn converse(
    count: c_int,
    messages: *mut *const FakeMessage,
    responses: *mut *mut FakeResponse,
    data: *mut c_void,
) -> c_int {
    assert_eq!(count, 1);
    // SAFETY: `data` is what stands beside this function in `FakeConversation`; `messages` points to as many messages as
    // `count` says, with C strings.
    let (mine, style, text) = unsafe {
        let message = &**messages;
        let text = CStr::from_ptr(message.text);
        (*data.cast::<u32>(), message.style, text)
    };
    assert_eq!(mine, MINE);
    let text = text.to_str().unwrap().to_owned();
    let answer = KNOWN.with_borrow_mut(|known| {
        known.said.push((style, text));
        known.answers.pop_front().unwrap()
    });
    let text = match answer {
        FakeAnswer::Text(text) => malloced(text.to_bytes_with_nul()),
        FakeAnswer::Nothing => std::ptr::null_mut(),
        FakeAnswer::NoResponse => return PAM_SUCCESS,
        FakeAnswer::Failure => return PAM_CONV_ERR,
    };
    // SAFETY: the block is as large as a `FakeResponse`, and aligned for anything; `responses` is valid for writes.
    unsafe {
        let response = libc::malloc(size_of::<FakeResponse>()).cast::<FakeResponse>();
        response.write(FakeResponse { text, code: 0 });
        responses.write(response);
    }
    PAM_SUCCESS
}

fn malloced(bytes: &[u8]) -> *mut c_char {
    // SAFETY: the block is as long as `bytes`, and new.
    unsafe {
        let block = libc::malloc(bytes.len());
        block
            .cast::<u8>()
            .copy_from_nonoverlapping(bytes.as_ptr(), bytes.len());
        block.cast()
    }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn pam_get_item(
    _: *const PamHandle,
    number: c_int,
    item: *mut *const c_void,
) -> c_int {
    let found = KNOWN.with_borrow(|known| match number {
        PAM_CONV => known.conversation.map(|conversation| conversation.cast()),
        _ => known.items.get(&number).map(|text| text.cast()),
    });
    let found: *mut c_void = found.unwrap_or(std::ptr::null_mut());
    // SAFETY: the caller gives a place for a pointer.
    unsafe { item.write(found) };
    PAM_SUCCESS
}

#[unsafe(no_mangle)]
unsafe extern "C" fn pam_set_item(_: *mut PamHandle, number: c_int, item: *const c_void) -> c_int {
    // SAFETY: all items but the conversation are C strings, and that is never set here.
    let text = unsafe { CStr::from_ptr(item.cast()) }.to_owned();
    KNOWN.with_borrow_mut(|known| {
        if known.is_full {
            return PAM_BUF_ERR;
        }
        if let Some(old) = known.items.insert(number, text.into_raw()) {
            // SAFETY: it comes from `CString::into_raw`.
            drop(unsafe { CString::from_raw(old) });
        }
        PAM_SUCCESS
    })
}

#[unsafe(no_mangle)]
unsafe extern "C" fn pam_get_user(
    handle: *mut PamHandle,
    user: *mut *const c_char,
    prompt: *const c_char,
) -> c_int {
    assert!(prompt.is_null());
    const PAM_USER: c_int = 2;
    // SAFETY: a place for one pointer is a place for another.
    unsafe { pam_get_item(handle, PAM_USER, user.cast()) }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn pam_get_data(
    _: *const PamHandle,
    name: *const c_char,
    data: *mut *const c_void,
) -> c_int {
    // SAFETY: the caller gives a C string.
    let name = unsafe { CStr::from_ptr(name) };
    let found = KNOWN.with_borrow(|known| known.data.get(name).map(|(data, _)| *data));
    let Some(found) = found else {
        return PAM_NO_MODULE_DATA;
    };
    // SAFETY: the caller gives a place for a pointer.
    unsafe { data.write(found) };
    PAM_SUCCESS
}

#[unsafe(no_mangle)]
unsafe extern "C" fn pam_set_data(
    handle: *mut PamHandle,
    name: *const c_char,
    data: *mut c_void,
    cleanup: Cleanup,
) -> c_int {
    const PAM_DATA_REPLACE: c_int = 0x2000_0000;
    // SAFETY: the caller gives a C string.
    let name = unsafe { CStr::from_ptr(name) }.to_owned();
    let replaced = KNOWN.with_borrow_mut(|known| {
        if known.is_full {
            Err(PAM_BUF_ERR)
        } else {
            Ok(known.data.insert(name, (data, cleanup)))
        }
    });
    match replaced {
        Err(code) => return code,
        Ok(Some((data, cleanup))) => cleanup(handle, data, PAM_DATA_REPLACE),
        Ok(None) => {}
    }
    PAM_SUCCESS
}

#[unsafe(no_mangle)]
unsafe extern "C" fn pam_putenv(_: *mut PamHandle, assignment: *const c_char) -> c_int {
    // SAFETY: the caller gives a C string.
    let assignment = unsafe { CStr::from_ptr(assignment) }.to_bytes();
    let mut parts = assignment.splitn(2, |byte| *byte == b'=');
    let name = CString::new(parts.next().unwrap()).unwrap();
    KNOWN.with_borrow_mut(|known| match (known.is_full, parts.next()) {
        (true, _) => PAM_BUF_ERR,
        (false, Some(value)) => {
            known.variables.insert(name, CString::new(value).unwrap());
            PAM_SUCCESS
        }
        (false, None) => {
            known.variables.remove(&name);
            PAM_SUCCESS
        }
    })
}

#[unsafe(no_mangle)]
unsafe extern "C" fn pam_getenv(_: *mut PamHandle, name: *const c_char) -> *const c_char {
    // SAFETY: the caller gives a C string.
    let name = unsafe { CStr::from_ptr(name) };
    KNOWN.with_borrow(|known| {
        let value = known.variables.get(name);
        value.map_or(std::ptr::null(), |value| value.as_ptr())
    })
}

#[unsafe(no_mangle)]
unsafe extern "C" fn pam_fail_delay(_: *mut PamHandle, microseconds: c_uint) -> c_int {
    KNOWN.with_borrow_mut(|known| known.delays.push(microseconds));
    PAM_SUCCESS
}
