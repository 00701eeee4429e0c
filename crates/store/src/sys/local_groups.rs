//! The groups of the machine itself (group(5)), read once for very many look-ups.

use std::collections::{BTreeMap, BTreeSet};

use super::local_accounts::group_lines;
use super::membership::MembershipFacts;

/// The text of group(5) as tables.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct LocalGroups {
    ids: BTreeMap<String, Vec<u32>>,
    members: BTreeMap<String, BTreeSet<String>>,
    of_user: BTreeMap<String, Vec<u32>>,
}

impl LocalGroups {
    /// Reads the text. Lines that the C library does not understand are no groups.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        let mut groups = Self::default();
        for line in group_lines(text) {
            let (name, id) = (line.name.to_owned(), line.id);
            groups.ids.entry(name).or_default().push(id);
            for member in line.members() {
                let listed = groups.members.entry(line.name.to_owned()).or_default();
                listed.insert(member.to_owned());
                let of_user = groups.of_user.entry(member.to_owned()).or_default();
                of_user.push(id);
            }
        }
        groups
    }

    /// The numbers of the groups that list a user.
    pub fn of_user(&self, user: &str) -> &[u32] {
        self.of_user.get(user).map_or(&[], Vec::as_slice)
    }

    /// Adds what the text says of a group and of the names of one user, as
    /// [`add_membership`](super::local_accounts::add_membership).
    pub fn add_membership(&self, group: &str, users: &[&str], facts: &mut MembershipFacts) {
        facts
            .group_ids
            .extend(self.ids.get(group).into_iter().flatten());
        let members = self.members.get(group);
        for user in users {
            facts.is_listed |= members.is_some_and(|members| members.contains(*user));
            facts.user_groups.extend(self.of_user(user));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::local_accounts;

    #[test]
    fn the_table_says_what_the_text_says() {
        let text = "root:x:0:\nstaff:x:50:bob,alice\nsame:x:60:alias, carol ,\nbroken:x:y:alice\nshort:x:70\n\
                    staff:x:51:dave\nbob\n::8:x\ntwice:x:9:bob,bob\n";
        let table = LocalGroups::parse(text);
        for group in [
            "root", "staff", "same", "broken", "short", "", "twice", "none",
        ] {
            for users in [
                &["alice"][..],
                &["bob", "alias"],
                &["carol"],
                &["dave", ""],
                &["x"],
                &[],
            ] {
                let (mut by_text, mut by_table) =
                    (MembershipFacts::default(), MembershipFacts::default());
                local_accounts::add_membership(text, group, users, &mut by_text);
                table.add_membership(group, users, &mut by_table);
                for facts in [&mut by_text, &mut by_table] {
                    facts.user_groups.sort_unstable();
                    facts.user_groups.dedup();
                }
                assert_eq!(by_table, by_text, "{group} {users:?}");
            }
        }
    }
}
