//! The sentences in which users are told of changes of their factor (devices, recovery codes).

use std::iter;

use twofactor_core::record::recent_changes::{
    ChangeChannel, ChangeOrigin, ChangeWord, RecentChange,
};
use twofactor_store::sys::local_time;

/// Most changes of which each has a sentence.
const MOST: usize = 3;
/// Columns of a line where the terminal is wider, or not known.
const COLUMNS: usize = 79;

/// The end of what is told.
const NOT_YOU: &str = "If that was not you, tell your administrator.";

/// The lines for these changes, which come with the newest last and are told with the newest first; nothing where there is none. `columns`
/// are those of the terminal.
pub fn lines(changes: &[RecentChange], columns: Option<usize>) -> Vec<String> {
    if changes.is_empty() {
        return Vec::new();
    }
    let chosen = chosen(changes);
    let more = match changes.len().saturating_sub(chosen.len()) {
        0 => None,
        1 => Some("One more change was made.".to_owned()),
        count => Some(format!("{count} more changes were made.")),
    };
    let told = chosen.into_iter().map(sentence);
    let columns = columns.map_or(COLUMNS, |columns| columns.clamp(1, COLUMNS));
    told.chain(more)
        .chain([NOT_YOU.to_owned()])
        .map(|line| folded(&line, columns))
        .collect()
}

/// The changes that are reported: the newest, and of the others first those that change devices. A stranger who has added a
/// device cannot hide that by making other changes after it.
fn chosen(changes: &[RecentChange]) -> Vec<&RecentChange> {
    let Some((newest, earlier)) = changes.split_last() else {
        return Vec::new();
    };
    let of_devices = earlier.iter().filter(|it| it.kind.changes_devices());
    let mut devices_left = of_devices.count().min(MOST - 1);
    let mut others_left = MOST - 1 - devices_left;
    let earlier = earlier.iter().rev().filter(|change| {
        let left = if change.kind.changes_devices() {
            &mut devices_left
        } else {
            &mut others_left
        };
        let is_chosen = *left > 0;
        *left = left.saturating_sub(1);
        is_chosen
    });
    iter::once(newest).chain(earlier).collect()
}

fn sentence(change: &RecentChange) -> String {
    let device = change.device.as_ref().map_or("", |device| device.as_str());
    let what = match change.kind {
        ChangeWord::DeviceAdded => format!("The device {device} was added"),
        ChangeWord::DeviceRenewed => format!("The device {device} got a new key"),
        ChangeWord::DeviceRemoved => format!("The device {device} was removed"),
        ChangeWord::RecoveryCodes => "New recovery codes were made".to_owned(),
        ChangeWord::BypassIssued => "A bypass code was issued".to_owned(),
        ChangeWord::BypassWithdrawn => "The bypass code was withdrawn".to_owned(),
        ChangeWord::Invited => "An enrollment code was issued".to_owned(),
        ChangeWord::Restored => "The devices were restored from a backup".to_owned(),
    };
    format!(
        "{what} on {}, {}.",
        moment(change.time),
        place(&change.origin)
    )
}

/// The minute that the clocks of this machine show.
fn moment(time: u64) -> String {
    local_time::minute(time).unwrap_or_else(|| "an unknown day".to_owned())
}

fn place(origin: &ChangeOrigin) -> String {
    let terminal = origin.terminal.as_ref();
    let what = match &origin.channel {
        ChangeChannel::Command => return "by an administrator".to_owned(),
        ChangeChannel::Daemon => "from a session".to_owned(),
        ChangeChannel::Login(service) => format!("at a login ({service})"),
    };
    let on = terminal.map(|terminal| format!(" on {terminal}"));
    let from = origin
        .address
        .as_ref()
        .map(|address| format!(" from {address}"));
    what + &on.unwrap_or_default() + &from.unwrap_or_default()
}

/// The text in lines of at most so many columns, broken between words. Names are plain ASCII, so each byte is a column.
fn folded(text: &str, columns: usize) -> String {
    let mut folded = String::new();
    let mut width = 0;
    for word in text.split(' ') {
        if width > 0 && width + 1 + word.len() > columns {
            folded.push('\n');
            width = 0;
        } else if width > 0 {
            folded.push(' ');
            width += 1;
        }
        folded.push_str(word);
        width += word.len();
    }
    folded
}

