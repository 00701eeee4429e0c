//! The screen of a terminal as an SVG drawing.

use std::fmt::Write as _;

/// Size of a character cell, and of the border.
const WIDTH: usize = 9;
const HEIGHT: usize = 18;
const BORDER: usize = 12;

/// Draws the lines. Block characters become rectangles, so that no font puts gaps into a QR code.
pub fn draw(title: &str, text: &str) -> String {
    let lines: Vec<&str> = text.lines().map(str::trim_end).collect();
    let columns = lines.iter().map(|line| line.chars().count()).max();
    let width = columns.unwrap_or(0) * WIDTH + 2 * BORDER;
    let height = lines.len() * HEIGHT + 2 * BORDER;
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" width=\"{width}\" height=\"{height}\" \
         font-family=\"ui-monospace, DejaVu Sans Mono, Menlo, Consolas, monospace\" font-size=\"15\" fill=\"#e6edf3\">\n\
         <title>{title}</title>\n<rect width=\"{width}\" height=\"{height}\" rx=\"8\" fill=\"#0d1117\"/>\n"
    );
    for (number, line) in lines.iter().enumerate() {
        let top = BORDER + number * HEIGHT;
        let cells: Vec<char> = line.chars().collect();
        let mut column = 0;
        for run in cells.chunk_by(|one, other| block(*one) == block(*other)) {
            let left = BORDER + column * WIDTH;
            let length = run.len() * WIDTH;
            let run_text: String = run.iter().collect();
            if let Some((start, size)) = run.first().copied().and_then(block) {
                let y = top + start;
                let _ = writeln!(
                    svg,
                    "<rect x=\"{left}\" y=\"{y}\" width=\"{length}\" height=\"{size}\" shape-rendering=\"crispEdges\"/>"
                );
            } else if !run_text.trim().is_empty() {
                let base = top + HEIGHT - 4;
                let shown = escaped(&run_text);
                let _ = writeln!(
                    svg,
                    "<text x=\"{left}\" y=\"{base}\" textLength=\"{length}\" xml:space=\"preserve\">{shown}</text>"
                );
            }
            column += run.len();
        }
    }
    svg.push_str("</svg>\n");
    svg
}

/// Top and height of the filled part of a cell.
fn block(letter: char) -> Option<(usize, usize)> {
    match letter {
        '█' => Some((0, HEIGHT)),
        '▀' => Some((0, HEIGHT / 2)),
        '▄' => Some((HEIGHT / 2, HEIGHT / 2)),
        _ => None,
    }
}

fn escaped(text: &str) -> String {
    let text = text.replace('&', "&amp;");
    text.replace('<', "&lt;").replace('>', "&gt;")
}
