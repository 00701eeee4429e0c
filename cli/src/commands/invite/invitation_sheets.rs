//! Sheets to print: one page for each invited user, in one new file that only root can read.

use std::fmt::Write as _;
use std::path::Path;

use twofactor_core::recovery::PlainCode;
use twofactor_store::sys::host_name;
use zeroize::Zeroizing;

use crate::command_failure::CommandFailure;
use crate::escaping;
use crate::formatting::ReportedTime;
use crate::private_file::PrivateFile;

/// Beginning of a page of HTML. A browser prints each section on its own sheet.
const HTML_HEAD: &str = "<!DOCTYPE html>\n<meta charset=\"utf-8\">\n<title>Enrollment codes</title>\n<style>\n\
     body { font: 12pt sans-serif } section { break-after: page; max-width: 40em }\n\
     section:last-of-type { break-after: auto } .code { font: bold 18pt monospace }\n</style>\n";

/// Form of the sheets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum SheetForm {
    /// Plain text, pages separated by form feeds.
    Text,
    /// HTML for a browser: the name of the file ends in `.html`.
    Html,
}

/// The file with the sheets. It is removed again unless a page was kept.
pub struct InvitationSheets {
    file: PrivateFile,
    form: SheetForm,
    /// Length of what counts, in bytes.
    length: u64,
    pages: usize,
    expires: u64,
}

impl InvitationSheets {
    /// Makes the file, for invitations that end at `expires` (seconds since 1970-01-01 UTC).
    ///
    /// # Errors
    /// As [`PrivateFile::reserve`] and [`PrivateFile::flush_name`].
    pub fn reserve(path: &Path, expires: u64) -> Result<Self, CommandFailure> {
        let is_html = path
            .extension()
            .is_some_and(|end| end.eq_ignore_ascii_case("html"));
        let form = if is_html {
            SheetForm::Html
        } else {
            SheetForm::Text
        };
        let file = PrivateFile::reserve(path)?;
        // Once, before the first code counts: a page is on the disk with its file.
        file.flush_name()?;
        Ok(Self {
            file,
            form,
            length: 0,
            pages: 0,
            expires,
        })
    }

    /// Puts the page of a user onto the disk. It counts after [`InvitationSheets::keep_page`].
    ///
    /// # Errors
    /// A system error, as of a full disk.
    pub fn add(&self, user: &str, code: &PlainCode) -> Result<(), CommandFailure> {
        let page = page(self.form, self.pages, user, code, self.expires);
        self.file.write(page.as_bytes())
    }

    /// The code of the last page works: the file stays from now on.
    pub fn keep_page(&mut self) {
        self.file.retain();
        self.pages += 1;
        self.length = self.file.length();
    }

    /// The code of the last page does not work: the page is removed.
    ///
    /// # Errors
    /// A system error.
    pub fn drop_page(&self) -> Result<(), CommandFailure> {
        self.file.cut(self.length)
    }

    /// The path of the file, where a page was kept.
    pub fn path(&self) -> Option<String> {
        (self.pages > 0).then(|| self.file.path().display().to_string())
    }
}

/// The page after so many others.
fn page(
    form: SheetForm,
    before: usize,
    user: &str,
    code: &PlainCode,
    expires: u64,
) -> Zeroizing<String> {
    let (host, until) = (host_name::name(), ReportedTime(expires).with_zone());
    let steps = [
        "Install an authenticator app on your phone, such as Aegis, FreeOTP or Google Authenticator.".to_owned(),
        format!("Log in to {host} as {user}, with your password."),
        "When the enrollment code is asked for, type the one above.".to_owned(),
        "Scan the QR code that is shown with the app, or type the key below it into the app. Then type the code that the app shows.".to_owned(),
        "Write down the recovery codes that are shown, and keep them where the phone is not.".to_owned(),
    ];
    let title = "Set up two-factor login";
    let warning = "Show this sheet to no other person, and destroy it afterwards: who has it needs only your password.";
    let code = code.grouped();
    let mut text = Zeroizing::new(String::new());
    // Writing to a String cannot fail.
    match form {
        SheetForm::Text => {
            let feed = if before > 0 { "\u{c}" } else { "" };
            let shown = escaping::value(user);
            let _ = write!(
                text,
                "{feed}{title}\n\nUser: {shown}\nHost: {host}\nEnrollment code: {}\nIt works once, until {until}.\n\n",
                code.as_str()
            );
            for (number, step) in (1..).zip(&steps) {
                let _ = writeln!(text, "{number}. {}", escaping::value(step));
            }
            let _ = write!(text, "\n{warning}\n");
        }
        SheetForm::Html => {
            let head = if before > 0 { "" } else { HTML_HEAD };
            let _ = write!(
                text,
                "{head}<section>\n<h1>{title}</h1>\n<p>User: <b>{}</b><br>Host: <b>{}</b></p>\n\
                 <p>Enrollment code:<br><span class=\"code\">{}</span></p>\n<p>It works once, until {until}.</p>\n<ol>\n",
                html(user),
                html(&host.to_string()),
                code.as_str()
            );
            for step in &steps {
                let _ = writeln!(text, "<li>{}</li>", html(step));
            }
            let _ = write!(text, "</ol>\n<p>{warning}</p>\n</section>\n");
        }
    }
    text
}

/// Text as it stands in HTML.
fn html(text: &str) -> String {
    let shown = escaping::value(text);
    let mut out = String::with_capacity(shown.len());
    for letter in shown.chars() {
        match letter {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            letter => out.push(letter),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scratch_directory::ScratchDirectory;
    use twofactor_core::recovery::OneTimeCode;

    fn code() -> PlainCode {
        OneTimeCode::generate(1).unwrap().1
    }

    #[test]
    fn pages_are_separated_by_form_feeds() {
        let scratch = ScratchDirectory::new();
        let path = scratch.join("sheets");
        let mut sheets = InvitationSheets::reserve(&path, 1_234_567_890).unwrap();
        assert_eq!(sheets.path(), None);
        for user in ["alice", "bob"] {
            sheets.add(user, &code()).unwrap();
            sheets.keep_page();
        }
        sheets.add("carol", &code()).unwrap();
        sheets.drop_page().unwrap();
        sheets.add("d\u{1b}", &code()).unwrap();
        sheets.keep_page();
        drop(sheets);
        let text = std::fs::read_to_string(&path).unwrap();
        let pages: Vec<&str> = text.split('\u{c}').collect();
        let users = ["alice", "bob", "d\\u{1b}"];
        assert_eq!(pages.len(), users.len());
        for (page, user) in pages.iter().zip(users) {
            assert!(page.contains(&format!("\nUser: {user}\n")), "{page}");
            let until = ReportedTime(1_234_567_890).with_zone();
            assert!(page.contains(&format!("until {until}.")), "{page}");
            assert!(!page.contains("carol"));
        }
    }

    #[test]
    fn sheets_without_a_page_leave_no_file() {
        let scratch = ScratchDirectory::new();
        let path = scratch.join("sheets.html");
        let sheets = InvitationSheets::reserve(&path, 1).unwrap();
        sheets.add("alice", &code()).unwrap();
        assert!(path.exists());
        drop(sheets);
        assert!(!path.exists());
    }

    #[test]
    fn a_name_is_text_in_html() {
        let first = page(SheetForm::Html, 0, "<b>&\"x", &code(), 1);
        assert!(first.starts_with("<!DOCTYPE html>"));
        assert!(first.contains("User: <b>&lt;b&gt;&amp;&quot;x</b>"));
        let next = page(SheetForm::Html, 1, "x", &code(), 1);
        assert!(next.starts_with("<section>"));
    }
}
