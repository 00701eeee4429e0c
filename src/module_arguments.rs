//! Module arguments, as they stand after `pam_twofactor.so` in a PAM file.

use std::ffi::CStr;
use std::fmt;
use std::path::{Path, PathBuf};

/// The only argument of an auth line that is reached after a wrong password.
pub const AUTH_FAIL: &CStr = c"authfail";

/// The arguments of one line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ModuleArguments {
    /// `policy=FILE`.
    pub policy: PathBuf,
    /// `state=DIR`.
    pub state: PathBuf,
    /// `debug`.
    pub detail: LogDetail,
    /// `try_first_pass`, `use_first_pass`, or neither.
    pub first_pass: FirstPass,
    /// `forward_pass`.
    pub layout: PromptLayout,
    /// The files of this line: those of twofactord, or others.
    pub files: FileChoice,
}

/// The files that a line names, beside those of twofactord, whose tickets and answers hold for its own alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FileChoice {
    /// The files of twofactord.
    Daemons,
    /// Other files.
    Other,
}

/// Detail of the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogDetail {
    /// One line for each outcome.
    Outcomes,
    /// Also why, step by step. Never a secret.
    Debug,
}

/// Use of a `PAM_AUTHTOK` that an earlier module asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FirstPass {
    /// Nothing: the code is asked for.
    Unused,
    /// The password is tried first (`try_first_pass`).
    Try,
    /// The password is the only input; nothing is asked (`use_first_pass`).
    Only,
}

/// Content of one answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PromptLayout {
    /// A code.
    Code,
    /// Password and code in one; the password becomes `PAM_AUTHTOK` (`forward_pass`).
    PasswordThenCode,
}

/// An argument that is not known, malformed, or given twice.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ModuleArgumentError(String);

impl fmt::Display for ModuleArgumentError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "module argument {}; known: policy=FILE and state=DIR with absolute paths, debug, try_first_pass or \
             use_first_pass, forward_pass; in auth lines also authfail, alone",
            self.0
        )
    }
}

impl std::error::Error for ModuleArgumentError {}

impl ModuleArguments {
    /// Reads the arguments in any order.
    ///
    /// # Errors
    /// [`ModuleArgumentError`].
    pub fn parse(words: &[&CStr]) -> Result<Self, ModuleArgumentError> {
        let mut arguments = Self {
            policy: PathBuf::from(twofactor_core::POLICY_FILE),
            state: PathBuf::from(twofactor_core::STATE_DIR),
            detail: LogDetail::Outcomes,
            first_pass: FirstPass::Unused,
            layout: PromptLayout::Code,
            files: FileChoice::Daemons,
        };
        let mut seen: Vec<&str> = Vec::with_capacity(words.len());
        for word in words {
            let word = word.to_str().map_err(|_| bad("that is not UTF-8", ""))?;
            let (key, value) = match word.split_once('=') {
                Some((key, value)) => (key, Some(value)),
                None => (word, None),
            };
            if seen.contains(&key) {
                return Err(bad("given twice", key));
            }
            seen.push(key);
            match (key, value) {
                ("policy", Some(path)) => arguments.policy = absolute(key, path)?,
                ("state", Some(path)) => arguments.state = absolute(key, path)?,
                ("debug", None) => arguments.detail = LogDetail::Debug,
                ("forward_pass", None) => arguments.layout = PromptLayout::PasswordThenCode,
                ("try_first_pass" | "use_first_pass", None)
                    if arguments.first_pass != FirstPass::Unused =>
                {
                    return Err(bad("that contradicts another one", key));
                }
                ("try_first_pass", None) => arguments.first_pass = FirstPass::Try,
                ("use_first_pass", None) => arguments.first_pass = FirstPass::Only,
                _ => return Err(bad("that is not known", word)),
            }
        }
        arguments.files = arguments.choice();
        Ok(arguments)
    }

    fn choice(&self) -> FileChoice {
        if self.policy == Path::new(twofactor_core::POLICY_FILE)
            && self.state == Path::new(twofactor_core::STATE_DIR)
        {
            FileChoice::Daemons
        } else {
            FileChoice::Other
        }
    }
}

fn absolute(key: &str, path: &str) -> Result<PathBuf, ModuleArgumentError> {
    let path = Path::new(path);
    if path.is_absolute() {
        Ok(path.to_owned())
    } else {
        Err(bad("whose path is not absolute", key))
    }
}

fn bad(what: &str, word: &str) -> ModuleArgumentError {
    let word: String = word.chars().take(64).collect();
    ModuleArgumentError(format!("{what}: {word}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn other_files_than_the_daemons_are_told_apart() {
        for (words, files) in [
            (&[][..], FileChoice::Daemons),
            (
                &[c"policy=/etc/security/twofactor.toml"],
                FileChoice::Daemons,
            ),
            (&[c"policy=/elsewhere"], FileChoice::Other),
            (&[c"state=/elsewhere"], FileChoice::Other),
        ] {
            assert_eq!(
                ModuleArguments::parse(words).unwrap().files,
                files,
                "{words:?}"
            );
        }
    }

    #[test]
    fn defaults_and_every_argument_are_read() {
        let none = ModuleArguments::parse(&[]).unwrap();
        assert_eq!(none.policy, Path::new("/etc/security/twofactor.toml"));
        assert_eq!(none.state, Path::new("/var/lib/twofactor"));
        assert_eq!(
            (none.detail, none.first_pass),
            (LogDetail::Outcomes, FirstPass::Unused)
        );
        assert_eq!(none.layout, PromptLayout::Code);
        let all = [
            c"policy=/p",
            c"state=/s",
            c"debug",
            c"try_first_pass",
            c"forward_pass",
        ];
        let all = ModuleArguments::parse(&all).unwrap();
        assert_eq!((all.policy, all.state), ("/p".into(), "/s".into()));
        assert_eq!(
            (all.detail, all.first_pass),
            (LogDetail::Debug, FirstPass::Try)
        );
        assert_eq!(all.layout, PromptLayout::PasswordThenCode);
        let only = ModuleArguments::parse(&[c"use_first_pass"]).unwrap();
        assert_eq!(only.first_pass, FirstPass::Only);
    }

    #[test]
    fn everything_else_is_an_error() {
        for words in [
            &[c"nullok"][..],
            &[AUTH_FAIL],
            &[c"Debug"],
            &[c"debug="],
            &[c"debug", c"debug"],
            &[c"policy"],
            &[c"policy="],
            &[c"policy=relative"],
            &[c"state=../x"],
            &[c"policy=/a", c"policy=/b"],
            &[c"try_first_pass", c"use_first_pass"],
            &[c"use_first_pass", c"try_first_pass"],
            &[c"\xff"],
            &[c""],
        ] {
            assert!(ModuleArguments::parse(words).is_err(), "{words:?}");
        }
        assert_eq!(
            ModuleArguments::parse(&[c"nullok"])
                .unwrap_err()
                .to_string(),
            "module argument that is not known: nullok; known: policy=FILE and state=DIR with absolute paths, debug, \
             try_first_pass or use_first_pass, forward_pass; in auth lines also authfail, alone"
        );
    }
}
