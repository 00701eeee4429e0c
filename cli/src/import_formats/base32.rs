//! Base32 as people and other programs write it: any case, spaces, hyphens, padding, bits left over at the end.

use zeroize::Zeroizing;

/// Reading of digits that are in no base32 alphabet: whether they stand for the letters they look like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LookalikeDigits {
    /// 0, 1 and 8 are O, L and B, as google-authenticator reads them.
    Read,
    /// They are errors.
    Refuse,
}

/// The bytes, or `None` where another character is in it. Bits that make no whole byte are dropped, as all apps do.
pub fn decode(text: &str, lookalikes: LookalikeDigits) -> Option<Zeroizing<Vec<u8>>> {
    let mut bytes = Zeroizing::new(Vec::new());
    let (mut held, mut bits) = (0_u32, 0);
    for letter in text.trim_end_matches(['=', ' ', '\t']).bytes() {
        let value = match letter.to_ascii_uppercase() {
            b' ' | b'\t' | b'-' => continue,
            upper @ b'A'..=b'Z' => upper - b'A',
            digit @ b'2'..=b'7' => digit - b'2' + 26,
            b'0' if lookalikes == LookalikeDigits::Read => b'O' - b'A',
            b'1' if lookalikes == LookalikeDigits::Read => b'L' - b'A',
            b'8' if lookalikes == LookalikeDigits::Read => b'B' - b'A',
            _ => return None,
        };
        held = (held << 5) | u32::from(value);
        bits += 5;
        if bits >= 8 {
            bits -= 8;
            bytes.push(u8::try_from((held >> bits) & 0xff).ok()?);
        }
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use twofactor_core::secret::Secret;

    fn read(text: &str) -> Option<Vec<u8>> {
        decode(text, LookalikeDigits::Refuse).map(|bytes| bytes.to_vec())
    }

    #[test]
    fn what_people_write_is_read() {
        for text in [
            "GEZDGNBVGY3TQOJQ",
            "gezdgnbvgy3tqojq",
            "gezd gnbv-gy3t\tqojq",
            "GEZDGNBVGY3TQOJQ====",
            "GEZDGNBVGY3TQOJQ == ",
        ] {
            assert_eq!(read(text).unwrap(), b"1234567890", "{text}");
        }
        assert_eq!(read("").unwrap(), b"");
        // 130 bits: two are left over.
        assert_eq!(read("32PKK5JXRDR6VQ2TFIMAQYZ4RJ").unwrap().len(), 16);
    }

    #[test]
    fn what_is_no_base32_is_refused() {
        for text in ["GEZ0", "GEZ1", "GEZ8", "GE=ZD", "GEZ\u{e9}", "GEZ/", "GE\0"] {
            assert_eq!(read(text), None, "{text}");
        }
        let read = decode("b0l1", LookalikeDigits::Read).unwrap();
        assert_eq!(*read, *decode("BOLL", LookalikeDigits::Refuse).unwrap());
    }

    #[test]
    fn it_agrees_with_the_strict_reader() {
        for length in 10..=128 {
            let secret = Secret::generate(length).unwrap();
            let text = secret.to_base32();
            assert_eq!(read(&text).unwrap(), secret.as_bytes());
            assert_eq!(read(&text.to_lowercase()).unwrap(), secret.as_bytes());
        }
    }

    #[test]
    fn a_long_text_is_read_whole() {
        let bytes = decode(&"A".repeat(1 << 20), LookalikeDigits::Refuse).unwrap();
        assert_eq!(bytes.len(), (1 << 20) * 5 / 8);
    }
}
