//! The interface of libpam for applications, as far as tests and benchmarks need it: pam(3), pam_conv(3).
#![allow(unsafe_code)]

use std::ffi::{CStr, CString, c_char, c_int, c_uint, c_void};

/// PAM_SUCCESS.
pub const SUCCESS: c_int = 0;
/// PAM_CONV_ERR.
pub const CONV_ERR: c_int = 19;
/// PAM_SILENT.
pub const SILENT: c_int = 0x8000;
const USER: c_int = 2;
const TTY: c_int = 3;
const RHOST: c_int = 4;
const RUSER: c_int = 8;
const FAIL_DELAY: c_int = 10;
const ESTABLISH_CRED: c_int = 2;

/// A question or text of the module: a style of pam_conv(3) and a text.
pub struct RawMessage {
    /// The style, as in pam_conv(3).
    pub style: c_int,
    /// The text.
    pub text: String,
}

/// Reply of the conversation to one message.
pub enum Reply {
    /// A string; it ends at its first NUL for the module.
    Text(Vec<u8>),
    /// A text, with PAM_USER set to a name before.
    As(Vec<u8>, Vec<u8>),
    /// Success without a string.
    Null,
    /// The whole call fails.
    Failure,
    /// The call succeeds without an array of responses.
    NullArray,
}

/// The application's side of a transaction.
pub trait DriveConversation {
    /// Replies to one message.
    fn message(&mut self, message: RawMessage) -> Reply;
    /// Called in place of a delay, PAM_FAIL_DELAY, in microseconds.
    fn delay(&mut self, microseconds: u32);
}

#[repr(C)]
struct PamMessage {
    style: c_int,
    text: *const c_char,
}

#[repr(C)]
struct PamResponse {
    text: *mut c_char,
    unused: c_int,
}

type ConversationFunction =
    extern "C" fn(c_int, *mut *const PamMessage, *mut *mut PamResponse, *mut c_void) -> c_int;

#[repr(C)]
struct PamConv {
    function: ConversationFunction,
    data: *mut c_void,
}

enum PamHandle {}

thread_local! {
    /// The transaction of which a phase runs on this thread.
    static RUNNING: std::cell::Cell<*mut PamHandle> = const { std::cell::Cell::new(std::ptr::null_mut()) };
}

#[link(name = "pam")]
unsafe extern "C" {
    fn pam_start_confdir(
        service: *const c_char,
        user: *const c_char,
        conversation: *const PamConv,
        directory: *const c_char,
        handle: *mut *mut PamHandle,
    ) -> c_int;
    fn pam_end(handle: *mut PamHandle, status: c_int) -> c_int;
    fn pam_set_item(handle: *mut PamHandle, item: c_int, value: *const c_void) -> c_int;
    fn pam_get_item(handle: *const PamHandle, item: c_int, value: *mut *const c_void) -> c_int;
    fn pam_putenv(handle: *mut PamHandle, variable: *const c_char) -> c_int;
    fn pam_getenvlist(handle: *mut PamHandle) -> *mut *mut c_char;
    fn pam_authenticate(handle: *mut PamHandle, flags: c_int) -> c_int;
    fn pam_setcred(handle: *mut PamHandle, flags: c_int) -> c_int;
    fn pam_acct_mgmt(handle: *mut PamHandle, flags: c_int) -> c_int;
    fn pam_open_session(handle: *mut PamHandle, flags: c_int) -> c_int;
    fn pam_close_session(handle: *mut PamHandle, flags: c_int) -> c_int;
    fn pam_chauthtok(handle: *mut PamHandle, flags: c_int) -> c_int;
}

/// One of the calls of a transaction.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// pam_authenticate(3).
    Auth,
    /// pam_setcred(3).
    Setcred,
    /// pam_acct_mgmt(3).
    Account,
    /// pam_open_session(3).
    Open,
    /// pam_close_session(3).
    Close,
    /// pam_chauthtok(3).
    Chauthtok,
}

/// Arguments of pam_start, and the items set before the first phase.
#[derive(Default)]
pub struct Start<'a> {
    /// Name of the service.
    pub service: &'a CStr,
    /// Name of the user; libpam asks for it where there is none.
    pub user: Option<&'a CStr>,
    /// Directory of the PAM files, in place of the system's: pam_start_confdir(3).
    pub directory: Option<&'a CStr>,
    /// PAM_TTY.
    pub tty: Option<&'a CStr>,
    /// PAM_RHOST.
    pub rhost: Option<&'a CStr>,
    /// PAM_RUSER.
    pub ruser: Option<&'a CStr>,
}