#[cfg(test)]
mod tests {
    use super::*;
    use twofactor_core::record::recent_changes::OriginName;

    fn change(kind: ChangeWord, channel: ChangeChannel) -> RecentChange {
        RecentChange {
            time: 1_796_000_000,
            kind,
            device: "phone".parse().ok(),
            origin: ChangeOrigin {
                channel,
                uid: 1000,
                terminal: OriginName::of(b"tty2"),
                address: None,
            },
        }
    }

    fn at_login() -> ChangeChannel {
        ChangeChannel::Login(OriginName::of(b"sshd").unwrap())
    }

    #[test]
    fn a_change_is_told_with_time_and_place() {
        let when = moment(1_796_000_000);
        assert_eq!(when.len(), "2026-11-29 10:12".len());
        let added = change(ChangeWord::DeviceAdded, ChangeChannel::Daemon);
        assert_eq!(
            lines(&[added], None),
            [
                &format!("The device phone was added on {when}, from a session on tty2."),
                NOT_YOU
            ]
        );
        let mut by_ssh = change(ChangeWord::RecoveryCodes, at_login());
        by_ssh.origin.terminal = None;
        by_ssh.origin.address = OriginName::of(b"192.0.2.1");
        let told = format!("New recovery codes were made on {when}, at a login (sshd) from");
        assert_eq!(lines(&[by_ssh], None)[0], told + "\n192.0.2.1.");
        let by_root = change(ChangeWord::BypassIssued, ChangeChannel::Command);
        let told = format!("A bypass code was issued on {when}, by an administrator.");
        assert_eq!(lines(&[by_root], None)[0], told);
    }

    #[test]
    fn three_changes_have_a_sentence_each() {
        let renewed = change(ChangeWord::DeviceRenewed, ChangeChannel::Daemon);
        let told = |count| lines(&vec![renewed.clone(); count], None);
        assert_eq!(told(0), [""; 0]);
        assert_eq!(told(3).len(), 4);
        assert_eq!(told(4)[3], "One more change was made.");
        assert_eq!(told(8)[3], "5 more changes were made.");
        assert_eq!(told(8).len(), 5);
    }

    #[test]
    fn the_newest_change_and_device_changes_are_worded() {
        let of = |kind| change(kind, ChangeChannel::Daemon);
        let mut changes = vec![of(ChangeWord::DeviceAdded), of(ChangeWord::DeviceRemoved)];
        for _ in 0..4 {
            changes.push(of(ChangeWord::RecoveryCodes));
        }
        let told = lines(&changes, None);
        let starts = [
            "New recovery codes were made on ",
            "The device phone was removed on ",
            "The device phone was added on ",
            "3 more changes were made.",
            NOT_YOU,
        ];
        assert_eq!(told.len(), starts.len());
        for (line, start) in told.iter().zip(starts) {
            assert!(line.starts_with(start), "{line}");
        }
    }

    #[test]
    fn new_recovery_codes_after_devices_are_told_first() {
        let of = |kind| change(kind, ChangeChannel::Daemon);
        let devices = vec![of(ChangeWord::DeviceAdded); 3];
        let told = lines(
            &[devices, vec![of(ChangeWord::RecoveryCodes)]].concat(),
            None,
        );
        assert!(told[0].starts_with("New recovery codes were made on "));
        assert!(told[2].starts_with("The device phone was added on "));
        assert_eq!(told[3], "One more change was made.");
    }

    #[test]
    fn every_sentence_fits_the_terminal() {
        for kind in ChangeWord::ALL {
            for channel in [ChangeChannel::Daemon, ChangeChannel::Command, at_login()] {
                let mut change = change(*kind, channel);
                change.device = "d".repeat(32).parse().ok();
                change.origin.address = OriginName::of(b"2001:db8:0:1:2:3:4:5");
                for columns in [40, 80] {
                    let told = lines(std::slice::from_ref(&change), Some(columns));
                    let mut lines = told.iter().flat_map(|told| told.lines());
                    assert!(lines.all(|line| line.len() <= columns), "{told:?}");
                }
            }
        }
    }
}
