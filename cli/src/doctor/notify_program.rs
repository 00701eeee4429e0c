//! The program of `notify`, where it would not be run.

use std::path::Path;

use twofactor_core::policy::Policy;
use twofactor_store::notification::{self, NotifyFault, PathFault};

use super::doctor_finding::DoctorFinding;
use crate::suggested_command;

/// A warning where the program of a policy cannot be used.
pub fn check(policy: Option<&Policy>) -> Option<DoctorFinding> {
    let program = policy?.notify.as_deref()?;
    let fault = notification::check(Path::new(program)).err()?;
    let fix = match &fault {
        NotifyFault::Refused(path, PathFault::Writable) => {
            format!(
                "See who changed it; then: {}",
                suggested_command::other("chmod go-w", path)
            )
        }
        NotifyFault::Refused(path, PathFault::NotRoots) => {
            format!(
                "See who changed it; then: {}",
                suggested_command::other("chown root:root", path)
            )
        }
        NotifyFault::Refused(path, PathFault::NotExecutable) => {
            suggested_command::other("chmod u+x", path)
        }
        NotifyFault::Refused(path, PathFault::Link) => {
            let path = suggested_command::other("readlink -f", path);
            format!("Name what the link leads to, which {path} shows: twofactor policy edit")
        }
        _ => "Install it, or correct notify: twofactor policy edit".to_owned(),
    };
    let cause = format!("{fault}, so the program of notify is not run, and gets no change");
    Some(DoctorFinding::warning("notify", program, cause, fix))
}
