//! `recovery-codes`: a new set, which replaces the old one.

use serde::Serialize;
use twofactor_store::operations;
use twofactor_store::sys::clock;
use zeroize::Zeroizing;

use crate::args::RecoveryCodesArgs;
use crate::command_context::CommandContext;
use crate::command_failure::CommandFailure;
use crate::command_log;
use crate::invoking_user;
use crate::output::CommandReport;
use crate::recovery_sheet::{DeliveredCodes, RecoverySheet, SheetDelivery};

/// Runs it.
pub fn run(context: &CommandContext, args: &RecoveryCodesArgs) -> Result<(), CommandFailure> {
    if args.user.is_none() && context.terminal.is_confirmed() {
        // The codes that were written down end without a question: it is said whose.
        return Err(invoking_user::unnamed(
            "--yes answers the question for which user",
        ));
    }
    let user = context.user_or_caller(args.user.as_deref())?;
    let (account, store, record) = context.enrolled(&user)?;
    let sheet = RecoverySheet::new(args.recovery_file.as_deref())?;
    if record.recovery.is_some() {
        context
            .terminal
            .confirm(&format!("Replace the recovery codes of {}?", account.name))?;
    }
    let now = clock::now()?;
    let mut delivery = SheetDelivery::new(&sheet, &account.name, now);
    let factor = command_log::factor(&store, &account);
    let codes = operations::new_recovery_codes(&factor, now, &mut delivery)?;
    let handed = sheet.keep(codes);
    context.write(&RecoveryCodesReport::new(&account.name, &handed))
}

/// Report of `recovery-codes`. Holds secrets: it is the only time they are shown.
#[derive(Serialize)]
pub struct RecoveryCodesReport<'a> {
    user: &'a str,
    recovery_codes: Vec<String>,
    recovery_file: Option<&'a str>,
    #[serde(skip)]
    handed: &'a DeliveredCodes,
}

impl<'a> RecoveryCodesReport<'a> {
    /// The report on the codes that a user got.
    pub fn new(user: &'a str, handed: &'a DeliveredCodes) -> Self {
        Self {
            user,
            recovery_codes: handed.list(),
            recovery_file: handed.file.as_deref(),
            handed,
        }
    }
}

impl CommandReport for RecoveryCodesReport<'_> {
    fn text(&self) -> Zeroizing<String> {
        self.handed.text()
    }
}
