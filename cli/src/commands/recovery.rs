//! `recovery-codes`: a new set, which replaces the old one.
#![forbid(unsafe_code)]

use pam_twofactor::record::Record;
use pam_twofactor::sys::clock;
use serde::Serialize;
use zeroize::Zeroizing;

use super::enroll::new_recovery_codes;
use crate::args::RecoveryCodes;
use crate::audit::{self, Event};
use crate::context::{Context, not_enrolled};
use crate::error::{Failure, for_user};
use crate::output::Report;
use crate::recovery_sheet::{Handed, Sheet};

/// Runs it.
pub fn run(context: &Context, args: &RecoveryCodes) -> Result<(), Failure> {
    let (account, store, record) = context.enrolled(&args.user)?;
    let named = |error| for_user(Failure::from(error), &account.name);
    let sheet = Sheet::new(args.recovery_file.as_deref())?;
    if record.recovery.is_some() {
        context
            .terminal
            .confirm(&format!("Replace the recovery codes of {}?", account.name))?;
    }
    let mut locked = store.lock_for_change(&account).map_err(named)?;
    let record = locked.record().map_err(named)?;
    let Some(mut record) = record.filter(Record::is_enrolled) else {
        return Err(not_enrolled(&account.name));
    };
    let codes = new_recovery_codes(&mut record)?;
    sheet.fill(&account.name, &codes, clock::now()?)?;
    locked.replace_record(&record, &[]).map_err(named)?;
    drop(locked);
    let handed = sheet.keep(codes);
    audit::log(
        Event::Changed,
        &[("user", &account.name), ("action", "recovery-codes")],
    );
    context.write(&NewCodes {
        user: &account.name,
        recovery_codes: handed.list(),
        recovery_file: handed.file.as_deref(),
        handed: &handed,
    })
}

/// What `recovery-codes` reports. Holds secrets: it is the only time they are shown.
#[derive(Serialize)]
struct NewCodes<'a> {
    user: &'a str,
    recovery_codes: Vec<String>,
    recovery_file: Option<&'a str>,
    #[serde(skip)]
    handed: &'a Handed,
}

impl Report for NewCodes<'_> {
    fn text(&self) -> Zeroizing<String> {
        self.handed.text()
    }
}
