//! `renew`: a new secret for a device; the old one works until the new one is confirmed.

use serde::Serialize;
use twofactor_core::device::Device;
use twofactor_core::enroll::PendingDevice;
use twofactor_core::record::UserRecord;
use twofactor_store::operations::{self, RootChange};
use twofactor_store::sys::clock;
use zeroize::Zeroizing;

use super::device_confirmation::{CodeConfirmation, EnrollmentStyle, may_be_shown};
use super::event_dialogue;
use super::shut_out_watch::ShutOutWatch;
use super::waiting_device::MadeDevice;
use crate::args::RenewArgs;
use crate::command_context::CommandContext;
use crate::command_failure::CommandFailure;
use crate::command_log;
use crate::device_info::DeviceInfo;
use crate::failure_kind::FailureKind;
use crate::impact::warning_lines;
use crate::invoking_user;
use crate::output::{CommandReport, OutputFormat};

/// Runs it.
pub fn run(context: &CommandContext, args: &RenewArgs) -> Result<(), CommandFailure> {
    let confirmation = CodeConfirmation::new(&args.no_confirm);
    if args.user.is_none() && confirmation == CodeConfirmation::Skip {
        // The old key ends without a question: it is said whose.
        return Err(invoking_user::unnamed(
            "--no-confirm asks for no code of the user",
        ));
    }
    may_be_shown(context, confirmation)?;
    let user = context.user_or_caller(args.user.as_deref())?;
    let (account, store, record) = context.enrolled(&user)?;
    let policy = context.policy_or_default()?;
    let old = chosen(&record, args.device.as_deref())?;
    let pending = PendingDevice::renewal(old, clock::now()?).map_err(CommandFailure::system)?;
    let style = EnrollmentStyle {
        qr: args.qr,
        files: &args.files,
        confirmation,
    };
    let waiting = MadeDevice {
        account: &account,
        policy: &policy,
        pending,
    };
    let confirmed = event_dialogue::deliver(context, waiting, &style)?;

    let renewed = confirmed.device;
    let factor = command_log::factor(&store, &account);
    let watch =
        (confirmation == CodeConfirmation::Skip).then(|| ShutOutWatch::begin(context, &store));
    let new = operations::renew(&factor, old.id, renewed, &mut RootChange)?;
    if context.format == OutputFormat::Dialogue {
        return event_dialogue::tell_stored(
            context,
            &account.name,
            DeviceInfo::new(&new, None),
            Vec::new(),
        );
    }
    let files = confirmed.files.keep();

    context.write(&RenewalReport {
        user: &account.name,
        device: DeviceInfo::new(&new, None),
        confirmed: confirmation == CodeConfirmation::Ask,
        secret: &new.secret.to_base32(),
        uri: &confirmed.uri,
        warnings: watch.map_or_else(Vec::new, |watch| watch.warnings()),
        files: &files,
    })
}

/// The device of that name; without a name, the only one.
pub fn chosen<'a>(
    record: &'a UserRecord,
    name: Option<&str>,
) -> Result<&'a Device, CommandFailure> {
    let names: Vec<&str> = record.devices.iter().map(|it| it.name.as_str()).collect();
    let name = chosen_name(&record.user, &names, name)?;
    record
        .device(name)
        .ok_or_else(|| unknown_device(&record.user, &names, name))
}

/// The name among those of a user's devices; without `name`, the only one.
pub fn chosen_name<'a>(
    user: &str,
    names: &[&'a str],
    name: Option<&str>,
) -> Result<&'a str, CommandFailure> {
    match (name, names) {
        (None, [only]) => Ok(only),
        (None, _) => Err(CommandFailure::usage(format!(
            "{user} has several devices: {}",
            names.join(", ")
        ))
        .next("Add: --device NAME")),
        (Some(name), _) => {
            let found = names.iter().find(|it| **it == name);
            found
                .copied()
                .ok_or_else(|| unknown_device(user, names, name))
        }
    }
}

fn unknown_device(user: &str, names: &[&str], name: &str) -> CommandFailure {
    CommandFailure::refused(format!(
        "{user} has no device named {}",
        crate::formatting::plain(name)
    ))
    .of_kind(FailureKind::UnknownDevice)
    .next(format!("There is: {}", names.join(", ")))
}

/// Report of `renew`. Holds the new secret.
#[derive(Serialize)]
pub struct RenewalReport<'a> {
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
    /// Risks that came with it.
    pub warnings: Vec<String>,
    /// Sentences about files with the QR code.
    #[serde(skip)]
    pub files: &'a str,
}

impl CommandReport for RenewalReport<'_> {
    fn text(&self) -> Zeroizing<String> {
        Zeroizing::new(format!(
            "Stored: new key for the device {} of {}. The old key no longer works.\n{}{}",
            self.device.name,
            self.user,
            self.files,
            warning_lines(&self.warnings)
        ))
    }
}
