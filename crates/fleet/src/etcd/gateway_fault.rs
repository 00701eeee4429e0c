//! Faults of requests to the gateway.

use std::fmt;

/// The beginning of a text that a member said.
pub(crate) const SAID: &str = "status ";

/// Reason why a request has no answer. The text is of the gateway or of the network, and holds no secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum GatewayFault {
    /// The request was not sent, or refused before it could be done.
    NotSent(String),
    /// The request may have been done, or may be done yet.
    Unknown(String),
}

impl GatewayFault {
    /// This fault with the text of an earlier one, if a member said that and this one says only that there was no answer.
    #[must_use]
    pub fn after(self, earlier: Option<&Self>) -> Self {
        let text = |later: String| match earlier {
            Some(Self::NotSent(said) | Self::Unknown(said)) => more_telling(Some(said), later),
            None => later,
        };
        match self {
            Self::NotSent(later) => Self::NotSent(text(later)),
            Self::Unknown(later) => Self::Unknown(text(later)),
        }
    }
}

/// The text that a member said, if `later` is none: the end of the time hides why it passed.
pub(crate) fn more_telling(earlier: Option<&str>, later: String) -> String {
    let is_said = |text: &str| text.starts_with(SAID);
    match earlier {
        Some(earlier) if is_said(earlier) && !is_said(&later) => earlier.to_owned(),
        _ => later,
    }
}

impl fmt::Display for GatewayFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotSent(text) | Self::Unknown(text) => f.write_str(text),
        }
    }
}

impl std::error::Error for GatewayFault {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_member_said_outlasts_a_time_out() {
        let said = GatewayFault::Unknown("status 429: full".to_owned());
        let silent = GatewayFault::NotSent("timeout: global".to_owned());
        let kept = GatewayFault::NotSent("status 429: full".to_owned());
        assert_eq!(silent.clone().after(Some(&said)), kept);
        assert_eq!(silent.clone().after(None), silent);
        let refused = GatewayFault::NotSent("connection refused".to_owned());
        assert_eq!(silent.clone().after(Some(&refused)), silent);
        let other = GatewayFault::NotSent("status 400: other".to_owned());
        assert_eq!(other.clone().after(Some(&said)), other);
    }
}
