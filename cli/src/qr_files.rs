//! QR codes as files: PNG (ISO/IEC 15948) and SVG.
//!
//! A PNG is written here, uncompressed, so that the picture of a secret lies in one buffer, which is wiped.
#![forbid(unsafe_code)]

use std::fmt::Write as _;
use std::path::PathBuf;

use clap::Args;
use pam_twofactor::qr::{Modules, Undrawn};
use zeroize::Zeroizing;

use crate::error::Failure;
use crate::new_file::NewFile;

/// Bytes of a picture line per module: eight pixels of one bit each.
const MODULE: usize = 8;
/// Most bytes of a stored block (RFC 1951 section 3.2.4).
const BLOCK: usize = 65_535;

/// Where to put the QR code, beside the terminal.
#[derive(Clone, Debug, Default, Args)]
pub struct QrFileOptions {
    /// Write the QR code to this new file, as a picture
    #[arg(long, value_name = "FILE")]
    pub png: Option<PathBuf>,
    /// Write the QR code to this new file, as a drawing
    #[arg(long, value_name = "FILE")]
    pub svg: Option<PathBuf>,
}

impl QrFileOptions {
    /// Whether a file is wanted.
    pub const fn any(&self) -> bool {
        self.png.is_some() || self.svg.is_some()
    }
}

/// The files that were written. Dropped before [`QrFiles::keep`], they are removed again.
#[derive(Default)]
pub struct QrFiles(Vec<NewFile>);

impl QrFiles {
    /// Draws `text` into the files that are wanted.
    ///
    /// # Errors
    /// As [`NewFile::create`]; then none of the files is left.
    pub fn write(options: &QrFileOptions, text: &str) -> Result<Self, Failure> {
        let mut files = Self::default();
        if !options.any() {
            return Ok(files);
        }
        let modules = Modules::of(text).map_err(|_: Undrawn| {
            Failure::refused("the URI is too long for a QR code")
                .next("Use the key instead of the code.")
        })?;
        if let Some(path) = &options.png {
            files.0.push(NewFile::create(path, &png(&modules))?);
        }
        if let Some(path) = &options.svg {
            files
                .0
                .push(NewFile::create(path, svg(&modules).as_bytes())?);
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
                "Written: {path} (only root can read it). It shows the key: remove it once it was scanned."
            );
            file.keep();
        }
        text
    }
}

/// One bit per pixel, 0 black and 1 white, eight by eight pixels per module.
fn png(modules: &Modules) -> Zeroizing<Vec<u8>> {
    let side = modules.side();
    let pixels = u32::try_from(side * MODULE).unwrap_or(u32::MAX);
    let lines = picture_lines(modules);
    let mut file = Zeroizing::new(Vec::with_capacity(lines.len() + lines.len() / 1000 + 256));
    file.extend_from_slice(b"\x89PNG\r\n\x1a\n");
    let mut header = Vec::with_capacity(13);
    header.extend_from_slice(&pixels.to_be_bytes());
    header.extend_from_slice(&pixels.to_be_bytes());
    // Bit depth 1, greyscale, the only compression and filter methods there are, not interlaced.
    header.extend_from_slice(&[1, 0, 0, 0, 0]);
    chunk(&mut file, *b"IHDR", &header);
    chunk(&mut file, *b"IDAT", &stored(&lines));
    chunk(&mut file, *b"IEND", &[]);
    file
}

/// Each line of pixels behind a filter byte: 0, none.
fn picture_lines(modules: &Modules) -> Zeroizing<Vec<u8>> {
    let side = modules.side();
    let mut lines = Zeroizing::new(Vec::with_capacity(side * MODULE * (side + 1)));
    for line in 0..side {
        for _ in 0..MODULE {
            lines.push(0);
            lines.extend((0..side).map(|column| match modules.is_dark(column, line) {
                true => 0x00,
                false => 0xff,
            }));
        }
    }
    lines
}

/// RFC 1950 around RFC 1951 blocks without compression.
fn stored(data: &[u8]) -> Zeroizing<Vec<u8>> {
    let mut out = Zeroizing::new(Vec::with_capacity(data.len() + data.len() / 1000 + 32));
    out.extend_from_slice(&[0x78, 0x01]);
    let blocks = data.chunks(BLOCK);
    let last = blocks.len().saturating_sub(1);
    for (number, block) in blocks.enumerate() {
        // A block is never longer than its length field holds.
        let length = u16::try_from(block.len()).unwrap_or(u16::MAX);
        out.push(u8::from(number == last));
        out.extend_from_slice(&length.to_le_bytes());
        out.extend_from_slice(&(!length).to_le_bytes());
        out.extend_from_slice(block);
    }
    out.extend_from_slice(&adler32(data).to_be_bytes());
    out
}

fn chunk(file: &mut Vec<u8>, kind: [u8; 4], data: &[u8]) {
    let length = u32::try_from(data.len()).unwrap_or(u32::MAX);
    file.extend_from_slice(&length.to_be_bytes());
    file.extend_from_slice(&kind);
    file.extend_from_slice(data);
    file.extend_from_slice(&crc32(&[&kind, data]).to_be_bytes());
}

