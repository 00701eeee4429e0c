//! `enroll` and `renew` without root: the daemon makes the device, and stores it after a code of it.

use twofactor_core::device::DeviceName;
use twofactor_core::policy::Policy;
use twofactor_protocol::reply::ReplyError;
use twofactor_protocol::service::{
    ChangeCall, ChangeReply, DeviceCall, DeviceKind, HashAlgorithm, NewDeviceCall, StatusReply,
};
use twofactor_store::operations::{ChangeCause, ChangeError};

use super::own_device::OwnDevice;
use super::own_failure::uncertain;
use super::own_recovery::hand_over;
use super::own_status::device_info;
use super::proof_dialogue::{ProofDialogue, WantedProof};
use super::{OwnFactor, device_names, refuse_root_options};
use crate::args::{EnrollArgs, HashChoice, QrStyle, RenewArgs};
use crate::command_context::CommandContext;
use crate::command_failure::CommandFailure;
use crate::commands::device_confirmation::{CodeConfirmation, DeliveredDevice, EnrollmentStyle};
use crate::commands::enroll::has_codes;
use crate::commands::enrollment_report::EnrollmentReport;
use crate::commands::event_dialogue;
use crate::commands::renew::{RenewalReport, chosen_name};
use crate::output::OutputFormat;
use crate::qr_files::QrFileOptions;
use crate::recovery_sheet::{DeliveredCodes, RecoverySheet};
use crate::suggested_command;

/// Runs `enroll`.
pub fn enroll(context: &CommandContext, args: &EnrollArgs) -> Result<(), CommandFailure> {
    refuse_root_options(&[("--no-confirm", args.no_confirm)])?;
    may_be_shown(context)?;
    let name: DeviceName = args.device.parse().map_err(CommandFailure::usage)?;
    if name.is_word_of_log() {
        let what = format!("{name} is a word of the log, and no name of a device");
        return Err(CommandFailure::usage(what).next("Choose another one: --device NAME"));
    }
    let own = OwnFactor::of_caller(context, args.user.as_deref())?;
    let status = own.managed_status()?;
    let user = own.user.as_str();
    if status.devices.iter().any(|it| it.name == args.device) {
        let cause = ChangeCause::NameTaken(name);
        let user = user.to_owned();
        return Err(ChangeError { user, cause }.into());
    }
    if args.recovery_file.is_some() && !status.devices.is_empty() {
        return Err(has_codes(user));
    }
    let policy = context.existing_policy()?.policy;
    let sheet = RecoverySheet::new(args.recovery_file.as_deref())?;
    let setup = DeviceSetup {
        context,
        own: &own,
        status: &status,
        policy: &policy,
        qr: args.qr,
        files: &args.files,
    };
    let delivered = setup.run(|code| ChangeCall::Begin(new_device(user, args, code)))?;
    let reply = delivered.device.reply;
    let device = reply.device.as_ref().and_then(device_info);
    let device = device.ok_or_else(|| uncertain(&own.client.error(ReplyError::Malformed)))?;
    let files = delivered.files.keep();
    let is_first = reply.recovery_codes.is_some();
    let handed = if is_first {
        let handed = hand_over(user, sheet, reply.recovery_codes);
        handed.map_err(|failure| stored_without_codes(&device.name, failure))?
    } else {
        // Devices came meanwhile, and codes with them: an empty file is not kept.
        DeliveredCodes::none()
    };
    if context.format == OutputFormat::Dialogue {
        return event_dialogue::tell_stored(context, user, device, handed.list());
    }
    context.write(&EnrollmentReport {
        user,
        device,
        confirmed: true,
        secret: &delivered.device.secret,
        uri: &delivered.uri,
        recovery_codes: handed.list(),
        recovery_file: handed.file.as_deref(),
        warnings: Vec::new(),
        handed: &handed,
        files: &files,
    })?;
    say_what_is_next(context, &policy, is_first)
}

