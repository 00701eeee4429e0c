//! QR codes as files: PNG (ISO/IEC 15948) and SVG.

use std::fmt::Write as _;
use std::path::PathBuf;

use clap::Args;
use twofactor_core::qr::{MODULE_PIXELS as MODULE, QrModules, UndrawnQr, svg};
use zeroize::Zeroizing;

use crate::command_failure::CommandFailure;
use crate::output_stream::OutputStream;
use crate::private_file::{PrivateFile, reader};

/// Places for the QR code, beside the terminal.
#[derive(Clone, Debug, Default, Args)]
pub struct QrFileOptions {
    /// Write the QR code to this new file, as a picture
    #[arg(long, value_name = "FILE")]
    pub png: Option<PathBuf>,
    /// Write the QR code to this new file, as a drawing
    #[arg(long, value_name = "FILE")]
    pub svg: Option<PathBuf>,
}

/// Stands for standard output, as in other programs.
const STANDARD_OUTPUT: &str = "-";

/// Form of a picture.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PictureForm {
    /// A raster.
    Png,
    /// A drawing.
    Svg,
}

impl QrFileOptions {
    /// The picture that goes to standard output, and the files beside it.
    ///
    /// # Errors
    /// A usage error where both would.
    pub fn split(&self) -> Result<(Option<PictureForm>, Self), CommandFailure> {
        let (png, svg) = (is_stream(self.png.as_ref()), is_stream(self.svg.as_ref()));
        let form = match (png, svg) {
            (true, true) => {
                return Err(CommandFailure::usage(
                    "one picture alone goes to standard output",
                ));
            }
            (true, false) => Some(PictureForm::Png),
            (false, true) => Some(PictureForm::Svg),
            (false, false) => None,
        };
        let files = Self {
            png: self.png.clone().filter(|_| !png),
            svg: self.svg.clone().filter(|_| !svg),
        };
        Ok((form, files))
    }

    /// True if a file is wanted.
    pub const fn any(&self) -> bool {
        self.png.is_some() || self.svg.is_some()
    }
}

fn is_stream(path: Option<&PathBuf>) -> bool {
    path.is_some_and(|path| path.as_os_str() == STANDARD_OUTPUT)
}

/// The QR code of a text as a drawing; `None` where the text is too long for one.
pub fn drawing(text: &str) -> Option<Zeroizing<String>> {
    QrModules::of(text).ok().map(|modules| svg(&modules))
}

/// Writes a picture of the QR code to standard output, and nothing else.
///
/// # Errors
/// A refusal where the text is too long; a usage error for bytes that would go to a terminal.
pub fn write_picture(form: PictureForm, text: &str) -> Result<(), CommandFailure> {
    let modules = QrModules::of(text).map_err(too_long)?;
    match form {
        PictureForm::Svg => Ok(OutputStream::Stdout.lines_for_programs(&svg(&modules))?),
        PictureForm::Png if OutputStream::Stdout.is_terminal() => {
            Err(CommandFailure::usage("the picture would go to a terminal")
                .next("Send it into a file or a pipe, or show the code there: --qr"))
        }
        PictureForm::Png => {
            let picture = png(&modules).map_err(unmade)?;
            Ok(OutputStream::Stdout.bytes_for_programs(&picture)?)
        }
    }
}

fn too_long(_: UndrawnQr) -> CommandFailure {
    CommandFailure::refused("the URI is too long for a QR code")
        .next("Use the key instead of the code.")
}

fn unmade(error: png::EncodingError) -> CommandFailure {
    CommandFailure::refused(format!("the picture: {error}"))
}

/// The files that were written. Dropped before [`QrFiles::keep`], they are removed again.
#[derive(Default)]
pub struct QrFiles(Vec<PrivateFile>);

impl QrFiles {
    /// Draws `text` into the files that are wanted.
    ///
    /// # Errors
    /// As [`PrivateFile::reserve`] and [`PrivateFile::write`]; then none of the files is left.
    pub fn write(options: &QrFileOptions, text: &str) -> Result<Self, CommandFailure> {
        Self::write_after(options, text, || {})
    }