/// ISO/IEC 15948 annex D, bit by bit: a picture of this size takes milliseconds.
fn crc32(parts: &[&[u8]]) -> u32 {
    let mut crc = u32::MAX;
    for byte in parts.iter().copied().flatten() {
        crc ^= u32::from(*byte);
        for _ in 0..8 {
            let carry = crc & 1;
            crc = (crc >> 1) ^ (0xedb8_8320 * carry);
        }
    }
    !crc
}

/// RFC 1950 section 8.2.
fn adler32(data: &[u8]) -> u32 {
    let (mut a, mut b) = (1u32, 0u32);
    for byte in data {
        a = (a + u32::from(*byte)) % 65_521;
        b = (b + a) % 65_521;
    }
    (b << 16) | a
}

/// One path of black squares on a white one; a run of dark modules is one rectangle.
fn svg(modules: &Modules) -> Zeroizing<String> {
    let side = modules.side();
    // A run takes at most 24 bytes, and every second module can begin one.
    let mut out = Zeroizing::new(String::with_capacity(512 + side * side * 12));
    let pixels = side * MODULE;
    // Writing to a String cannot fail.
    let _ = write!(
        out,
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n\
         <svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{pixels}\" height=\"{pixels}\" \
         viewBox=\"0 0 {side} {side}\" shape-rendering=\"crispEdges\">\n\
         <rect width=\"{side}\" height=\"{side}\" fill=\"#ffffff\"/>\n<path fill=\"#000000\" d=\""
    );
    for line in 0..side {
        let mut column = 0;
        while column < side {
            let run = (column..side)
                .take_while(|column| modules.is_dark(*column, line))
                .count();
            if run > 0 {
                let _ = write!(out, "M{column} {line}h{run}v1h-{run}z");
            }
            column += run + 1;
        }
    }
    out.push_str("\"/>\n</svg>\n");
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scratch::Scratch;

    const URI: &str = "otpauth://totp/example.org:alice?secret=JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP";

    #[test]
    fn checksums_are_those_of_the_standards() {
        // The check values of the algorithms in the catalogue of CRCs and in RFC 1950's example.
        assert_eq!(crc32(&[b"12345", b"6789"]), 0xcbf4_3926);
        assert_eq!(adler32(b"Wikipedia"), 0x11e6_0398);
    }

    #[test]
    fn long_data_is_cut_into_blocks() {
        let data = vec![7; BLOCK + 3];
        let out = stored(&data);
        assert_eq!(out.len(), 2 + 5 + BLOCK + 5 + 3 + 4);
        assert_eq!(out[2..7], [0, 0xff, 0xff, 0, 0]);
        assert_eq!(out[7 + BLOCK..7 + BLOCK + 5], [1, 3, 0, 0xfc, 0xff]);
    }

    #[test]
    fn the_picture_is_as_large_as_its_header_says() {
        let modules = Modules::of(URI).unwrap();
        let file = png(&modules);
        let side = u32::try_from(modules.side() * MODULE)
            .unwrap()
            .to_be_bytes();
        assert_eq!(file[..8], *b"\x89PNG\r\n\x1a\n");
        assert_eq!(file[16..24], [side, side].concat());
        assert_eq!(file[24..29], [1, 0, 0, 0, 0]);
    }

    #[test]
    fn the_drawing_covers_every_dark_module_once() {
        let modules = Modules::of(URI).unwrap();
        let drawing = svg(&modules);
        let path = drawing.split_once("d=\"").unwrap().1;
        let mut found = Vec::new();
        for run in path.split_once('"').unwrap().0.split('M').skip(1) {
            let (place, rest) = run.split_once('h').unwrap();
            let (x, y) = place.split_once(' ').unwrap();
            let length: usize = rest.split_once('v').unwrap().0.parse().unwrap();
            let (x, y): (usize, usize) = (x.parse().unwrap(), y.parse().unwrap());
            found.extend((x..x + length).map(|x| (x, y)));
        }
        let side = modules.side();
        let all = (0..side).flat_map(|y| (0..side).map(move |x| (x, y)));
        let dark: Vec<_> = all.filter(|(x, y)| modules.is_dark(*x, *y)).collect();
        assert_eq!(found, dark);
    }

    #[test]
    fn buffers_with_a_secret_never_grow() {
        let modules = Modules::of(&format!("{URI}{}", "x".repeat(2000))).unwrap();
        let file = png(&modules);
        assert!(file.len() > BLOCK && file.capacity() < file.len() + 4096);
        let drawing = svg(&modules);
        assert!(drawing.capacity() == 512 + modules.side() * modules.side() * 12);
    }

    #[test]
    fn nothing_is_left_when_the_second_file_cannot_be_made() {
        let directory = Scratch::new();
        let options = QrFileOptions {
            png: Some(directory.join("code.png")),
            svg: Some(directory.join("missing/code.svg")),
        };
        assert!(QrFiles::write(&options, URI).is_err());
        assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 0);
    }
}
