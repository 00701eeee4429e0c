//! A manual page in mdoc(7): its sections, and the entries of their lists.

use super::text;

/// A heading with what follows it up to the next one.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Section {
    /// `.Sh` or `.Ss`.
    pub heading: String,
    /// The entries of its lists, also of lists within lists.
    pub items: Vec<Item>,
}

/// An entry of a list.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Item {
    /// The macros of its tag: `Fl -device Ar NAME`.
    pub tag: String,
    /// Its text, with spaces for line ends and without macros.
    pub body: String,
}

/// The sections of a page that is written by hand.
pub fn of_file(name: &str) -> Vec<Section> {
    sections(&text(&format!("docs/man/{name}")))
}

/// The sections of a page.
pub fn sections(page: &str) -> Vec<Section> {
    let mut found: Vec<Section> = Vec::new();
    let mut depth = 0;
    for line in page.lines().filter(|line| !line.starts_with(".\\\"")) {
        let line = plain(line);
        if line.starts_with(".Bl") || line == ".El" {
            depth += if line == ".El" { -1 } else { 1 };
            continue;
        }
        if let Some(heading) = line
            .strip_prefix(".Sh ")
            .or_else(|| line.strip_prefix(".Ss "))
        {
            found.push(Section {
                heading: heading.to_owned(),
                items: Vec::new(),
            });
            continue;
        }
        let Some(section) = found.last_mut() else {
            continue;
        };
        if let Some(tag) = line.strip_prefix(".It ") {
            section.items.push(Item {
                tag: tag.to_owned(),
                body: String::new(),
            });
        } else if let Some(item) = section.items.last_mut().filter(|_| depth > 0) {
            let words = match line.strip_prefix('.') {
                Some(request) => request.split_once(' ').map_or("", |(_, words)| words),
                None => &line,
            };
            if !words.is_empty() {
                item.body.push_str(words);
                item.body.push(' ');
            }
        }
    }
    found
}

/// A section of a page.
pub fn section<'a>(page: &'a [Section], heading: &str) -> &'a Section {
    let found = page.iter().find(|section| section.heading == heading);
    found.unwrap_or_else(|| panic!("no section {heading}"))
}

impl Section {
    /// Text that follows these words in the tags, in order of the page.
    pub fn tags(&self, start: &str) -> Vec<String> {
        let rest = |item: &Item| item.tag.strip_prefix(start).map(str::to_owned);
        self.items.iter().filter_map(rest).collect()
    }
}

/// A line without the escapes of roff.
pub fn plain(line: &str) -> String {
    let mut line = line.to_owned();
    for (escape, letter) in [
        ("\\&", ""),
        ("\\%", ""),
        ("\\-", "-"),
        ("\\(ga", "`"),
        ("\\(aq", "'"),
        ("\\(ti", "~"),
        ("\\(ha", "^"),
        ("\\e", "\\"),
    ] {
        line = line.replace(escape, letter);
    }
    line
}

#[test]
fn sections_and_items_are_read() {
    let page = ".\\\" x\n.Sh ONE\n.It Cm no\n.Sh TWO\ntext\n.Bl -tag\n.It Fl \\-a Ar B\nIt \\-\n.Ic does this .\n.El\nno\n";
    let page = sections(page);
    let two = section(&page, "TWO");
    assert_eq!(two.tags("Fl "), ["-a Ar B"]);
    assert_eq!(two.items[0].body, "It - does this . ");
    assert_eq!(page.len(), 2);
}
