//! The `otpauth://` URI that authenticator apps read from a QR code.
//!
//! Written so that the strictest readers (Google Authenticator, FreeOTP, Aegis, 1Password) accept it: parameters
//! that have their default value are left out, and a space is `%20`, never `+`.

use std::fmt::Write as _;

use zeroize::Zeroizing;

/// The moving factor of a device, with the parameter that belongs to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UriKind {
    /// RFC 6238: a new code every `interval` seconds.
    Totp {
        /// Seconds for which a code is shown.
        interval: u32,
    },
    /// RFC 4226: a new code at each press of a button.
    Hotp {
        /// The counter of the next code.
        counter: u64,
    },
}

/// Place of the issuer.
#[derive(Clone, Copy, PartialEq, Eq)]
enum IssuerPlace {
    Label,
    LabelAndParameter,
}

/// Everything an authenticator app has to know about a device.
#[derive(Clone, Copy)]
pub struct KeyUri<'a> {
    /// TOTP or HOTP.
    pub kind: UriKind,
    /// `SHA1`, `SHA256` or `SHA512`.
    pub algorithm: &'a str,
    /// Digits of a code, 6..=8.
    pub digits: u8,
    /// The secret, RFC 4648 base32; padding is dropped.
    pub secret_base32: &'a str,
    /// Issuer, who asks for the code; empty: the app shows the account alone.
    pub issuer: &'a str,
    /// Account that the code is for.
    pub account: &'a str,
}

impl KeyUri<'_> {
    /// Builds the URI. It holds the secret, so it is wiped when dropped.
    ///
    /// The format is Google Authenticator's "Key Uri Format": `otpauth://TYPE/ISSUER:ACCOUNT?PARAMETERS`.
    #[must_use]
    pub fn build(&self) -> Zeroizing<String> {
        self.with_issuer(IssuerPlace::LabelAndParameter)
    }

    /// Builds the URI without the parameter `issuer`. Apps then read the issuer from the label. A shorter URI makes a smaller QR code.
    #[must_use]
    pub fn build_shorter(&self) -> Zeroizing<String> {
        self.with_issuer(IssuerPlace::Label)
    }

    fn with_issuer(&self, places: IssuerPlace) -> Zeroizing<String> {
        let mut uri = Zeroizing::new(String::new());
        uri.push_str(match self.kind {
            UriKind::Totp { .. } => "otpauth://totp/",
            UriKind::Hotp { .. } => "otpauth://hotp/",
        });
        if !self.issuer.is_empty() {
            push_encoded(&mut uri, self.issuer);
            uri.push(':');
        }
        push_encoded(&mut uri, self.account);
        uri.push_str("?secret=");
        uri.push_str(self.secret_base32.trim_end_matches('='));
        if !self.issuer.is_empty() && places == IssuerPlace::LabelAndParameter {
            uri.push_str("&issuer=");
            push_encoded(&mut uri, self.issuer);
        }
        if self.algorithm != "SHA1" {
            uri.push_str("&algorithm=");
            push_encoded(&mut uri, self.algorithm);
        }
        // Writing to a String cannot fail.
        if self.digits != 6 {
            let _ = write!(uri, "&digits={}", self.digits);
        }
        match self.kind {
            UriKind::Totp { interval: 30 } => {}
            UriKind::Totp { interval } => {
                let _ = write!(uri, "&period={interval}");
            }
            UriKind::Hotp { counter } => {
                let _ = write!(uri, "&counter={counter}");
            }
        }
        uri
    }
}

/// RFC 3986 percent-encoding of everything but the unreserved characters and `@`, which a path and a query may hold.
fn push_encoded(uri: &mut String, text: &str) {
    for &byte in text.as_bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b'@' => {
                uri.push(char::from(byte))
            }
            _ => {
                let _ = write!(uri, "%{byte:02X}");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLAIN: KeyUri<'static> = KeyUri {
        kind: UriKind::Totp { interval: 30 },
        algorithm: "SHA1",
        digits: 6,
        secret_base32: "JBSWY3DPEHPK3PXP",
        issuer: "example.org",
        account: "alice",
    };

    #[test]
    fn default_parameters_are_left_out() {
        assert_eq!(
            *PLAIN.build(),
            "otpauth://totp/example.org:alice?secret=JBSWY3DPEHPK3PXP&issuer=example.org"
        );
    }

    #[test]
    fn other_parameters_are_named() {
        let uri = KeyUri {
            kind: UriKind::Totp { interval: 60 },
            algorithm: "SHA256",
            digits: 8,
            ..PLAIN
        };
        assert_eq!(
            *uri.build(),
            "otpauth://totp/example.org:alice?secret=JBSWY3DPEHPK3PXP&issuer=example.org&algorithm=SHA256&digits=8&period=60"
        );
    }

    #[test]
    fn hotp_always_names_its_counter() {
        let uri = KeyUri {
            kind: UriKind::Hotp { counter: 0 },
            ..PLAIN
        };
        assert_eq!(
            *uri.build(),
            "otpauth://hotp/example.org:alice?secret=JBSWY3DPEHPK3PXP&issuer=example.org&counter=0"
        );
    }

    #[test]
    fn reserved_and_foreign_letters_are_percent_encoded() {
        let uri = KeyUri {
            issuer: "Käse & Co: 100%",
            account: "CORP\\alice:x@example.org",
            ..PLAIN
        };
        assert_eq!(
            *uri.build(),
            "otpauth://totp/K%C3%A4se%20%26%20Co%3A%20100%25:CORP%5Calice%3Ax@example.org\
             ?secret=JBSWY3DPEHPK3PXP&issuer=K%C3%A4se%20%26%20Co%3A%20100%25"
        );
    }

    #[test]
    fn without_an_issuer_the_account_stands_alone() {
        let uri = KeyUri {
            issuer: "",
            ..PLAIN
        };
        assert_eq!(*uri.build(), "otpauth://totp/alice?secret=JBSWY3DPEHPK3PXP");
    }

    #[test]
    fn the_shorter_form_names_the_issuer_once() {
        let uri = KeyUri { digits: 8, ..PLAIN };
        assert_eq!(
            *uri.build_shorter(),
            "otpauth://totp/example.org:alice?secret=JBSWY3DPEHPK3PXP&digits=8"
        );
        let none = KeyUri {
            issuer: "",
            ..PLAIN
        };
        assert_eq!(none.build_shorter(), none.build());
    }

    #[test]
    fn padding_is_dropped() {
        let uri = KeyUri {
            secret_base32: "MFRGG===",
            ..PLAIN
        };
        assert_eq!(
            *uri.build(),
            "otpauth://totp/example.org:alice?secret=MFRGG&issuer=example.org"
        );
    }
}
