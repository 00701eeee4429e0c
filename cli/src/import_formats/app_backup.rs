//! Backups of authenticator apps and password managers, which are no lists of URIs: what they are, and how the app gives
//! out text instead. Looks at the first bytes and at the names of keys only.

/// The program that made a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum BackupApp {
    Aegis,
    TwoFas,
    AndOtp,
    Bitwarden,
    FreeOtp,
    FreeOtpPlus,
    KeePassXc,
}

/// Encryption: whether keys can be read in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum BackupEncryption {
    Open,
    Encrypted,
}

/// Signatures of KeePass databases, the first four bytes; the next four tell the version.
const KEEPASS: [u8; 4] = [0x03, 0xd9, 0xa2, 0x9a];
/// The header of what Java serializes, as FreeOTP does.
const JAVA: [u8; 4] = [0xac, 0xed, 0x00, 0x05];
/// Number of bytes of a file that are looked at to tell text from anything else.
const SAMPLE: usize = 512;

/// Name of a file that is no list of keys, and what to do. `None` for what may be one.
pub fn explain(bytes: &[u8]) -> Option<String> {
    if let Some((app, cover)) = recognized(bytes) {
        let kind = match cover {
            BackupEncryption::Open => "a backup",
            BackupEncryption::Encrypted => "an encrypted backup",
        };
        return Some(format!("is {kind} of {}", advice(app)));
    }
    let begin = bytes.trim_ascii_start();
    match () {
        () if begin.starts_with(b"{") || begin.starts_with(b"[") => {
            Some("is JSON of an unknown program: have it export otpauth:// URIs as text".to_owned())
        }
        () if bytes.starts_with(b"\xff\xfe") || bytes.starts_with(b"\xfe\xff") => {
            Some("is text in UTF-16: save it as UTF-8".to_owned())
        }
        () if !is_text(bytes) => Some(
            "is not text. If it is an encrypted backup, as of andOTP (.json.aes), have the app export text, or open it in \
             Aegis, which exports text"
                .to_owned(),
        ),
        () => None,
    }
}

fn advice(app: BackupApp) -> &'static str {
    match app {
        BackupApp::Aegis => {
            "Aegis. In Aegis: Settings, Import & Export, Export, as a text file, not encrypted: it has the otpauth:// URIs"
        }
        BackupApp::TwoFas => {
            "2FAS, which exports no text. Aegis opens it and exports text: Settings, Import & Export"
        }
        BackupApp::AndOtp => {
            "andOTP, which exports no text. Aegis opens it and exports text: Settings, Import & Export"
        }
        BackupApp::Bitwarden => {
            "Bitwarden. Export JSON or CSV, not encrypted, and take the URIs out of it: \
             grep -o 'otpauth://[^\",]*' FILE | twofactor import uri - --user USER --yes"
        }
        BackupApp::FreeOtp => "FreeOTP, which gives out no keys: enroll these users again",
        BackupApp::FreeOtpPlus => {
            "FreeOTP+. In FreeOTP+: Export, in the key URI format: it has the otpauth:// URIs"
        }
        BackupApp::KeePassXc => {
            "KeePassXC. In KeePassXC: Database, Export, CSV; then take the URIs out of it: \
             grep -o 'otpauth://[^\"]*' FILE | twofactor import uri - --user USER --yes"
        }
    }
}

fn recognized(bytes: &[u8]) -> Option<(BackupApp, BackupEncryption)> {
    if bytes.starts_with(&KEEPASS) {
        return Some((BackupApp::KeePassXc, BackupEncryption::Encrypted));
    }
    if bytes.starts_with(&JAVA) {
        return Some((BackupApp::FreeOtp, BackupEncryption::Encrypted));
    }
    let begin = bytes.trim_ascii_start();
    match begin.first() {
        Some(b'{' | b'[') => json(begin),
        Some(b'<') if contains(begin, b"<KeePassFile") => {
            Some((BackupApp::KeePassXc, BackupEncryption::Open))
        }
        Some(b'-') if begin.starts_with(b"-----BEGIN PGP MESSAGE") => {
            Some((BackupApp::AndOtp, BackupEncryption::Encrypted))
        }
        _ => csv(begin),
    }
}

