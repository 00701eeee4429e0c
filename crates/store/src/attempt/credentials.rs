//! Credentials that a typed code is compared with.

use twofactor_core::record::UserRecord;
use twofactor_core::verify::FailureCounter;

/// Codes that are a proof for a change through the daemon.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProofCodes {
    /// Codes of devices, and recovery codes.
    All,
    /// Codes of devices. A recovery code is a wrong code, and stays unused.
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

/// Purpose of a code that all hosts of a fleet judge.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SharedPurpose {
    /// A login, or a program that runs as the user: any of the user's codes. A wrong one is one of these failures.
    Code(FailureCounter),
    /// A change through the daemon.
    Proof(ProofCodes),
}

impl SharedPurpose {
    pub(super) const fn credentials(self) -> CredentialSet {
        match self {
            Self::Code(counter) => CredentialSet::Devices(counter),
            Self::Proof(_) => CredentialSet::ChangeProof,
        }
    }

    /// Leaves the codes in a record that count for it.
    pub(super) fn narrow(self, record: &mut UserRecord) {
        if let Self::Proof(accepts) = self {
            accepts.narrow(record);
        }
    }
}

impl ProofCodes {
    /// Leaves the codes in a record that are a proof. A bypass code lets its user log in, and is none.
    pub(super) fn narrow(self, record: &mut UserRecord) {
        record.bypass = None;
        if self == Self::OfDevices {
            record.recovery = None;
        }
    }
}

impl CredentialSet {
    pub(super) const fn counter(self) -> FailureCounter {
        match self {
            Self::Devices(counter) | Self::Invitation(counter) => counter,
            Self::ChangeProof => FailureCounter::Daemon,
        }
    }
}
