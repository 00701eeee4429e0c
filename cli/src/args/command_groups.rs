//! The groups of the subcommands in `twofactor --help` and in twofactor(8).

use clap::Command;
use unicode_width::UnicodeWidthStr as _;

/// Columns from which on two commands share a line.
const TWO_ABREAST: usize = 80;

/// Subcommands that serve one purpose.
#[derive(Clone, Copy, Debug)]
pub struct CommandGroup {
    /// The heading.
    pub name: &'static str,
    /// The names of the commands, each with a few words.
    pub commands: &'static [(&'static str, &'static str)],
}

/// All subcommands, each in one group.
pub const GROUPS: [CommandGroup; 6] = [
    CommandGroup {
        name: "Devices",
        commands: &[
            ("enroll", "add a device"),
            ("renew", "replace a secret"),
            ("show", "show devices"),
            ("unset", "remove devices"),
        ],
    },
    CommandGroup {
        name: "Users",
        commands: &[
            ("recovery-codes", "replace them"),
            ("bypass", "code for a login"),
            ("invite", "codes to enroll with"),
            ("unlock", "end a lock-out"),
            ("rename", "after usermod -l"),
            ("adopt", "with a new id"),
        ],
    },
    CommandGroup {
        name: "Policy",
        commands: &[
            ("setup", "set up services"),
            ("policy", "show or change it"),
            ("enable", "ask for codes"),
            ("disable", "ask no more"),
        ],
    },
    CommandGroup {
        name: "Diagnosis",
        commands: &[
            ("status", "switches and users"),
            ("doctor", "find problems"),
            ("verify", "try a code"),
            ("resync", "clock or counter"),
        ],
    },
    CommandGroup {
        name: "Migration",
        commands: &[
            ("import", "take devices over"),
            ("export", "write devices"),
            ("backup", "write all users"),
            ("restore", "from a backup"),
        ],
    },
    CommandGroup {
        name: "Other",
        commands: &[
            ("init", "mark the store"),
            ("fleet", "several hosts"),
            ("completions", "for a shell"),
        ],
    },
];

/// The template of clap for the general help, with the groups for a screen of so many columns.
pub fn template(cli: &Command, columns: usize) -> String {
    let style = cli.get_styles().get_header();
    let heading = |name: &str| format!("{style}{name}{style:#}");
    format!(
        "{{about-with-newline}}{{usage-heading}} {{usage}}\n\n{}\n{{options}}",
        listing(columns, heading)
    )
}

/// The groups with their commands. `heading` decorates a heading and adds no columns.
fn listing(columns: usize, heading: impl Fn(&str) -> String) -> String {
    let label = widest(GROUPS.iter().map(|group| group.name)) + 2;
    let abreast = if columns < TWO_ABREAST { 1 } else { 2 };
    let cells = |side: usize| {
        let rows = GROUPS
            .iter()
            .flat_map(move |group| group.commands.chunks(abreast));
        rows.filter_map(move |row| row.get(side))
    };
    let names = [0, 1].map(|side| widest(cells(side).map(|cell| cell.0)) + 2);
    let texts = [0, 1].map(|side| widest(cells(side).map(|cell| cell.1)) + 2);
    let mut out = String::new();
    for group in GROUPS {
        let gap = label.saturating_sub(group.name.width());
        if abreast == 1 {
            out.push_str(&format!("{}\n", heading(group.name)));
        }
        for (number, row) in group.commands.chunks(abreast).enumerate() {
            let mut line = match (abreast, number) {
                (1, _) => "  ".to_owned(),
                (_, 0) => heading(group.name) + &" ".repeat(gap),
                _ => " ".repeat(label),
            };
            for (((name, text), wide), room) in row.iter().zip(names).zip(texts) {
                line.push_str(&format!("{name:wide$}{text:room$}"));
            }
            out.push_str(line.trim_end());
            out.push('\n');
        }
    }
    out
}

fn widest<'t>(texts: impl Iterator<Item = &'t str>) -> usize {
    texts.map(|text| text.width()).max().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::args::CommandLine;
    use clap::CommandFactory as _;

    #[test]
    fn every_command_is_in_one_group() {
        let mut cli = CommandLine::command();
        cli.build();
        // `help` does what the option of that name does.
        let shown = cli.get_subcommands();
        let shown = shown.filter(|sub| !sub.is_hide_set() && sub.get_name() != "help");
        let mut names: Vec<&str> = shown.map(Command::get_name).collect();
        let grouped = GROUPS.iter().flat_map(|group| group.commands);
        let mut grouped: Vec<&str> = grouped.map(|(name, _)| *name).collect();
        names.sort_unstable();
        grouped.sort_unstable();
        assert_eq!(grouped, names);
    }

    #[test]
    fn the_groups_fit_on_narrow_screens() {
        for columns in [40, 80] {
            let text = listing(columns, str::to_owned);
            let longest = text.lines().map(str::len).max().unwrap();
            assert!(longest <= columns, "{columns}:\n{text}");
        }
        assert_eq!(listing(80, str::to_owned).lines().count(), 13);
    }
}
