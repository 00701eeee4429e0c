//! Credentials that a typed code is compared with.
#![forbid(unsafe_code)]

use twofactor_core::verify::FailureCounter;

/// Codes that are a proof for a change through the daemon.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProofCodes {
    /// Those of devices, and recovery codes.
    All,
    /// Those of devices. A recovery code is a wrong one, and stays unused.
    OfDevices,
}

/// Credentials that a typed code is compared with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CredentialSet {
    /// The codes of a user who has a device: of the devices, recovery codes, bypass. A wrong one is one of these failures.
    Devices(FailureCounter),
    /// The part of them that proves a change through the daemon. A wrong one is not remembered as refused: it may be a code that
    /// has to work at the next login.
    ChangeProof,
    /// The invitation to enroll of a user who has none. A wrong one is one of these failures.
    Invitation(FailureCounter),
}

impl CredentialSet {
    pub(super) const fn counter(self) -> FailureCounter {
        match self {
            Self::Devices(counter) | Self::Invitation(counter) => counter,
            Self::ChangeProof => FailureCounter::Daemon,
        }
    }
}
