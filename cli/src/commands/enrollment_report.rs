//! The report of `enroll`.

use serde::Serialize;
use zeroize::Zeroizing;

use crate::device_info::DeviceInfo;
use crate::impact::warning_lines;
use crate::output::CommandReport;
use crate::recovery_sheet::DeliveredCodes;

/// Report of `enroll`. Holds secrets: it is the only time they are shown.
#[derive(Serialize)]
pub struct EnrollmentReport<'a> {
    /// The user.
    pub user: &'a str,
    /// The device.
    pub device: DeviceInfo,
    /// True if a code of it was given.
    pub confirmed: bool,
    /// The key in base32.
    pub secret: &'a str,
    /// The URI that an app reads.
    pub uri: &'a str,
    /// Recovery codes that came with it, unless they are in a file.
    pub recovery_codes: Vec<String>,
    /// The file with them.
    pub recovery_file: Option<&'a str>,
    /// Risks that came with it.
    pub warnings: Vec<String>,
    /// The recovery codes for people.
    #[serde(skip)]
    pub handed: &'a DeliveredCodes,
    /// Sentences about files with the QR code.
    #[serde(skip)]
    pub files: &'a str,
}

impl CommandReport for EnrollmentReport<'_> {
    fn text(&self) -> Zeroizing<String> {
        let recovery = self.handed.text();
        let mut text = Zeroizing::new(String::new());
        let DeviceInfo { name, .. } = &self.device;
        text.push_str(&format!("Stored: device {name} of {}.", self.user));
        text.push_str(if self.confirmed {
            " The code is used up; the next login needs the next one.\n\n"
        } else {
            " No code was asked for: try it with twofactor verify.\n\n"
        });
        if !self.files.is_empty() {
            text.push_str(self.files);
            text.push('\n');
        }
        text.push_str(&recovery);
        text.push_str(&warning_lines(&self.warnings));
        text
    }
}
