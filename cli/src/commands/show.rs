//! `show`: the devices of a user; a secret only when it is asked for.

use serde::Serialize;
use twofactor_core::device::Device;
use twofactor_core::log::event::CommandEvent;
use twofactor_core::policy::Policy;
use twofactor_core::qr::QrGlyphs;
use twofactor_store::FactorSnapshot;
use zeroize::Zeroizing;

use super::backup::refuse_open_file;
use super::device_confirmation::{say_key, show_drawn};
use super::renew::chosen;
use crate::args::{QrStyle, ShowArgs};
use crate::command_context::CommandContext;
use crate::command_failure::CommandFailure;
use crate::command_log;
use crate::device_info::{DeviceInfo, uri, uris};
use crate::output::{CommandReport, LineLayout, OutputFormat, table};
use crate::qr_files::{PictureForm, QrFiles, drawing, write_picture};
use crate::terminal::Terminal;

/// Shown in place of a key.
const MASK: &str = "hidden; to see it: --secret, --uri, --qr or --png FILE";

/// Runs it.
pub fn run(context: &CommandContext, args: &ShowArgs) -> Result<(), CommandFailure> {
    let (picture, places) = args.files.split()?;
    may_stand_alone(context, args, picture)?;
    let user = context.user_or_caller(args.user.as_deref())?;
    let factor = context.snapshot(&user)?;
    let policy = context.policy_or_default()?;
    let name = args.device.as_deref();
    let shown = context.terminal.glyphs();
    let glyphs = args.qr.and_then(|qr: QrStyle| qr.glyphs(shown));
    if !args.secret && !args.uri && glyphs.is_none() && !args.files.any() {
        return context.write(&ShowReport::without_keys(&factor, name)?);
    }
    if args.secret || args.uri || glyphs.is_some() || picture.is_some() {
        refuse_open_file("it would hold the key", "Make it private first: umask 077")?;
    }
    let device = chosen(&factor.record, name)?;
    let key = ShownKey {
        device,
        factor: &factor,
        policy: &policy,
    };
    let uri = key.uri();
    let is_drawn = picture.is_some() || glyphs.is_some();
    let report = ShowReport::new(
        &factor,
        vec![ShownDevice {
            info: DeviceInfo::new(device, Some(&factor.state)),
            secret: args.secret.then(|| device.secret.to_base32().to_string()),
            uri: (args.uri || glyphs.is_some()).then(|| uri.to_string()),
            svg: is_drawn
                .then(|| drawing(&uri))
                .flatten()
                .map(|drawing| drawing.to_string()),
        }],
    );
    // Before it is handed out: whatever happens then, it may have been seen.
    let files = QrFiles::write_after(&places, &uri, || {
        let shown = [("device", device.name.as_str())];
        command_log::log(CommandEvent::Show, Some(&factor.account.name), &shown);
    })?;
    match (picture, glyphs, context.format) {
        (Some(form), _, OutputFormat::Text) => {
            write_picture(form, &uri)?;
            // It stands alone.
            files.keep();
            return Ok(());
        }
        (None, Some(glyphs), OutputFormat::Text) => reveal(&context.terminal, &key, glyphs)?,
        // The files are the part that was asked for.
        (_, _, OutputFormat::Text) if args.files.any() && !args.secret && !args.uri => {}
        _ => context.write(&report)?,
    }
    let written = files.keep();
    match context.format {
        // A revealed key stands alone, so that it can be piped.
        OutputFormat::Text if !args.secret && !args.uri => Ok(context.terminal.say(&written)?),
        _ => Ok(()),
    }
}

/// The key that is shown.
struct ShownKey<'a> {
    device: &'a Device,
    factor: &'a FactorSnapshot,
    policy: &'a Policy,
}

impl ShownKey<'_> {
    fn uri(&self) -> Zeroizing<String> {
        let factor = self.factor;
        let user = &factor.account.name;
        uri(self.device, user, self.policy, Some(&factor.state))
    }

    /// Its forms for screens of all sizes.
    fn uris(&self) -> Vec<Zeroizing<String>> {
        let factor = self.factor;
        let user = &factor.account.name;
        uris(self.device, user, self.policy, Some(&factor.state))
    }
}

/// Refuses a picture on standard output beside something else there.
fn may_stand_alone(
    context: &CommandContext,
    args: &ShowArgs,
    picture: Option<PictureForm>,
) -> Result<(), CommandFailure> {
    let others = args.secret || args.uri || args.qr.is_some();
    match (picture, context.format) {
        (Some(PictureForm::Png), OutputFormat::Json) => Err(CommandFailure::usage(
            "JSON has no place for the bytes of a picture",
        )
        .next("For a drawing: --svg -")),
        (Some(_), OutputFormat::Text) if others => Err(CommandFailure::usage(
            "a picture on standard output cannot be combined with other output",
        )),
        _ => Ok(()),
    }
}

/// Shows the QR code with key and URI; these alone where it cannot be drawn, which is an error then.
fn reveal(terminal: &Terminal, key: &ShownKey<'_>, glyphs: QrGlyphs) -> Result<(), CommandFailure> {
    let uris = key.uris();
    match terminal.draw(&uris, glyphs) {
        Ok((drawing, uri)) => show_drawn(terminal, key.device, uri, &drawing),
        Err(why) => {
            let uri = uris.first().map_or("", |uri| uri.as_str());
            say_key(terminal, key.device, uri)?;
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

impl<'a> ShowReport<'a> {
    fn new(factor: &'a FactorSnapshot, devices: Vec<ShownDevice>) -> Self {
        Self {
            user: &factor.account.name,
            uid: factor.account.uid,
            devices,
        }
    }

    /// The device of that name, or all of them, with nothing of their keys.
    fn without_keys(
        factor: &'a FactorSnapshot,
        name: Option<&str>,
    ) -> Result<Self, CommandFailure> {
        let devices: Vec<&Device> = match name {
            Some(_) => vec![chosen(&factor.record, name)?],
            None => factor.record.devices.iter().collect(),
        };
        let masked = |device: &Device| ShownDevice {
            info: DeviceInfo::new(device, Some(&factor.state)),
            secret: None,
            uri: None,
            svg: None,
        };
        Ok(Self::new(factor, devices.into_iter().map(masked).collect()))
    }
}

impl Drop for ShownDevice {
    fn drop(&mut self) {
        use zeroize::Zeroize as _;
        self.secret.zeroize();
        self.uri.zeroize();
        self.svg.zeroize();
    }
}

impl CommandReport for ShowReport<'_> {
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
