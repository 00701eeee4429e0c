//! The tables from endings to PAM return codes.
//!
//! PAM_IGNORE only if the policy says that nothing is asked. PAM_SUCCESS only for a code that was verified and whose use is on
//! the disk. PAM_USER_UNKNOWN never: many stacks skip a module that returns it.

use pam::constants::PamResultCode;

/// Result of the authentication phase.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AuthResult {
    /// A code was verified and its use recorded.
    Verified,
    /// The policy asks nothing of this login.
    NotAsked,
    /// Refused.
    Refused,
    /// Refused, and asking again is of no use: locked out, or the last of the tries.
    NoMoreTries,
    /// A file, the clock or a database cannot be used.
    Unavailable,
    /// The line in the PAM file is wrong.
    BadArguments,
    /// The application could not or would not ask.
    NoAnswer,
}

/// Result of the account phase for a user without a device.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AccountResult {
    /// Nothing stands against the login: a device was enrolled, or the policy wants none.
    Open,
    /// Refused, for whatever reason.
    Refused,
}

impl AccountResult {
    /// The return code of `pam_sm_acct_mgmt`. An enrollment is no reason to skip the modules after this one, as PAM_SUCCESS would
    /// be under `sufficient`. There is one code for all refusals, since some stacks skip a module that returns
    /// PAM_AUTHINFO_UNAVAIL.
    #[must_use]
    pub const fn code(self) -> PamResultCode {
        match self {
            Self::Open => PamResultCode::PAM_IGNORE,
            Self::Refused => PamResultCode::PAM_PERM_DENIED,
        }
    }
}

impl AuthResult {
    /// The return code of `pam_sm_authenticate`.
    #[must_use]
    pub const fn code(self) -> PamResultCode {
        match self {
            Self::Verified => PamResultCode::PAM_SUCCESS,
            Self::NotAsked => PamResultCode::PAM_IGNORE,
            Self::Refused => PamResultCode::PAM_AUTH_ERR,
            Self::NoMoreTries => PamResultCode::PAM_MAXTRIES,
            Self::Unavailable => PamResultCode::PAM_AUTHINFO_UNAVAIL,
            Self::BadArguments => PamResultCode::PAM_SERVICE_ERR,
            Self::NoAnswer => PamResultCode::PAM_CONV_ERR,
        }
    }
}