/// A transaction between pam_start and pam_end.
pub struct DriveTransaction<'a, C: DriveConversation> {
    handle: *mut PamHandle,
    status: c_int,
    // libpam keeps this pointer; it is a Box turned raw, taken back in `drop`.
    conversation: *mut C,
    _items: std::marker::PhantomData<&'a CStr>,
}

impl<'a, C: DriveConversation> DriveTransaction<'a, C> {
    /// pam_start; on failure the code it returned.
    pub fn start(start: &Start<'a>, conversation: C) -> Result<Self, c_int> {
        let conversation = Box::into_raw(Box::new(conversation));
        let callback = PamConv {
            function: converse::<C>,
            data: conversation.cast(),
        };
        let pointer = |text: Option<&CStr>| text.map_or(std::ptr::null(), CStr::as_ptr);
        let mut handle = std::ptr::null_mut();
        // SAFETY: all strings end in NUL; libpam copies them and the PamConv.
        let status = in_libpam(|| unsafe {
            pam_start_confdir(
                start.service.as_ptr(),
                pointer(start.user),
                &raw const callback,
                pointer(start.directory),
                &raw mut handle,
            )
        });
        if status != SUCCESS {
            // SAFETY: made by Box::into_raw above, and libpam kept nothing.
            drop(unsafe { Box::from_raw(conversation) });
            return Err(status);
        }
        let transaction = Self {
            handle,
            status,
            conversation,
            _items: std::marker::PhantomData,
        };
        let delay: extern "C" fn(c_int, c_uint, *mut c_void) = delayed::<C>;
        // SAFETY: the handle is live; strings are copied; the delay item is the function pointer itself.
        unsafe {
            pam_set_item(handle, FAIL_DELAY, delay as *const c_void);
            for (item, value) in [(TTY, start.tty), (RHOST, start.rhost), (RUSER, start.ruser)] {
                if let Some(value) = value {
                    pam_set_item(handle, item, value.as_ptr().cast());
                }
            }
        }
        Ok(transaction)
    }

    /// Runs one phase; returns its code.
    pub fn run(&mut self, phase: Phase, flags: c_int) -> c_int {
        let handle = self.handle;
        RUNNING.set(handle);
        // SAFETY: the handle is live; no reference to the conversation exists meanwhile.
        self.status = in_libpam(|| unsafe {
            match phase {
                Phase::Auth => pam_authenticate(handle, flags),
                Phase::Setcred => pam_setcred(handle, flags | ESTABLISH_CRED),
                Phase::Account => pam_acct_mgmt(handle, flags),
                Phase::Open => pam_open_session(handle, flags),
                Phase::Close => pam_close_session(handle, flags),
                Phase::Chauthtok => pam_chauthtok(handle, flags),
            }
        });
        self.status
    }

    /// Sets a variable of the PAM environment, given as NAME=VALUE.
    pub fn set_variable(&mut self, variable: &CStr) -> c_int {
        // SAFETY: the handle is live; libpam copies the string.
        unsafe { pam_putenv(self.handle, variable.as_ptr()) }
    }

    /// PAM_USER as it is now.
    pub fn user(&self) -> Option<String> {
        let mut value = std::ptr::null();
        // SAFETY: the handle is live; the item is a string or null and is copied at once.
        unsafe {
            pam_get_item(self.handle, USER, &raw mut value);
            (!value.is_null()).then(|| CStr::from_ptr(value.cast()).to_string_lossy().into_owned())
        }
    }

    /// The PAM environment, as NAME=VALUE.
    pub fn environment(&self) -> Vec<String> {
        let mut found = Vec::new();
        // SAFETY: the list and its strings were allocated for us and end in null.
        unsafe {
            let list = pam_getenvlist(self.handle);
            let mut next = list;
            while !list.is_null() && !(*next).is_null() {
                found.push(CStr::from_ptr(*next).to_string_lossy().into_owned());
                libc::free((*next).cast());
                next = next.add(1);
            }
            libc::free(list.cast());
        }
        found
    }

