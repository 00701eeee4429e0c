//! A QR code drawn with characters, readable by phones on dark and on light terminals.

mod svg;

use qrcode::types::{Color, QrError};
use qrcode::{EcLevel, QrCode};
use zeroize::Zeroizing;

pub use svg::{MODULE_PIXELS, svg};

/// Light modules around the symbol (ISO/IEC 18004 section 9.1).
const QUIET_ZONE: usize = 4;
/// Quiet zones that phones still read, where columns or lines are scarce.
const QUIET_ZONES: [usize; 3] = [QUIET_ZONE, 2, 1];

/// The characters a code is drawn with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum QrGlyphs {
    /// Half blocks: one column and half a line per module.
    Utf8,
    /// Spaces and `@`: two columns and one line per module.
    Ascii,
}

/// Use of escape sequences.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum QrInk {
    /// Black on white is set explicitly, so that the terminal's own colours do not matter.
    Ansi,
    /// No escape sequences: what is light in the code is lit, as on a dark terminal.
    Plain,
    /// No escape sequences: what is dark in the code is drawn, as on a light terminal.
    PlainOnLight,
}

/// Reason why no code was drawn.
#[derive(Debug, PartialEq, Eq)]
pub enum UndrawnQr {
    /// The code needs more columns than there are.
    TooNarrow {
        /// Columns needed.
        needed: usize,
    },
    /// The text is longer than any QR code holds.
    TooLong,
}

/// Draws `text` with characters in at most `columns` columns. Each line ends with a newline. The drawing is as secret as the text.
///
/// # Errors
/// [`UndrawnQr`] when it does not fit.
pub fn draw(
    text: &str,
    glyphs: QrGlyphs,
    ink: QrInk,
    columns: usize,
) -> Result<Zeroizing<String>, UndrawnQr> {
    draw_in(text, glyphs, ink, columns, usize::MAX)
}

/// [`draw`] in at most `lines` lines where a smaller quiet zone makes that possible; otherwise it has more lines.
///
/// # Errors
/// [`UndrawnQr`] when it does not fit the columns.
pub fn draw_in(
    text: &str,
    glyphs: QrGlyphs,
    ink: QrInk,
    columns: usize,
    lines: usize,
) -> Result<Zeroizing<String>, UndrawnQr> {
    let code = encode(text).map_err(|_| UndrawnQr::TooLong)?;
    let side = |quiet: usize| code.width() + 2 * quiet;
    let (per_module, height): (usize, fn(usize) -> usize) = match glyphs {
        QrGlyphs::Utf8 => (1, |side| side.div_ceil(2)),
        QrGlyphs::Ascii => (2, |side| side),
    };
    let wide = |quiet: &usize| side(*quiet) * per_module <= columns;
    let high = |quiet: &usize| height(side(*quiet)) <= lines;
    let mut fitting = QUIET_ZONES.into_iter().filter(wide);
    // If no zone fits the lines, the widest does no harm: the terminal scrolls in any case.
    let Some(quiet) = fitting.clone().find(high).or_else(|| fitting.next()) else {
        return Err(UndrawnQr::TooNarrow {
            needed: side(1) * per_module,
        });
    };
    let modules = QrModules::new(&code, quiet);
    let mut out = Zeroizing::new(String::new());
    match glyphs {
        QrGlyphs::Utf8 => half_blocks(&modules, ink, &mut out),
        QrGlyphs::Ascii => double_cells(&modules, ink, &mut out),
    }
    Ok(out)
}

/// Level M when it costs no larger symbol than L, which has fewer redundant bits and so needs the fewest columns.
fn encode(text: &str) -> Result<QrCode, QrError> {
    let low = QrCode::with_error_correction_level(text, EcLevel::L)?;
    match QrCode::with_error_correction_level(text, EcLevel::M) {
        Ok(medium) if medium.width() == low.width() => Ok(medium),
        _ => Ok(low),
    }
}

/// A symbol with its quiet zone; coordinates start in the zone's corner. As secret as its text.
pub struct QrModules {
    width: usize,
    dark: Zeroizing<Vec<bool>>,
    quiet: usize,
}

