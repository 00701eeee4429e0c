//! The picture for the README: bars for a login, lines for growth, bars for many at once.

use std::fmt::Write as _;

use serde_json::Value;

use crate::numbers::number;
use crate::table::grouped;

const WIDTH: f64 = 960.0;
const HEIGHT: f64 = 300.0;
const PANEL: f64 = 300.0;
const OURS: &str = "#1a7f37";
const OTHERS: &str = "#8c959f";

/// Draws the figures as SVG 1.1, without scripts and without fonts of its own.
pub fn draw(figures: &Value) -> String {
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" width=\"{WIDTH}\" height=\"{HEIGHT}\" \
         font-family=\"sans-serif\" font-size=\"12\" fill=\"#24292f\">\n\
         <title>pam_twofactor beside google-authenticator and pam_oath</title>\n\
         <rect width=\"{WIDTH}\" height=\"{HEIGHT}\" fill=\"#ffffff\"/>\n"
    );
    let median = |group: &Value, service: &str| number(group, &[service, "median"]);
    let right = &figures["kept"]["right"]["wall"];
    let bars = [
        ("pam_twofactor", median(right, "twofactor"), OURS),
        ("google-authenticator", median(right, "google"), OTHERS),
        ("pam_oath", median(right, "oath"), OTHERS),
        (
            "4 KiB written and flushed",
            median(right, "write"),
            "#d0d7de",
        ),
    ];
    panel(&mut svg, 16.0, "A right code, microseconds", &bars);
    curve(&mut svg, 336.0, figures);
    let crowds = figures["crowds"].as_object().unwrap();
    let (size, crowd) = crowds
        .iter()
        .max_by_key(|(size, _)| size.parse::<u32>().ok())
        .unwrap();
    let rate = |peer: &str| number(crowd, &[peer, "accepted"]) / number(crowd, &[peer, "seconds"]);
    let bars = [
        ("pam_twofactor", rate("twofactor"), OURS),
        ("google-authenticator", rate("google"), OTHERS),
        ("pam_oath", rate("oath"), OTHERS),
    ];
    panel(
        &mut svg,
        656.0,
        &format!("Logins per second, {size} processes"),
        &bars,
    );
    svg.push_str("</svg>\n");
    svg
}

/// Horizontal bars from zero, each with its name and its number.
fn panel(svg: &mut String, left: f64, title: &str, bars: &[(&str, f64, &str)]) {
    heading(svg, left, title);
    let most = bars.iter().map(|bar| bar.1).fold(1.0, f64::max);
    for (position, (name, value, colour)) in bars.iter().enumerate() {
        let top = 52.0 + 58.0 * position as f64;
        let width = (value / most * (PANEL - 70.0)).max(1.0);
        text(svg, left, top + 12.0, name);
        writeln!(
            svg,
            "<rect x=\"{left}\" y=\"{}\" width=\"{width:.1}\" height=\"22\" fill=\"{colour}\"/>",
            top + 18.0
        )
        .unwrap();
        text(
            svg,
            left + width + 6.0,
            top + 34.0,
            &grouped(value.round() as u64),
        );
    }
}

/// Time against how many are enrolled, both logarithmic.
fn curve(svg: &mut String, left: f64, figures: &Value) {
    heading(svg, left, "A right code by enrolled users, microseconds");
    let counts: Vec<u64> = figures["users"]
        .as_array()
        .unwrap()
        .iter()
        .map(|count| count.as_u64().unwrap())
        .collect();
    let points = |service: &str| -> Vec<(u64, f64)> {
        let at = |count: &u64| {
            Some((
                *count,
                figures["growth"][format!("{service}_{count}")]["median"].as_f64()?,
            ))
        };
        counts.iter().filter_map(at).collect()
    };
    let lines = [
        ("pam_twofactor", points("twofactor"), OURS),
        ("pam_oath", points("oath"), OTHERS),
    ];
    let values = lines
        .iter()
        .flat_map(|line| &line.1)
        .map(|point| point.1.log10());
    let (low, high) = values.fold((f64::MAX, 0.0_f64), |(low, high), value| {
        (low.min(value), high.max(value))
    });
    let (low, high) = (low.floor(), high.ceil());
    let most = (*counts.last().unwrap() as f64).log10().max(1.0);
    let x = |count: u64| left + 66.0 + (count as f64).log10() / most * (PANEL - 104.0);
    let y = |value: f64| 250.0 - (value.log10() - low) / (high - low).max(1.0) * 190.0;
    for power in low as i32..=high as i32 {
        let (value, right) = (10f64.powi(power), left + PANEL - 30.0);
        let height = y(value);
        writeln!(
            svg,
            "<path d=\"M{:.1} {height:.1}H{right:.1}\" stroke=\"#d0d7de\"/>",
            left + 66.0
        )
        .unwrap();
        text(svg, left, height + 4.0, &grouped(value as u64));
    }
    // From the right, as many as have room.
    let mut free = f64::MAX;
    for count in counts.iter().rev().filter(|count| {
        let has_room = x(**count) < free - 62.0;
        if has_room {
            free = x(**count);
        }
        has_room
    }) {
        let (middle, number) = (x(*count), grouped(*count));
        writeln!(
            svg,
            "<text x=\"{middle:.1}\" y=\"270\" text-anchor=\"middle\">{number}</text>"
        )
        .unwrap();
    }
    for (name, points, colour) in lines {
        let path: Vec<String> = points
            .iter()
            .map(|(count, value)| format!("{:.1} {:.1}", x(*count), y(*value)))
            .collect();
        writeln!(
            svg,
            "<path d=\"M{}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"3\"/>",
            path.join("L")
        )
        .unwrap();
        if let Some((count, value)) = points.last() {
            let below = if colour == OURS { 18.0 } else { -8.0 };
            let (right, height) = (x(*count), y(*value) + below);
            writeln!(
                svg,
                "<text x=\"{right:.1}\" y=\"{height:.1}\" text-anchor=\"end\">{name}</text>"
            )
            .unwrap();
        }
    }
}

fn heading(svg: &mut String, left: f64, title: &str) {
    writeln!(
        svg,
        "<text x=\"{left}\" y=\"28\" font-weight=\"bold\">{title}</text>"
    )
    .unwrap();
}

fn text(svg: &mut String, x: f64, y: f64, what: &str) {
    writeln!(svg, "<text x=\"{x:.1}\" y=\"{y:.1}\">{what}</text>").unwrap();
}