    /// pam_end; returns the conversation.
    pub fn end(self) -> C {
        let this = std::mem::ManuallyDrop::new(self);
        // SAFETY: the handle is live and not used again; then the conversation is ours alone.
        unsafe {
            in_libpam(|| pam_end(this.handle, this.status));
            *Box::from_raw(this.conversation)
        }
    }
}

impl<C: DriveConversation> Drop for DriveTransaction<'_, C> {
    fn drop(&mut self) {
        // SAFETY: as in `end`, which does not come here.
        unsafe {
            pam_end(self.handle, self.status);
            drop(Box::from_raw(self.conversation));
        }
    }
}

extern "C" fn converse<C: DriveConversation>(
    count: c_int,
    messages: *mut *const PamMessage,
    responses: *mut *mut PamResponse,
    data: *mut c_void,
) -> c_int {
    mark(MARK_OUT);
    let code = answered::<C>(count, messages, responses, data);
    mark(MARK_IN);
    code
}

fn answered<C: DriveConversation>(
    count: c_int,
    messages: *mut *const PamMessage,
    responses: *mut *mut PamResponse,
    data: *mut c_void,
) -> c_int {
    // SAFETY: libpam passes back the pointer of `start`, `count` messages, and a place for the responses, which the
    // module frees with free(3).
    unsafe {
        let conversation = &mut *data.cast::<C>();
        let count = usize::try_from(count).unwrap_or(0);
        let array: *mut PamResponse = libc::calloc(count.max(1), size_of::<PamResponse>()).cast();
        for index in 0..count {
            let message = &**messages.add(index);
            let text = if message.text.is_null() {
                c""
            } else {
                CStr::from_ptr(message.text)
            };
            let message = RawMessage {
                style: message.style,
                text: text.to_string_lossy().into_owned(),
            };
            match conversation.message(message) {
                Reply::Text(text) => (*array.add(index)).text = duplicate(&text),
                Reply::As(user, text) => {
                    let user = CString::new(user).unwrap_or_default();
                    // The handle of the phase that asks, which libpam is inside of.
                    pam_set_item(RUNNING.get(), USER, user.as_ptr().cast());
                    (*array.add(index)).text = duplicate(&text);
                }
                Reply::Null => {}
                failure => {
                    for made in 0..index {
                        libc::free((*array.add(made)).text.cast());
                    }
                    libc::free(array.cast());
                    *responses = std::ptr::null_mut();
                    return if matches!(failure, Reply::Failure) {
                        CONV_ERR
                    } else {
                        SUCCESS
                    };
                }
            }
        }
        *responses = array;
    }
    SUCCESS
}

extern "C" fn delayed<C: DriveConversation>(
    _status: c_int,
    microseconds: c_uint,
    data: *mut c_void,
) {
    mark(MARK_OUT);
    // SAFETY: libpam passes back the pointer of `start`.
    unsafe { (*data.cast::<C>()).delay(microseconds) };
    mark(MARK_IN);
}

fn duplicate(text: &[u8]) -> *mut c_char {
    // SAFETY: the new block has room for the text and the NUL that calloc put after it.
    unsafe {
        let copy: *mut u8 = libc::calloc(text.len() + 1, 1).cast();
        copy.copy_from_nonoverlapping(text.as_ptr(), text.len());
        copy.cast()
    }
}

/// A C string from bytes that came from the command line.
pub fn c_string(bytes: &[u8]) -> Result<CString, String> {
    CString::new(bytes)
        .map_err(|_| "a NUL byte cannot be passed to pam_start or pam_set_item".to_owned())
}

/// Mark that `harness::fault` takes for the beginning and the end of libpam's part: an lseek(2) that fails.
const MARK_IN: i64 = 0x7061_6d01;
const MARK_OUT: i64 = 0x7061_6d00;

fn in_libpam<T>(call: impl FnOnce() -> T) -> T {
    mark(MARK_IN);
    let result = call();
    mark(MARK_OUT);
    result
}

fn mark(side: i64) {
    // SAFETY: no pointers, and no descriptor either: nothing happens. libpam's errno is not to be changed.
    unsafe {
        let errno = libc::__errno_location();
        let before = *errno;
        libc::lseek(-2, side, libc::SEEK_SET);
        *errno = before;
    }
}