/// Runs `renew`.
pub fn renew(context: &CommandContext, args: &RenewArgs) -> Result<(), CommandFailure> {
    refuse_root_options(&[("--no-confirm", args.no_confirm)])?;
    may_be_shown(context)?;
    let own = OwnFactor::of_caller(context, args.user.as_deref())?;
    let status = own.managed_status()?;
    let user = own.user.as_str();
    let names = device_names(user, &status)?;
    let name = chosen_name(user, &names, args.device.as_deref())?;
    let policy = context.existing_policy()?.policy;
    let setup = DeviceSetup {
        context,
        own: &own,
        status: &status,
        policy: &policy,
        qr: args.qr,
        files: &args.files,
    };
    let delivered = setup.run(|code| {
        ChangeCall::Renew(DeviceCall {
            user: user.to_owned(),
            device: Some(name.to_owned()),
            code,
        })
    })?;
    let device = delivered.device.reply.device.as_ref().and_then(device_info);
    let device = device.ok_or_else(|| uncertain(&own.client.error(ReplyError::Malformed)))?;
    let files = delivered.files.keep();
    if context.format == OutputFormat::Dialogue {
        return event_dialogue::tell_stored(context, user, device, Vec::new());
    }
    context.write(&RenewalReport {
        user,
        device,
        confirmed: true,
        secret: &delivered.device.secret,
        uri: &delivered.uri,
        warnings: Vec::new(),
        files: &files,
    })
}

/// A new device between the daemon and its user.
struct DeviceSetup<'a> {
    context: &'a CommandContext,
    own: &'a OwnFactor,
    status: &'a StatusReply,
    policy: &'a Policy,
    qr: QrStyle,
    files: &'a QrFileOptions,
}

/// A device that the daemon has stored.
struct StoredDevice {
    reply: ChangeReply,
    secret: zeroize::Zeroizing<String>,
}

impl DeviceSetup<'_> {
    /// Gives the proof, shows the device, and has a code of it judged.
    fn run(
        &self,
        call: impl Fn(Option<String>) -> ChangeCall,
    ) -> Result<DeliveredDevice<StoredDevice>, CommandFailure> {
        let dialogue = ProofDialogue {
            context: self.context,
            own: self.own,
            status: self.status,
            codes: WantedProof::Code,
        };
        let (conversation, reply) = dialogue.run(call)?;
        let waiting = OwnDevice::new(self.own, self.policy, conversation, &reply)?;
        let secret = waiting.secret();
        let style = EnrollmentStyle {
            qr: self.qr,
            files: self.files,
            confirmation: CodeConfirmation::Ask,
        };
        let delivered = event_dialogue::deliver(self.context, waiting, &style)?;
        Ok(DeliveredDevice {
            device: StoredDevice {
                reply: delivered.device,
                secret,
            },
            uri: delivered.uri,
            files: delivered.files,
        })
    }
}

/// As for root, but that no device is stored without a code.
fn may_be_shown(context: &CommandContext) -> Result<(), CommandFailure> {
    if context.format != OutputFormat::Json {
        return Ok(());
    }
    let what = "with --json the key of a new device is not shown before it is stored";
    Err(CommandFailure::usage(what).next("To ask for a code of it: --dialogue json"))
}

fn new_device(user: &str, args: &EnrollArgs, code: Option<String>) -> NewDeviceCall {
    NewDeviceCall {
        user: user.to_owned(),
        device: Some(args.device.clone()),
        kind: args.hotp.then_some(DeviceKind::Hotp),
        algorithm: args.algorithm.map(|hash| match hash {
            HashChoice::Sha1 => HashAlgorithm::Sha1,
            HashChoice::Sha256 => HashAlgorithm::Sha256,
            HashChoice::Sha512 => HashAlgorithm::Sha512,
        }),
        digits: args.digits,
        interval: args.interval,
        code,
    }
}

/// The codes of the first device did not reach its user. The device counts.
fn stored_without_codes(device: &str, failure: CommandFailure) -> CommandFailure {
    CommandFailure {
        what: format!("the device {device} is stored; its {}", failure.what),
        ..failure
    }
}

/// The steps after an enrollment, for people.
fn say_what_is_next(
    context: &CommandContext,
    policy: &Policy,
    is_first: bool,
) -> Result<(), CommandFailure> {
    if is_first {
        let step = suggested_command::twofactor("enroll", &[], &[("--device", "backup")]);
        let text = format!("For a second device, as a backup: {step}\n");
        context.terminal.prose(&text)?;
    }
    if !policy.enabled {
        let text = "Two-factor login is switched off: no login asks for a code yet.\n";
        context.terminal.prose(text)?;
    }
    Ok(())
}
