//! The membership of a user in a group, from the answers of several sources.

/// The known facts of a group and of the names of one user, each from any source.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct MembershipFacts {
    /// Numbers of the group.
    pub group_ids: Vec<u32>,
    /// Numbers of the groups that the user is in.
    pub user_groups: Vec<u32>,
    /// True if a list of the group's members has the user.
    pub is_listed: bool,
}

/// The sources' answer about a group itself.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct GroupList {
    /// Numbers of the group.
    pub ids: Vec<u32>,
    /// The names that are listed as its members, in the order of the sources. Users whose primary group it is need not be there.
    pub members: Vec<String>,
}

impl MembershipFacts {
    /// True if they show that the user is in the group.
    #[must_use]
    pub fn prove(&self) -> bool {
        self.is_listed
            || self
                .group_ids
                .iter()
                .any(|id| self.user_groups.contains(id))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_or_a_common_number_is_proof() {
        let facts = |groups: &[u32], of_user: &[u32], is_listed| MembershipFacts {
            group_ids: groups.to_vec(),
            user_groups: of_user.to_vec(),
            is_listed,
        };
        assert!(!MembershipFacts::default().prove());
        assert!(facts(&[], &[], true).prove());
        assert!(facts(&[1, 2], &[3, 2], false).prove());
        assert!(!facts(&[1, 2], &[3, 4], false).prove());
    }
}
