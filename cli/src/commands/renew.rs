//! `renew`: a new secret for a device; the old one works until the new one is confirmed.
#![forbid(unsafe_code)]

use pam_twofactor::device::Device;
use pam_twofactor::enroll;
use pam_twofactor::policy::NewDevices;
use pam_twofactor::record::Record;
use pam_twofactor::sys::clock;
use serde::Serialize;
use zeroize::Zeroizing;

use super::confirmation::{Confirmation, Style, present};
use super::enroll::yes_or_no;
use crate::args::Renew;
use crate::audit::{self, Event};
use crate::context::Context;
use crate::device_info::DeviceInfo;
use crate::error::{Failure, for_user};
use crate::output::Report;

/// Runs it.
pub fn run(context: &Context, args: &Renew) -> Result<(), Failure> {
    let (account, store, record) = context.enrolled(&args.user)?;
    let policy = context.policy_or_default()?;
    let named = |error| for_user(Failure::from(error), &account.name);
    let old = chosen(&record, args.device.as_deref())?;
    let settings = NewDevices {
        algorithm: old.algorithm,
        digits: old.digits,
        ..policy.new_devices
    };
    let new = enroll::new_device(old.name.clone(), old.kind, settings, clock::now()?)
        .map_err(Failure::system)?;
    let confirmation = Confirmation::new(&args.no_confirm);
    let style = Style {
        qr: args.qr,
        files: &args.files,
        confirmation,
    };
    let confirmed = present(context, &account, &policy, &new, &style)?;

    let mut locked = store.lock_for_change(&account).map_err(named)?;
    let mut record = locked.record().map_err(named)?;
    let place = record
        .iter_mut()
        .flat_map(|record| &mut record.devices)
        .find(|device| device.id == old.id);
    let (Some(place), user) = (place, &account.name) else {
        return Err(Failure::refused(format!(
            "the device {} was changed meanwhile; nothing was stored",
            old.name
        )));
    };
    *place = new.clone();
    if let Some(record) = &record {
        locked
            .replace_record(record, &[confirmed.entry])
            .map_err(named)?;
    }
    drop(locked);
    let files = confirmed.files.keep();

    audit::log(
        Event::Changed,
        &[
            ("user", user),
            ("action", "renew"),
            ("device", new.name.as_str()),
            ("confirmed", yes_or_no(confirmation)),
        ],
    );
    context.write(&Renewed {
        user,
        device: DeviceInfo::new(&new, None),
        confirmed: confirmation == Confirmation::Ask,
        secret: &new.secret.to_base32(),
        uri: &confirmed.uri,
        files: &files,
    })
}

/// The device of that name; without a name, the only one.
pub fn chosen<'a>(record: &'a Record, name: Option<&str>) -> Result<&'a Device, Failure> {
    let names = || {
        let names: Vec<&str> = record
            .devices
            .iter()
            .map(|device| device.name.as_str())
            .collect();
        names.join(", ")
    };
    let user = &record.user;
    match (name, record.devices.as_slice()) {
        (None, [only]) => Ok(only),
        (None, _) => Err(
            Failure::usage(format!("{user} has several devices: {}", names()))
                .next("Add: --device NAME"),
        ),
        (Some(name), _) => record.device(name).ok_or_else(|| {
            Failure::refused(format!(
                "{user} has no device named {}",
                crate::text::plain(name)
            ))
            .next(format!("There is: {}", names()))
        }),
    }
}

/// What `renew` reports. Holds the new secret.
#[derive(Serialize)]
struct Renewed<'a> {
    user: &'a str,
    device: DeviceInfo,
    confirmed: bool,
    secret: &'a str,
    uri: &'a str,
    #[serde(skip)]
    files: &'a str,
}

impl Report for Renewed<'_> {
    fn text(&self) -> Zeroizing<String> {
        Zeroizing::new(format!(
            "Stored: new key for the device {} of {}. The old key no longer works.\n{}",
            self.device.name, self.user, self.files
        ))
    }
}