fn json(text: &[u8]) -> Option<(BackupApp, BackupEncryption)> {
    let has = |key: &str| value(text, key).is_some();
    let cover = |encrypted| {
        if encrypted {
            BackupEncryption::Encrypted
        } else {
            BackupEncryption::Open
        }
    };
    let found = match () {
        () if has("db") && has("header") && has("slots") => {
            (BackupApp::Aegis, cover(value(text, "db") == Some(b'"')))
        }
        () if has("servicesEncrypted") || (has("services") && has("schemaVersion")) => {
            let encrypted = value(text, "servicesEncrypted") == Some(b'"');
            (BackupApp::TwoFas, cover(encrypted))
        }
        () if has("encrypted") && (has("items") || has("data")) => (
            BackupApp::Bitwarden,
            cover(value(text, "encrypted") == Some(b't')),
        ),
        () if has("tokens") && has("tokenOrder") => {
            (BackupApp::FreeOtpPlus, BackupEncryption::Open)
        }
        () if text.starts_with(b"[") && has("secret") && has("thumbnail") => {
            (BackupApp::AndOtp, BackupEncryption::Open)
        }
        () => return None,
    };
    Some(found)
}

/// Tables with a head.
fn csv(text: &[u8]) -> Option<(BackupApp, BackupEncryption)> {
    let head = text.split(|byte| *byte == b'\n').next()?;
    match () {
        () if contains(head, b"login_totp") => Some((BackupApp::Bitwarden, BackupEncryption::Open)),
        () if contains(head, b"\"Group\"") && contains(head, b"\"TOTP\"") => {
            Some((BackupApp::KeePassXc, BackupEncryption::Open))
        }
        () => None,
    }
}

/// The first byte of the value of a key, wherever in the text that is.
fn value(text: &[u8], key: &str) -> Option<u8> {
    let key = format!("\"{key}\"");
    let mut rest = text;
    loop {
        let at = rest
            .windows(key.len())
            .position(|part| part == key.as_bytes())?;
        rest = rest.get(at + key.len()..)?;
        let after = rest.trim_ascii_start();
        if let Some(value) = after.strip_prefix(b":") {
            return value.trim_ascii_start().first().copied();
        }
    }
}

fn contains(text: &[u8], part: &[u8]) -> bool {
    text.windows(part.len()).any(|window| window == part)
}

