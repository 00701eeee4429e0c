//! The source of the next answer, and which answers no person gave.

use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use twofactor_core::verify::{self, AnswerForm, TypedAnswer};

use crate::code_prompt::{CodePrompt, QuestionState};
use crate::module_arguments::{FirstPass, ModuleArguments, PromptLayout};
use crate::transaction::{EchoMode, NoAnswer, PamTransaction};

/// Answer that sshd gives in place of a user it will refuse anyway, repeated or cut to the length of what was typed
/// (auth-pam.c).
const SSHD_STAND_IN: &[u8] = b"\x08\n\r\x7fINCORRECT";

/// One answer.
pub enum LoginAnswer {
    /// Typed at our prompt.
    Typed(Zeroizing<Vec<u8>>),
    /// `PAM_AUTHTOK`, asked for by an earlier module.
    First(Zeroizing<Vec<u8>>),
}

impl LoginAnswer {
    /// The answer itself.
    #[must_use]
    pub fn into_bytes(self) -> Zeroizing<Vec<u8>> {
        let (Self::Typed(bytes) | Self::First(bytes)) = self;
        bytes
    }

    /// The bytes of the answer, kept here.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        let (Self::Typed(bytes) | Self::First(bytes)) = self;
        bytes
    }
}

/// Reason why an answer is neither compared nor counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NonCodeAnswer {
    /// sshd will refuse this user whatever the answer.
    SshdStandIn,
    /// In one field: sshd's password method gives the same answer to every question; it was judged the first time.
    Repeated,
    /// A code that was refused already, in this login or lately.
    RepeatedCode,
    /// The password: sshd's password method passed it on, or a person typed it into the wrong field.
    Password,
    /// The user's name: a client gave it to a question that shows its answer.
    UserName,
    /// Nothing but white space and hyphens.
    Empty,
}

impl NonCodeAnswer {
    /// True if every question will be answered with it, so that there is no use in asking again. The others use up one of the
    /// tries.
    #[must_use]
    pub const fn ends_login(self) -> bool {
        matches!(self, Self::SshdStandIn | Self::Repeated | Self::Password)
    }
}

/// The next answer: the first pass where the arguments say so, else one that is asked for. `None` when there may only be
/// a first pass and there is none.
///
/// # Errors
/// [`NoAnswer`].
pub fn next(
    transaction: &mut dyn PamTransaction,
    arguments: &ModuleArguments,
    prompt: &CodePrompt,
    echo: EchoMode,
) -> Result<Option<LoginAnswer>, NoAnswer> {
    if prompt.asked() == QuestionState::Never {
        match (arguments.first_pass, transaction.password()) {
            (FirstPass::Only, password) => return Ok(password.map(LoginAnswer::First)),
            (FirstPass::Try, Some(password)) if may_be_a_code(arguments, &password) => {
                return Ok(Some(LoginAnswer::First(password)));
            }
            _ => {}
        }
    }
    let echo = match arguments.layout {
        PromptLayout::Code => echo,
        PromptLayout::PasswordThenCode => EchoMode::Hidden,
    };
    Ok(Some(LoginAnswer::Typed(
        transaction.ask(prompt.text(), echo)?,
    )))
}

/// The reason if an answer is one of those that no person gave to this question, or a person by mistake. `refused` is
/// the answer before it, `names` are those of the user.
pub fn not_for_us(
    transaction: &dyn PamTransaction,
    arguments: &ModuleArguments,
    input: &LoginAnswer,
    refused: Option<&Zeroizing<Vec<u8>>>,
    names: &[&[u8]],
) -> Option<NonCodeAnswer> {
    let bytes = input.bytes();
    let is_repeated = refused.is_some_and(|before| same(before, bytes));
    let is_password = || {
        let password = transaction
            .password()
            .filter(|password| !password.is_empty());
        password.is_some_and(|password| same(&password, bytes))
    };
    match (arguments.layout, input) {
        _ if is_stand_in(bytes) => Some(NonCodeAnswer::SshdStandIn),
        _ if verify::is_blank(bytes) => Some(NonCodeAnswer::Empty),
        (PromptLayout::PasswordThenCode, _) if is_repeated => Some(NonCodeAnswer::Repeated),
        (PromptLayout::Code, LoginAnswer::Typed(_)) if is_password() => {
            Some(NonCodeAnswer::Password)
        }
        _ if names.contains(&bytes) => Some(NonCodeAnswer::UserName),
        (PromptLayout::Code, _) if is_repeated => Some(NonCodeAnswer::RepeatedCode),
        _ => None,
    }
}

fn same(one: &[u8], other: &[u8]) -> bool {
    bool::from(one.ct_eq(other))
}

/// With `try_first_pass` a password that cannot be a code is not worth a failure.
fn may_be_a_code(arguments: &ModuleArguments, password: &[u8]) -> bool {
    match arguments.layout {
        PromptLayout::Code => {
            TypedAnswer::read(password, AnswerForm::Code, &[]).looks_like_a_code()
        }
        PromptLayout::PasswordThenCode => true,
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
    fn what_is_given_to_every_question_ends_the_login() {
        for (cause, ends) in [
            (NonCodeAnswer::SshdStandIn, true),
            (NonCodeAnswer::Repeated, true),
            (NonCodeAnswer::Password, true),
            (NonCodeAnswer::RepeatedCode, false),
            (NonCodeAnswer::UserName, false),
            (NonCodeAnswer::Empty, false),
        ] {
            assert_eq!(cause.ends_login(), ends, "{cause:?}");
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
