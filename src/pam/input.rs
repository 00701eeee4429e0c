//! Where the next answer comes from, and which answers no person gave.
#![forbid(unsafe_code)]

use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use crate::verify::{Answer, Form};

use super::args::{Arguments, FirstPass, Layout};
use super::host::{Echo, Host, NoAnswer};
use super::prompt::{Asked, Prompt};

/// What sshd answers in place of a user it will refuse anyway, repeated or cut to the length of what was typed
/// (auth-pam.c).
const SSHD_STAND_IN: &[u8] = b"\x08\n\r\x7fINCORRECT";

/// One answer.
pub enum Input {
    /// Typed at our prompt.
    Typed(Zeroizing<Vec<u8>>),
    /// `PAM_AUTHTOK`, asked for by an earlier module.
    First(Zeroizing<Vec<u8>>),
}

impl Input {
    /// The answer itself.
    #[must_use]
    pub fn into_bytes(self) -> Zeroizing<Vec<u8>> {
        let (Self::Typed(bytes) | Self::First(bytes)) = self;
        bytes
    }

    /// The same, kept here.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        let (Self::Typed(bytes) | Self::First(bytes)) = self;
        bytes
    }
}

/// Why an answer is neither compared nor counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NotForUs {
    /// There is nothing in it.
    Empty,
    /// sshd will refuse this user whatever the answer.
    SshdStandIn,
    /// sshd's password method gives the same answer to every question; it was judged the first time.
    Repeated,
    /// It is the password: sshd's password method gave it to us, or a person typed it into the wrong field.
    Password,
}

/// The next answer: the first pass where the arguments say so, else one that is asked for. `None` when there may only be
/// a first pass and there is none.
///
/// # Errors
/// [`NoAnswer`].
pub fn next(
    host: &mut dyn Host,
    arguments: &Arguments,
    prompt: &Prompt,
    echo: Echo,
) -> Result<Option<Input>, NoAnswer> {
    if prompt.asked() == Asked::Never {
        match (arguments.first_pass, host.password()) {
            (FirstPass::Only, password) => return Ok(password.map(Input::First)),
            (FirstPass::Try, Some(password)) if may_be_a_code(arguments, &password) => {
                return Ok(Some(Input::First(password)));
            }
            _ => {}
        }
    }
    let echo = match arguments.layout {
        Layout::Code => echo,
        Layout::PasswordThenCode => Echo::Hidden,
    };
    Ok(Some(Input::Typed(host.ask(prompt.text(), echo)?)))
}

/// Whether an answer is one of those that no person gave to this question. `refused` is the answer before it.
pub fn not_for_us(
    host: &dyn Host,
    arguments: &Arguments,
    input: &Input,
    refused: Option<&Zeroizing<Vec<u8>>>,
) -> Option<NotForUs> {
    let bytes = input.bytes();
    if is_empty(bytes) {
        return Some(NotForUs::Empty);
    }
    if is_stand_in(bytes) {
        return Some(NotForUs::SshdStandIn);
    }
    match (arguments.layout, input) {
        (Layout::PasswordThenCode, _) => refused
            .is_some_and(|before| bool::from(before.as_slice().ct_eq(bytes)))
            .then_some(NotForUs::Repeated),
        (Layout::Code, Input::First(_)) => None,
        (Layout::Code, Input::Typed(_)) => host
            .password()
            .filter(|password| !password.is_empty())
            .is_some_and(|password| bool::from(password.as_slice().ct_eq(bytes)))
            .then_some(NotForUs::Password),
    }
}

/// Whether there is nothing in an answer.
pub const fn is_empty(answer: &[u8]) -> bool {
    answer.trim_ascii().is_empty()
}

/// With `try_first_pass` a password that cannot be a code is not worth a failure.
fn may_be_a_code(arguments: &Arguments, password: &[u8]) -> bool {
    match arguments.layout {
        Layout::Code => Answer::read(password, Form::Code, &[]).looks_like_a_code(),
        Layout::PasswordThenCode => true,
    }
}

fn is_stand_in(answer: &[u8]) -> bool {
    let stand_in = SSHD_STAND_IN.iter().cycle().take(answer.len());
    !answer.is_empty() && answer.iter().eq(stand_in)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_of_white_space_is_empty() {
        for answer in [&b""[..], b" ", b"\t \r\n"] {
            assert!(is_empty(answer), "{answer:?}");
        }
        for answer in [&b"1"[..], b" 1 ", b"-", b"\0", b"\xa0"] {
            assert!(!is_empty(answer), "{answer:?}");
        }
    }

    #[test]
    fn the_stand_in_is_known_at_every_length() {
        let long: Vec<u8> = SSHD_STAND_IN.iter().copied().cycle().take(100).collect();
        for len in 1..=long.len() {
            assert!(is_stand_in(&long[..len]), "{len}");
        }
        for answer in [&b""[..], b"INCORRECT", b"123456", b"\x08\n\r\x7fINCORRECT!"] {
            assert!(!is_stand_in(answer), "{answer:?}");
        }
    }
}