/// True if the beginning holds hardly anything that text does not.
fn is_text(bytes: &[u8]) -> bool {
    let sample = bytes.get(..SAMPLE).unwrap_or(bytes);
    let strange: usize = sample
        .utf8_chunks()
        .map(|chunk| {
            let control = |letter: &char| letter.is_control() && !"\t\r\n".contains(*letter);
            chunk.invalid().len() + chunk.valid().chars().filter(control).count()
        })
        .sum();
    strange * 4 <= sample.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As the programs write them, with one device and another order of keys where they may have one.
    const FILES: [(&str, BackupApp, BackupEncryption); 14] = [
        (
            r#"{"version":1,"header":{"slots":null,"params":null},"db":{"version":3,"entries":[{"type":"totp","uuid":"x","name":"alice","issuer":"x","info":{"secret":"GEZDGNBVGY3TQOJQ","algo":"SHA1","digits":6,"period":30}}]}}"#,
            BackupApp::Aegis,
            BackupEncryption::Open,
        ),
        (
            "{\n    \"version\": 1,\n    \"header\": {\n        \"slots\": [\n            {\"type\": 1}\n        ],\n        \"params\": {}\n    },\n    \"db\": \"RtGfUrZ01nzR\"\n}",
            BackupApp::Aegis,
            BackupEncryption::Encrypted,
        ),
        (
            r#"{"services":[{"name":"x","secret":"GEZDGNBVGY3TQOJQ","otp":{"digits":6}}],"groups":[],"updatedAt":1,"schemaVersion":4,"appOrigin":"android"}"#,
            BackupApp::TwoFas,
            BackupEncryption::Open,
        ),
        (
            r#"{"services":[],"servicesEncrypted":"a:b:c","reference":"d","schemaVersion":4}"#,
            BackupApp::TwoFas,
            BackupEncryption::Encrypted,
        ),
        (
            r#"[{"secret":"GEZDGNBVGY3TQOJQ","issuer":"x","label":"alice","digits":6,"type":"TOTP","algorithm":"SHA1","thumbnail":"Default","last_used":1,"period":30,"tags":[]}]"#,
            BackupApp::AndOtp,
            BackupEncryption::Open,
        ),
        (
            "-----BEGIN PGP MESSAGE-----\n\nhQEMA\n-----END PGP MESSAGE-----\n",
            BackupApp::AndOtp,
            BackupEncryption::Encrypted,
        ),
        (
            "{\n  \"encrypted\": false,\n  \"folders\": [],\n  \"items\": [\n    {\"name\": \"x\", \"login\": {\"totp\": \"otpauth://totp/x?secret=GEZDGNBVGY3TQOJQ\"}}\n  ]\n}",
            BackupApp::Bitwarden,
            BackupEncryption::Open,
        ),
        (
            r#"{"encrypted":true,"passwordProtected":true,"salt":"x","kdfType":0,"encKeyValidation_DO_NOT_EDIT":"2.x","data":"2.y"}"#,
            BackupApp::Bitwarden,
            BackupEncryption::Encrypted,
        ),
        (
            "folder,favorite,type,name,notes,fields,reprompt,login_uri,login_username,login_password,login_totp\n,,login,x,,,0,,alice,,otpauth://totp/x?secret=GEZDGNBVGY3TQOJQ\n",
            BackupApp::Bitwarden,
            BackupEncryption::Open,
        ),
        (
            r#"{"tokenOrder":["x:alice"],"tokens":[{"algo":"SHA1","counter":0,"digits":6,"issuerExt":"x","label":"alice","period":30,"secret":[49,50],"type":"TOTP"}]}"#,
            BackupApp::FreeOtpPlus,
            BackupEncryption::Open,
        ),
        (
            "\"Group\",\"Title\",\"Username\",\"Password\",\"URL\",\"Notes\",\"TOTP\",\"Icon\"\n\"Root\",\"x\",\"alice\",\"\",\"\",\"\",\"otpauth://totp/x?secret=GEZDGNBVGY3TQOJQ\",\"0\"\n",
            BackupApp::KeePassXc,
            BackupEncryption::Open,
        ),
        (
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<KeePassFile><Root/></KeePassFile>\n",
            BackupApp::KeePassXc,
            BackupEncryption::Open,
        ),
        ("\u{3}", BackupApp::KeePassXc, BackupEncryption::Encrypted),
        ("\u{4}", BackupApp::FreeOtp, BackupEncryption::Encrypted),
    ];

    #[test]
    fn each_backup_is_recognized_and_its_app_is_named() {
        for (text, app, cover) in FILES {
            let bytes = match text {
                "\u{3}" => b"\x03\xd9\xa2\x9a\x67\xfb\x4b\xb5\x01\x00\x04\x00".to_vec(),
                "\u{4}" => b"\xac\xed\x00\x05sr\x00\x11java.util.HashMap".to_vec(),
                text => text.as_bytes().to_vec(),
            };
            assert_eq!(recognized(&bytes), Some((app, cover)), "{text}");
            let told = explain(&bytes).unwrap();
            let encrypted = told.starts_with("is an encrypted backup of ");
            assert_eq!(encrypted, cover == BackupEncryption::Encrypted, "{told}");
            assert!(!told.contains("GEZD") && told.len() < 300, "{told}");
        }
    }

    #[test]
    fn what_may_be_a_list_of_keys_is_none() {
        let (uri, key) = (
            "otpauth://totp/x?secret=GEZDGNBVGY3TQOJQ",
            "GEZDGNBVGY3TQOJQ",
        );
        let google = format!("{key}\n\" TOTP_AUTH\n12345678\n");
        for text in [
            "",
            "\n",
            "# \"db\" {\n",
            uri,
            &google,
            "HOTP alice - 31\u{e9}",
            "jürgen\0",
        ] {
            assert_eq!(explain(text.as_bytes()), None, "{text:?}");
        }
    }

    #[test]
    fn other_kinds_of_files_are_told_once() {
        let binary: Vec<u8> = (0..=255).cycle().take(600).collect();
        for (bytes, word) in [
            (&binary[..], "is not text"),
            (b"\xff\xfeo\0t\0p\0", "UTF-16"),
            (b" {\"a\": 1}", "JSON"),
        ] {
            let told = explain(bytes).unwrap();
            assert!(told.contains(word), "{told}");
        }
    }
}
