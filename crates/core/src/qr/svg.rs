//! A QR code as a drawing (SVG 1.1).

use std::fmt::Write as _;

use zeroize::Zeroizing;

use super::QrModules;

/// Pixels of a module, across and down.
pub const MODULE_PIXELS: usize = 8;

/// One path of black squares on a white one; a run of dark modules is one rectangle.
#[must_use]
pub fn svg(modules: &QrModules) -> Zeroizing<String> {
    let side = modules.side();
    let mut out = Zeroizing::new(String::new());
    let pixels = side * MODULE_PIXELS;
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

    const URI: &str = "otpauth://totp/example.org:alice?secret=JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP";

    #[test]
    fn the_drawing_covers_every_dark_module_once() {
        let modules = QrModules::of(URI).unwrap();
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
}
