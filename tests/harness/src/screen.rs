//! A terminal's screen as a picture, as a phone's camera would see it, and what zbarimg reads from it.

use std::path::Path;

use crate::Machine;

/// Columns of the terminals on which every dialogue is readable; they have 24 lines.
pub const COLUMNS: [u16; 2] = [80, 40];

/// Checks that the terminal breaks no line within a word.
///
/// Lines that are too long have no place to be broken: they are one word, or begin with one of `whole`, a command.
///
/// # Panics
/// When a line is longer and has such a place.
pub fn assert_fits(text: &str, columns: u16, whole: &[&str]) {
    let columns = usize::from(columns);
    for line in text.lines().filter(|line| line.chars().count() > columns) {
        let line = line.trim();
        let is_one_piece = !line.contains(' ') || whole.iter().any(|start| line.starts_with(start));
        assert!(is_one_piece, "{columns}: {line:?} in\n{text}");
    }
}

/// Content of the terminal where no colour is set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Background {
    /// Light letters on black.
    Dark,
    /// Black letters on white.
    Light,
}

/// Pixels of a character cell. Fonts of terminals are twice as high as wide.
const WIDTH: usize = 8;
const HEIGHT: usize = 16;
/// Colours of SGR 30/40 and 37/47, which is a light grey in most terminals, and of the default colours.
const BLACK: u8 = 0;
const GREY: u8 = 192;
const WHITE: u8 = 255;

/// Everything that zbarimg reads from a screen with this text.
pub fn scan(machine: &Machine, text: &str, background: Background) -> Vec<String> {
    let picture = machine.scratch().join("screen.pgm");
    machine.write_file(&picture, draw(text, background), 0o644);
    read(machine, &picture)
}

/// [`scan`] by a camera that does not see the gaps within and between letters: as far away as is needed where dark modules
/// are letters on a light screen.
pub fn scan_blurred(machine: &Machine, text: &str, background: Background) -> Vec<String> {
    let picture = machine.scratch().join("screen.pgm");
    machine.write_file(&picture, draw(text, background), 0o644);
    let blurred = picture.with_extension("png");
    let convert = machine.program("convert").arg(&picture);
    convert.args(&["-blur", "0x6"]).arg(&blurred).run().ok();
    read(machine, &blurred)
}

/// Everything that zbarimg reads from a picture.
pub fn read(machine: &Machine, picture: &Path) -> Vec<String> {
    let run = machine
        .program("zbarimg")
        .args(&["--raw", "--quiet", "-Sdisable", "-Sqrcode.enable"])
        .arg(picture)
        .run();
    // 4: there is no code in it.
    assert!(matches!(run.code, Some(0 | 4)), "{run:?}");
    run.stdout.lines().map(str::to_owned).collect()
}

/// The picture in the format PGM.
fn draw(text: &str, background: Background) -> Vec<u8> {
    let (paper, pen) = match background {
        Background::Dark => (BLACK, WHITE),
        Background::Light => (WHITE, BLACK),
    };
    let lines: Vec<&str> = text.lines().collect();
    let columns = lines.iter().map(|line| line.chars().count()).max().unwrap();
    let (width, height) = (columns * WIDTH, lines.len() * HEIGHT);
    let mut pixels = vec![paper; width * height];
    let (mut front, mut back) = (pen, paper);
    for (row, line) in lines.iter().enumerate() {
        let (mut column, mut rest) = (0, *line);
        while let Some(letter) = rest.chars().next() {
            if let Some(sequence) = rest.strip_prefix("\x1b[") {
                let (parameters, after) = sequence
                    .split_once('m')
                    .expect("a sequence that sets colours");
                for parameter in parameters.split(';') {
                    match parameter {
                        "0" => (front, back) = (pen, paper),
                        "30" => front = BLACK,
                        "40" => back = BLACK,
                        "47" => back = GREY,
                        other => panic!("a colour that no test knows: {other}"),
                    }
                }
                rest = after;
                continue;
            }
            for y in 0..HEIGHT {
                for x in 0..WIDTH {
                    let ink = if is_inked(letter, x, y) { front } else { back };
                    pixels[(row * HEIGHT + y) * width + column * WIDTH + x] = ink;
                }
            }
            column += 1;
            rest = &rest[letter.len_utf8()..];
        }
    }
    let mut file = format!("P5\n{width} {height}\n255\n").into_bytes();
    file.extend(pixels);
    file
}

/// Block elements as Unicode draws them; for any other letter a smaller block with a gap around it.
fn is_inked(letter: char, x: usize, y: usize) -> bool {
    match letter {
        ' ' => false,
        '█' => true,
        '▀' => y < HEIGHT / 2,
        '▄' => y >= HEIGHT / 2,
        _ => (1..WIDTH - 1).contains(&x) && (3..HEIGHT - 3).contains(&y),
    }
}
