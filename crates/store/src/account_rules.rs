//! The entries of `[[exempt]]` and `[[require]]` that concern an account: their users and groups, looked up on this machine.

mod account_listing;
mod known_groups;
mod known_requirements;
mod machine_listing;
mod requirement_index;
mod user_names;

pub use account_listing::UnansweredName;
pub use known_groups::{GroupFault, GroupMemberships, KnownGroups, UnusableGroup, unusable_groups};