    /// As [`QrFiles::write`]; does something once the files are there and before anything is in them, or where none is wanted.
    ///
    /// # Errors
    /// As [`QrFiles::write`].
    pub fn write_after(
        options: &QrFileOptions,
        text: &str,
        before: impl FnOnce(),
    ) -> Result<Self, CommandFailure> {
        let mut files = Self::default();
        if !options.any() {
            before();
            return Ok(files);
        }
        if is_stream(options.png.as_ref()) || is_stream(options.svg.as_ref()) {
            return Err(
                CommandFailure::usage("standard output has more than the picture here")
                    .next("Name a file. For a device that is there: twofactor show --svg -"),
            );
        }
        let modules = QrModules::of(text).map_err(too_long)?;
        let mut pictures = Vec::new();
        if let Some(path) = &options.png {
            pictures.push(png(&modules).map_err(unmade)?);
            files.0.push(PrivateFile::reserve(path)?);
        }
        if let Some(path) = &options.svg {
            pictures.push(Zeroizing::new(svg(&modules).as_bytes().to_vec()));
            files.0.push(PrivateFile::reserve(path)?);
        }
        before();
        for (file, picture) in files.0.iter().zip(&pictures) {
            file.write(picture)?;
        }
        Ok(files)
    }

    /// The files stay. Returns what to say about them.
    pub fn keep(self) -> String {
        let mut text = String::new();
        for file in self.0 {
            let path = file.path().display();
            let _ = writeln!(
                text,
                "Written: {path} (only {} can read it). It shows the key: remove it once it was scanned.",
                reader()
            );
            file.keep();
        }
        text
    }
}

/// One bit per pixel, 0 black and 1 white, eight by eight pixels per module.
fn png(modules: &QrModules) -> Result<Zeroizing<Vec<u8>>, png::EncodingError> {
    let side = modules.side();
    let mut pixels = Zeroizing::new(Vec::new());
    for line in 0..side {
        for _ in 0..MODULE {
            let is_dark = |column| modules.is_dark(column, line);
            pixels.extend((0..side).map(|column| if is_dark(column) { 0x00 } else { 0xff }));
        }
    }
    let length = u32::try_from(side * MODULE).unwrap_or(u32::MAX);
    let mut file = Zeroizing::new(Vec::new());
    let mut encoder = png::Encoder::new(&mut *file, length, length);
    encoder.set_color(png::ColorType::Grayscale);
    encoder.set_depth(png::BitDepth::One);
    let mut writer = encoder.write_header()?;
    writer.write_image_data(&pixels)?;
    writer.finish()?;
    Ok(file)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scratch_directory::ScratchDirectory;

    const URI: &str = "otpauth://totp/example.org:alice?secret=JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP";

    #[test]
    fn the_picture_shows_each_module_eight_by_eight() {
        let modules = QrModules::of(URI).unwrap();
        let file = png(&modules).unwrap();
        let mut reader = png::Decoder::new(std::io::Cursor::new(&file[..]))
            .read_info()
            .unwrap();
        let mut pixels = vec![0; reader.output_buffer_size().unwrap()];
        let shown = reader.next_frame(&mut pixels).unwrap();
        let side = modules.side() * MODULE;
        assert_eq!((shown.width as usize, shown.height as usize), (side, side));
        assert_eq!(shown.line_size, modules.side());
        for (place, byte) in pixels.iter().enumerate() {
            let (x, y) = (place % modules.side(), place / modules.side() / MODULE);
            let expected = if modules.is_dark(x, y) { 0x00 } else { 0xff };
            assert_eq!(*byte, expected, "{x} {y}");
        }
    }

    #[test]
    fn a_failing_second_file_leaves_nothing() {
        let directory = ScratchDirectory::new();
        let options = QrFileOptions {
            png: Some(directory.join("code.png")),
            svg: Some(directory.join("missing/code.svg")),
        };
        assert!(QrFiles::write(&options, URI).is_err());
        assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 0);
    }
}