impl QrModules {
    /// The symbol of `text` with the quiet zone that ISO/IEC 18004 asks for: four modules.
    ///
    /// # Errors
    /// [`UndrawnQr::TooLong`].
    pub fn of(text: &str) -> Result<Self, UndrawnQr> {
        let code = encode(text).map_err(|_| UndrawnQr::TooLong)?;
        Ok(Self::new(&code, QUIET_ZONE))
    }

    fn new(code: &QrCode, quiet: usize) -> Self {
        let dark = code.to_colors().into_iter().map(|it| it == Color::Dark);
        Self {
            width: code.width(),
            dark: Zeroizing::new(dark.collect()),
            quiet,
        }
    }

    /// Modules to a line, and lines.
    #[must_use]
    pub const fn side(&self) -> usize {
        self.width + 2 * self.quiet
    }

    /// True if the module is dark; everything outside the symbol is light.
    #[must_use]
    pub fn is_dark(&self, column: usize, line: usize) -> bool {
        let (Some(x), Some(y)) = (column.checked_sub(self.quiet), line.checked_sub(self.quiet))
        else {
            return false;
        };
        x < self.width && self.dark.get(y * self.width + x) == Some(&true)
    }
}

/// Two lines of modules per line of text. With [`QrInk::Ansi`] the glyph's foreground is black, its background white;
/// plain output draws the light modules.
fn half_blocks(modules: &QrModules, ink: QrInk, out: &mut String) {
    for line in (0..modules.side()).step_by(2) {
        if ink == QrInk::Ansi {
            out.push_str("\x1b[30;47m");
        }
        for column in 0..modules.side() {
            let (upper, lower) = (
                modules.is_dark(column, line),
                modules.is_dark(column, line + 1),
            );
            // The symbol has an odd number of lines: the half line below the last one exists only to be light.
            let drawn = match ink {
                QrInk::Ansi | QrInk::PlainOnLight => (upper, lower),
                QrInk::Plain => (!upper, !lower),
            };
            out.push(match drawn {
                (true, true) => '█',
                (true, false) => '▀',
                (false, true) => '▄',
                (false, false) => ' ',
            });
        }
        end_line(ink, out);
    }
}

fn double_cells(modules: &QrModules, ink: QrInk, out: &mut String) {
    for line in 0..modules.side() {
        let mut before = None;
        for column in 0..modules.side() {
            let dark = modules.is_dark(column, line);
            match ink {
                QrInk::Ansi => {
                    if before != Some(dark) {
                        out.push_str(if dark { "\x1b[40m" } else { "\x1b[47m" });
                    }
                    out.push_str("  ");
                }
                QrInk::Plain => out.push_str(if dark { "  " } else { "@@" }),
                QrInk::PlainOnLight => out.push_str(if dark { "@@" } else { "  " }),
            }
            before = Some(dark);
        }
        end_line(ink, out);
    }
}

fn end_line(ink: QrInk, out: &mut String) {
    if ink == QrInk::Ansi {
        out.push_str("\x1b[0m");
    }
    out.push('\n');
}

#[cfg(test)]
mod tests {
    use super::*;

    const URI: &str = "otpauth://totp/example.org:alice?secret=JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP&issuer=example.org";

