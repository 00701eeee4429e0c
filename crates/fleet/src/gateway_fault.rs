//! Faults of requests to the gateway.

use std::fmt;

/// Reason why a request has no answer. The text is of the gateway or of the network, and holds no secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum GatewayFault {
    /// It was not sent, or refused before it could be done.
    NotSent(String),
    /// It may have been done, or may be done yet.
    Unknown(String),
}

impl fmt::Display for GatewayFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotSent(text) | Self::Unknown(text) => f.write_str(text),
        }
    }
}

impl std::error::Error for GatewayFault {}
