//! `enroll`: a new device.

use twofactor_core::account::Account;
use twofactor_core::device::{DeviceName, OtpKind};
use twofactor_core::enroll::PendingDevice;
use twofactor_core::otp::{Algorithm, Digits, Interval};
use twofactor_core::policy::{NewDevices, Policy};
use twofactor_core::record::UserRecord;
use twofactor_core::recovery::PlainCode;
use twofactor_store::operations::{self, ChangeSteps, DevicesBefore};
use twofactor_store::sys::clock;
use twofactor_store::{FactorStore, LockedFactor};

use super::device_confirmation::{CodeConfirmation, EnrollmentStyle, may_be_shown};
use super::enrollment_report::EnrollmentReport;
use super::event_dialogue;
use super::shut_out_watch::ShutOutWatch;
use super::waiting_device::MadeDevice;
use crate::args::{EnrollArgs, HashChoice};
use crate::command_context::CommandContext;
use crate::command_failure::{CommandFailure, ExitStatus};
use crate::command_log;
use crate::device_info::DeviceInfo;
use crate::failure_kind::FailureKind;
use crate::output::OutputFormat;
use crate::qr_files::QrFileOptions;
use crate::recovery_sheet::{RecoverySheet, SheetDelivery};
use crate::suggested_command;

/// Name of a second device unless it is given another one.
const BACKUP: &str = "backup";

/// Runs it.
pub fn run(context: &CommandContext, args: &EnrollArgs) -> Result<(), CommandFailure> {
    with_backup(context, args)?;
    let policy = context.policy_or_default();
    if context.format == OutputFormat::Text && policy.is_ok_and(|policy| !policy.enabled) {
        // After the last question: a command that is typed into that one would be lost.
        context
            .terminal
            .prose("Two-factor login is switched off. To set it up: twofactor setup sshd sudo\n")?;
    }
    Ok(())
}

/// Enrolls a device, and a second one as a backup where that is wanted.
///
/// # Errors
/// The reason why the first one was not stored.
pub fn with_backup(context: &CommandContext, args: &EnrollArgs) -> Result<(), CommandFailure> {
    may_be_shown(context, CodeConfirmation::new(&args.no_confirm))?;
    let user = context.user_or_caller(args.user.as_deref())?;
    match enroll_device(context, &user, args)? {
        // Questions at the end are for a user who was asked for a code just now.
        RecordDevices::One if context.format == OutputFormat::Text && !args.no_confirm => {
            offer_backup(context, &user, args)
        }
        _ => Ok(()),
    }
}

/// Number of devices of a user after an enrollment.
enum RecordDevices {
    /// The new one only.
    One,
    /// Others, too.
    Several,
}

/// A user who loses the only device needs an administrator, or recovery codes that were kept.
fn offer_backup(
    context: &CommandContext,
    user: &str,
    first: &EnrollArgs,
) -> Result<(), CommandFailure> {
    let terminal = &context.terminal;
    if terminal.is_confirmed() || !terminal.is_interactive() {
        return Ok(());
    }
    let question = "Enroll a second device now, as a backup (Enter: not now)?";
    let device = match first.device.as_str() {
        BACKUP => format!("{BACKUP}-2"),
        _ => BACKUP.to_owned(),
    };
    if !terminal.offer(question)? {
        return Ok(terminal.prose(&format!(
            "No second device. For one later: {}\n",
            suggested_command::twofactor("enroll", &[user], &[("--device", &device)])
        ))?);
    }
    let second = EnrollArgs {
        user: first.user.clone(),
        device,
        digits: None,
        interval: None,
        algorithm: None,
        hotp: false,
        qr: first.qr,
        files: QrFileOptions::default(),
        recovery_file: None,
        no_confirm: false,
        dialogue: None,
    };
    match enroll_device(context, user, &second) {
        Err(failure) if failure.exit == ExitStatus::Refused => Ok(terminal.prose(&format!(
            "{failure}\nThe first device is stored, and works alone. For a second one later: {}\n",
            suggested_command::twofactor("enroll", &[user], &[("--device", &second.device)])
        ))?),
        other => other.map(|_| ()),
    }
}

