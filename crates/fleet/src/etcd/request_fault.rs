//! Faults of one request to one member, and what they say of it: whether it was done.

use serde_json::Value;

use super::gateway_fault::SAID;

/// Codes of gRPC that are said before a proposal is made, so that nothing was done.
const INVALID_ARGUMENT: u64 = 3;
const PERMISSION_DENIED: u64 = 7;
const UNAUTHENTICATED: u64 = 16;

/// Reason why one member gave no answer.
pub enum RequestFault {
    /// The request was not sent, or refused before it could be done.
    NotSent(String),
    /// The request was refused for want of a valid token.
    Unauthenticated(String),
    /// The request may have been done, or may be done yet.
    Unknown(String),
}

impl RequestFault {
    /// A failure before the request was on its way: nothing was done.
    pub fn of_sending(error: ureq::Error) -> Self {
        let text = error.to_string();
        match error {
            ureq::Error::ConnectionFailed
            | ureq::Error::HostNotFound
            | ureq::Error::Timeout(ureq::Timeout::Connect | ureq::Timeout::Resolve)
            | ureq::Error::Tls(_)
            | ureq::Error::Rustls(_)
            | ureq::Error::BadUri(_) => Self::NotSent(text),
            ureq::Error::Io(error) if error.kind() == std::io::ErrorKind::ConnectionRefused => {
                Self::NotSent(text)
            }
            _ => Self::Unknown(text),
        }
    }

    /// The fault that a reply with another status than 200 tells.
    pub fn of_reply(status: u16, reply: &str) -> Self {
        let reply: Value = serde_json::from_str(reply).unwrap_or_default();
        let code = reply.get("code").and_then(Value::as_u64);
        let words = ["message", "error"]
            .iter()
            .find_map(|key| reply.get(key)?.as_str());
        // Of a server that is none of etcd's the text is not repeated.
        let words: String = words.unwrap_or("no reason").chars().take(200).collect();
        let text = format!("{SAID}{status}: {words}");
        match code {
            Some(UNAUTHENTICATED) => Self::Unauthenticated(text),
            // A token of before a change of etcd's users, and one that is not known any more after a restart.
            Some(INVALID_ARGUMENT) if is_about_tokens(&words) => Self::Unauthenticated(text),
            Some(INVALID_ARGUMENT | PERMISSION_DENIED) => Self::NotSent(text),
            _ => Self::Unknown(text),
        }
    }
}

fn is_about_tokens(words: &str) -> bool {
    [
        "auth token",
        "revision of auth store is old",
        "user name is empty",
    ]
    .iter()
    .any(|known| words.contains(known))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(status: u16, reply: &str) -> &'static str {
        match RequestFault::of_reply(status, reply) {
            RequestFault::NotSent(_) => "not sent",
            RequestFault::Unauthenticated(_) => "unauthenticated",
            RequestFault::Unknown(_) => "unknown",
        }
    }

    #[test]
    fn only_what_was_refused_beforehand_was_not_done() {
        for (status, reply, meaning) in [
            (
                401,
                r#"{"error":"etcdserver: invalid auth token","code":16}"#,
                "unauthenticated",
            ),
            (
                400,
                r#"{"error":"etcdserver: user name is empty","code":3}"#,
                "unauthenticated",
            ),
            (
                400,
                r#"{"error":"etcdserver: revision of auth store is old","code":3}"#,
                "unauthenticated",
            ),
            (
                400,
                r#"{"error":"etcdserver: duplicate key given in txn request","code":3}"#,
                "not sent",
            ),
            (
                403,
                r#"{"error":"etcdserver: permission denied","code":7}"#,
                "not sent",
            ),
            (
                503,
                r#"{"error":"etcdserver: leader changed","code":14}"#,
                "unknown",
            ),
            (
                503,
                r#"{"error":"etcdserver: request timed out","code":14}"#,
                "unknown",
            ),
            (
                429,
                r#"{"error":"etcdserver: mvcc: database space exceeded","code":8}"#,
                "unknown",
            ),
            (502, "<html>bad gateway</html>", "unknown"),
            (500, "", "unknown"),
            (500, r#"{"code":"16"}"#, "unknown"),
        ] {
            assert_eq!(of(status, reply), meaning, "{reply}");
        }
    }
}