    /// The symbol that a drawing shows, as dark modules, read back from the characters.
    fn read_back(drawing: &str, glyphs: QrGlyphs, ink: QrInk) -> Vec<Vec<bool>> {
        let mut rows = Vec::new();
        for line in drawing.lines() {
            let mut cells = Vec::new();
            let (mut black, mut rest) = (false, line);
            while let Some(c) = rest.chars().next() {
                if let Some(after) = rest.strip_prefix("\x1b[") {
                    let (sequence, tail) = after.split_once('m').unwrap();
                    black = sequence == "40";
                    rest = tail;
                    continue;
                }
                cells.push(
                    if glyphs == QrGlyphs::Ascii && ink == QrInk::Ansi && black {
                        'B'
                    } else {
                        c
                    },
                );
                rest = &rest[c.len_utf8()..];
            }
            match (glyphs, ink) {
                (QrGlyphs::Utf8, _) => {
                    let set = ink != QrInk::Plain;
                    rows.push(
                        cells
                            .iter()
                            .map(|c| matches!(c, '█' | '▀') == set)
                            .collect(),
                    );
                    rows.push(
                        cells
                            .iter()
                            .map(|c| matches!(c, '█' | '▄') == set)
                            .collect(),
                    );
                }
                (QrGlyphs::Ascii, QrInk::Ansi) => {
                    rows.push(cells.chunks(2).map(|c| c == ['B', 'B']).collect())
                }
                (QrGlyphs::Ascii, QrInk::Plain | QrInk::PlainOnLight) => {
                    let dark = if ink == QrInk::Plain { ' ' } else { '@' };
                    rows.push(cells.chunks(2).map(|c| c == [dark, dark]).collect())
                }
            }
        }
        rows
    }

    #[test]
    fn every_style_draws_the_symbol_with_its_quiet_zone() {
        let expected = QrModules::of(URI).unwrap();
        for glyphs in [QrGlyphs::Utf8, QrGlyphs::Ascii] {
            for ink in [QrInk::Ansi, QrInk::Plain, QrInk::PlainOnLight] {
                let rows = read_back(&draw(URI, glyphs, ink, 200).unwrap(), glyphs, ink);
                for (line, row) in rows.iter().enumerate() {
                    assert_eq!(row.len(), expected.side());
                    for (column, dark) in row.iter().enumerate() {
                        assert_eq!(
                            *dark,
                            expected.is_dark(column, line),
                            "{glyphs:?} {ink:?} {column},{line}"
                        );
                    }
                }
                assert!(rows.len() >= expected.side());
            }
        }
    }

    #[test]
    fn a_common_uri_fits_eighty_columns() {
        for glyphs in [QrGlyphs::Utf8, QrGlyphs::Ascii] {
            let longest = draw(URI, glyphs, QrInk::Plain, 80)
                .map(|d| d.lines().map(|l| l.chars().count()).max());
            assert!(matches!(longest, Ok(Some(40..=80))), "{glyphs:?}");
        }
    }

    #[test]
    fn the_quiet_zone_shrinks_before_the_code_is_given_up() {
        let width = encode(URI).unwrap().width();
        assert!(draw(URI, QrGlyphs::Utf8, QrInk::Plain, width + 2).is_ok());
        assert_eq!(
            draw(URI, QrGlyphs::Utf8, QrInk::Plain, width + 1).unwrap_err(),
            UndrawnQr::TooNarrow { needed: width + 2 }
        );
    }

    #[test]
    fn the_quiet_zone_shrinks_for_lines_too() {
        let width = encode(URI).unwrap().width();
        let lines = |room| {
            let drawing = draw_in(URI, QrGlyphs::Utf8, QrInk::Plain, 80, room).unwrap();
            drawing.lines().count()
        };
        let high = |quiet: usize| (width + 2 * quiet).div_ceil(2);
        assert_eq!(lines(100), high(4));
        assert_eq!(lines(high(4) - 1), high(2));
        assert_eq!(lines(high(2) - 1), high(1));
        assert_eq!(lines(high(1) - 1), high(4), "it fits in no case");
    }

    #[test]
    fn plain_output_has_no_escape_sequences() {
        for glyphs in [QrGlyphs::Utf8, QrGlyphs::Ascii] {
            for ink in [QrInk::Plain, QrInk::PlainOnLight] {
                assert!(!draw(URI, glyphs, ink, 200).unwrap().contains('\x1b'));
            }
        }
    }

    #[test]
    fn ascii_output_is_ascii() {
        assert!(
            draw(URI, QrGlyphs::Ascii, QrInk::Ansi, 200)
                .unwrap()
                .is_ascii()
        );
    }

    #[test]
    fn a_text_no_code_can_hold_is_refused() {
        assert_eq!(
            draw(&"x".repeat(4000), QrGlyphs::Utf8, QrInk::Plain, 1000).unwrap_err(),
            UndrawnQr::TooLong
        );
    }
}