fn enroll_device(
    context: &CommandContext,
    user: &str,
    args: &EnrollArgs,
) -> Result<RecordDevices, CommandFailure> {
    let account = context.account(user)?;
    let policy = context.policy_or_default()?;
    let name: DeviceName = args.device.parse().map_err(CommandFailure::usage)?;
    let store = context.existing_store()?;
    let account = with_room(context, &store, &account, (&name, args))?;
    let sheet = RecoverySheet::new(args.recovery_file.as_deref())?;
    let pending = new_device(name, args, &policy)?;
    let style = style(args);
    let confirmation = style.confirmation;
    let waiting = MadeDevice {
        account: &account,
        policy: &policy,
        pending,
    };
    let confirmed = event_dialogue::deliver(context, waiting, &style)?;
    let now = clock::now()?;
    let watch = match confirmation {
        CodeConfirmation::Skip => ShutOutWatch::of_one_more(context, &store, &account),
        CodeConfirmation::Ask => None,
    };
    let mut steps = FirstCodes {
        args,
        delivery: SheetDelivery::new(&sheet, &account.name, now),
    };
    let new = operations::enroll(
        &command_log::factor(&store, &account),
        confirmed.device,
        DevicesBefore::Any,
        now,
        &mut steps,
    )?;
    let device = new.device;
    let (files, handed) = (confirmed.files.keep(), sheet.keep(new.recovery_codes));
    if context.format == OutputFormat::Dialogue {
        let device = DeviceInfo::new(&device, None);
        event_dialogue::tell_stored(context, &account.name, device, handed.list())?;
        return Ok(RecordDevices::Several);
    }
    context.write(&EnrollmentReport {
        user: &account.name,
        device: DeviceInfo::new(&device, None),
        confirmed: confirmation == CodeConfirmation::Ask,
        secret: &device.secret.to_base32(),
        uri: &confirmed.uri,
        recovery_codes: handed.list(),
        recovery_file: handed.file.as_deref(),
        warnings: watch.map_or_else(Vec::new, |watch| watch.warnings()),
        handed: &handed,
        files: &files,
    })?;
    match new.devices {
        1 => Ok(RecordDevices::One),
        _ => Ok(RecordDevices::Several),
    }
}

fn style(args: &EnrollArgs) -> EnrollmentStyle<'_> {
    EnrollmentStyle {
        qr: args.qr,
        files: &args.files,
        confirmation: CodeConfirmation::new(&args.no_confirm),
    }
}

/// The account with the name under which the device is kept: one for an alias is one more of the record that counts.
///
/// # Errors
/// When the record has no room for it, or has the recovery codes that were to be made.
fn with_room(
    context: &CommandContext,
    store: &FactorStore,
    account: &Account,
    (name, args): (&DeviceName, &EnrollArgs),
) -> Result<Account, CommandFailure> {
    let holder = context.holder_of(store, account)?;
    operations::room_for(&holder.account, holder.record.as_ref(), name)?;
    if let Some(record) = holder.record {
        gives_codes(&record, args)?;
    }
    Ok(holder.account)
}

/// Adds a device beside those that there are by now.
struct FirstCodes<'a> {
    args: &'a EnrollArgs,
    delivery: SheetDelivery<'a>,
}

impl ChangeSteps for FirstCodes<'_> {
    type Error = CommandFailure;

    /// The user may have got recovery codes while the code was typed.
    fn permit(
        &mut self,
        _: &mut LockedFactor<'_>,
        record: Option<&UserRecord>,
    ) -> Result<(), CommandFailure> {
        record.map_or(Ok(()), |record| gives_codes(record, self.args))
    }

    fn deliver(&mut self, codes: &[PlainCode]) -> Result<(), CommandFailure> {
        self.delivery.deliver(codes)
    }
}

/// Recovery codes are given out with the first device, and kept as hashes: later there is nothing to write.
fn gives_codes(record: &UserRecord, args: &EnrollArgs) -> Result<(), CommandFailure> {
    let user = &record.user;
    match (&record.recovery, &args.recovery_file) {
        (Some(_), Some(_)) => Err(has_codes(user)),
        _ => Ok(()),
    }
}

/// The error where no recovery codes are made.
pub fn has_codes(user: &str) -> CommandFailure {
    CommandFailure::refused(format!("{user} has recovery codes already"))
        .of_kind(FailureKind::Exists)
        .next(format!(
            "Leave --recovery-file out. For new codes: {}",
            suggested_command::twofactor("recovery-codes", &[user], &[("--recovery-file", "FILE")])
        ))
}

fn new_device(
    name: DeviceName,
    args: &EnrollArgs,
    policy: &Policy,
) -> Result<PendingDevice, CommandFailure> {
    let defaults = policy.new_devices;
    let algorithm = match args.algorithm {
        None => defaults.algorithm,
        Some(HashChoice::Sha1) => Algorithm::Sha1,
        Some(HashChoice::Sha256) => Algorithm::Sha256,
        Some(HashChoice::Sha512) => Algorithm::Sha512,
    };
    // The ranges were checked by the command line.
    let interval = args
        .interval
        .and_then(Interval::new)
        .unwrap_or(defaults.interval);
    let kind = if args.hotp {
        OtpKind::Hotp
    } else {
        OtpKind::Totp { interval }
    };
    let settings = NewDevices {
        digits: args.digits.and_then(Digits::new).unwrap_or(defaults.digits),
        interval,
        algorithm,
    };
    PendingDevice::generate(name, kind, settings, clock::now()?).map_err(CommandFailure::system)
}
