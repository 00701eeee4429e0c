//! The plan of an import: shown, confirmed and stored.

use std::process::ExitCode;

use crate::args::transfer_options::ImportFlags;
use crate::command_context::CommandContext;
use crate::command_failure::{CommandFailure, ExitStatus};
use crate::commands::shut_out_watch::ShutOutWatch;
use crate::doctor;
use crate::formatting::count;
use crate::import_formats::ImportMoment;
use crate::import_formats::import_report::{ImportReport, ImportStage};
use crate::import_formats::record_draft::{ExistingDevices, ImportRow};
use crate::import_formats::user_import::{self, ImportOptions, ImportOutcome, UserImport};
use crate::interrupt;
use crate::output::CommandReport as _;

/// Content that was read.
pub(super) struct ImportPlan {
    /// The devices of each user.
    pub imports: Vec<UserImport>,
    /// Entries that cannot be imported.
    pub refused: Vec<ImportRow>,
    /// Directories that list none of their users.
    pub unlisted: Vec<String>,
}

impl ImportPlan {
    /// A plan of one file.
    pub const fn new(imports: Vec<UserImport>, refused: Vec<ImportRow>) -> Self {
        Self {
            imports,
            refused,
            unlisted: Vec::new(),
        }
    }
}

/// Shows the plan, has it confirmed, stores it, and reports.
pub(super) fn finish(
    context: &CommandContext,
    plan: ImportPlan,
    flags: &ImportFlags,
    moment: ImportMoment,
    from: &'static str,
) -> Result<ExitCode, CommandFailure> {
    let ImportPlan {
        imports, refused, ..
    } = plan;
    if imports.is_empty() && refused.is_empty() {
        return Err(CommandFailure::refused("there is no device in it"));
    }
    let options = ImportOptions {
        existing: ExistingDevices::new(&flags.replace),
        moment,
        from,
    };
    let old_lines = doctor::lines_of_modules(modules_of(from));
    let imported = |stage, mut rows: Vec<ImportRow>| {
        rows.extend(refused.iter().cloned());
        let mut imported = ImportReport::new(from, stage, rows);
        imported.unlisted.clone_from(&plan.unlisted);
        imported.old_lines.clone_from(&old_lines);
        imported
    };
    let store = context.store()?;
    let imports = match &store {
        Some(store) => user_import::resolved(store, imports),
        None => imports,
    };
    if !context.terminal.is_confirmed() || flags.dry_run || imports.is_empty() {
        let rows = user_import::plan(store.as_ref(), &imports, options)?;
        if !flags.dry_run && !rows.iter().any(ImportRow::changes) {
            return report(context, &imported(ImportStage::Done, rows));
        }
        let planned = imported(ImportStage::Planned, rows);
        if flags.dry_run {
            return report(context, &planned);
        }
        context.terminal.prose(&planned.text())?;
        let devices = count(planned.changes() as u64, "device");
        context.terminal.confirm(&format!("Import {devices}?"))?;
    }
    let store = context.existing_store()?;
    let watch = ShutOutWatch::begin(context, &store);
    // A signal ends it after what it does at the moment, so that all of that is logged and told.
    interrupt::arm()?;
    let ImportOutcome { rows, ended } = user_import::write(&store, &imports, options);
    let mut done = imported(ImportStage::Done, rows);
    done.warnings = watch.warnings();
    let exit = report(context, &done)?;
    Ok(ended.map_or(exit, |failure| ExitCode::from(failure.exit as u8)))
}

/// The modules that ask for the codes of such devices.
const fn modules_of(from: &str) -> &'static [&'static str] {
    match from.as_bytes() {
        b"google-authenticator" => &["pam_google_authenticator.so"],
        b"users-oath" => &["pam_oath.so"],
        _ => &["pam_google_authenticator.so", "pam_oath.so"],
    }
}

fn report(context: &CommandContext, imported: &ImportReport) -> Result<ExitCode, CommandFailure> {
    context.write(imported)?;
    Ok(if imported.is_partial() {
        ExitCode::from(ExitStatus::Refused as u8)
    } else {
        ExitCode::SUCCESS
    })
}
