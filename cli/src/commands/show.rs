//! `show`: the devices of a user; a secret only when it is asked for.

use serde::Serialize;
use twofactor_core::device::Device;
use twofactor_core::log::event::CommandEvent;
use twofactor_core::qr::QrGlyphs;
use twofactor_store::FactorSnapshot;
use zeroize::Zeroizing;

use super::confirmation::{say_key, show_drawn};
use super::renew::chosen;
use crate::args::{QrStyle, ShowArgs};
use crate::audit;
use crate::context::Context;
use crate::device_info::{DeviceInfo, uri, uris};
use crate::error::Failure;
use crate::output::{LineLayout, OutputFormat, Report, table};
use crate::qr_files::{PictureForm, QrFiles, drawing, write_picture};
use crate::terminal::Terminal;

/// Shown in place of a key.
const MASK: &str = "hidden; to see it: --secret, --uri, --qr or --png FILE";

/// Runs it.
pub fn run(context: &Context, args: &ShowArgs) -> Result<(), Failure> {
    let (picture, places) = args.files.split()?;
    may_stand_alone(context, args, picture)?;
    let user = context.user_or_caller(args.user.as_deref())?;
    let FactorSnapshot {
        account,
        record,
        state,
    } = context.snapshot(&user)?;
    let policy = context.policy_or_default()?;
    let shown = context.terminal.glyphs();
    let glyphs = args.qr.and_then(|qr: QrStyle| qr.glyphs(shown));
    let reveals = args.secret || args.uri || glyphs.is_some() || args.files.any();
    let devices: Vec<&Device> = match (&args.device, reveals) {
        (None, false) => record.devices.iter().collect(),
        (name, _) => vec![chosen(&record, name.as_deref())?],
    };
    let shown = devices.iter().map(|device| ShownDevice {
        info: DeviceInfo::new(device, Some(&state)),
        secret: args.secret.then(|| device.secret.to_base32().to_string()),
        uri: (args.uri || glyphs.is_some())
            .then(|| uri(device, &account.name, &policy, Some(&state)).to_string()),
        svg: (picture.is_some() || glyphs.is_some())
            .then(|| drawing(&uri(device, &account.name, &policy, Some(&state))))
            .flatten()
            .map(|drawing| drawing.to_string()),
    });
    let report = ShowReport {
        user: &account.name,
        uid: account.uid,
        devices: shown.collect(),
    };
    let files = match (places.any(), devices.first()) {
        (true, Some(device)) => {
            let uri = uri(device, &account.name, &policy, Some(&state));
            QrFiles::write(&places, &uri)?
        }
        _ => QrFiles::default(),
    };
    if reveals {
        let name = report
            .devices
            .first()
            .map_or("", |device| device.info.name.as_str());
        audit::log(CommandEvent::Show, Some(&account.name), &[("device", name)]);
    }
    if let (Some(form), OutputFormat::Text, Some(device)) =
        (picture, context.format, devices.first())
    {
        write_picture(form, &uri(device, &account.name, &policy, Some(&state)))?;
        files.keep();
        return Ok(());
    }
    match (glyphs, context.format, devices.first()) {
        (Some(glyphs), OutputFormat::Text, Some(device)) => {
            let uris = uris(device, &account.name, &policy, Some(&state));
            reveal(&context.terminal, device, &uris, glyphs)?;
        }
        // The files are the part that was asked for.
        (_, OutputFormat::Text, _) if args.files.any() && !args.secret && !args.uri => {}
        _ => context.write(&report)?,
    }
    let written = files.keep();
    match context.format {
        // A revealed key stands alone, so that it can be piped.
        OutputFormat::Text if !args.secret && !args.uri => Ok(context.terminal.say(&written)?),
        _ => Ok(()),
    }
}

/// Refuses a picture on standard output beside something else there.
fn may_stand_alone(
    context: &Context,
    args: &ShowArgs,
    picture: Option<PictureForm>,
) -> Result<(), Failure> {
    let others = args.secret || args.uri || args.qr.is_some();
    match (picture, context.format) {
        (Some(PictureForm::Png), OutputFormat::Json) => Err(Failure::usage(
            "JSON has no place for the bytes of a picture",
        )
        .next("For a drawing: --svg -")),
        (Some(_), OutputFormat::Text) if others => Err(Failure::usage(
            "a picture on standard output stands there alone",
        )),
        _ => Ok(()),
    }
}

/// Shows the QR code with key and URI; these alone where it cannot be drawn, which is an error then.
fn reveal(
    terminal: &Terminal,
    device: &Device,
    uris: &[Zeroizing<String>],
    glyphs: QrGlyphs,
) -> Result<(), Failure> {
    match terminal.draw(uris, glyphs) {
        Ok((drawing, uri)) => show_drawn(terminal, device, uri, &drawing),
        Err(why) => {
            say_key(
                terminal,
                device,
                uris.first().map_or("", |uri| uri.as_str()),
            )?;
            Err(why)
        }
    }
}

/// Report of `show`.
#[derive(Serialize)]
struct ShowReport<'a> {
    user: &'a str,
    uid: u32,
    devices: Vec<ShownDevice>,
}

/// A device; its secret, URI and drawing are `null` unless asked for.
#[derive(Serialize)]
struct ShownDevice {
    #[serde(flatten)]
    info: DeviceInfo,
    secret: Option<String>,
    uri: Option<String>,
    svg: Option<String>,
}

impl Drop for ShownDevice {
    fn drop(&mut self) {
        use zeroize::Zeroize as _;
        self.secret.zeroize();
        self.uri.zeroize();
        self.svg.zeroize();
    }
}

impl Report for ShowReport<'_> {
    fn layout(&self) -> LineLayout {
        LineLayout::Verbatim
    }

    /// A revealed key or URI stands alone, so that it can be copied or piped.
    fn text(&self) -> Zeroizing<String> {
        if let [
            ShownDevice {
                secret: Some(revealed),
                ..
            }
            | ShownDevice {
                uri: Some(revealed),
                ..
            },
        ] = self.devices.as_slice()
        {
            return Zeroizing::new(format!("{revealed}\n"));
        }
        let mut rows = vec![vec![
            "DEVICE".into(),
            "SETTINGS".into(),
            "ENROLLED".into(),
            "LAST USED".into(),
        ]];
        for ShownDevice { info, .. } in &self.devices {
            rows.push(vec![
                info.name.clone(),
                info.settings(),
                info.enrolled.to_string(),
                info.last_used_text(),
            ]);
        }
        Zeroizing::new(format!(
            "{} (uid {})\n{}Key: {MASK}\n",
            self.user,
            self.uid,
            table(&rows)
        ))
    }
}
