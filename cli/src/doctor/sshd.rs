//! The things that doctor knows of sshd: which users it asks for a code, and what keeps it from that.
//!
//! `program` asks sshd for its settings, `settings` holds those of one user and finds faults in them, `use_dns` those that
//! concern the policy's addresses. `user_settings` has the settings of all users, of which `match_lines` finds those that are
//! alike. `dialogue` is what sshd's PAM file asks, as far as settings depend on it.

mod dialogue;
mod match_lines;
mod program;
mod settings;
mod use_dns;
mod user_settings;

pub use dialogue::SshdDialogue;
pub use program::SshdProgram;
pub use settings::{DIALOGUE, KEY, PASSWORD, SSHD, SshdSettings};
pub use user_settings::{SshdUserSettings, UNREADABLE, silence_cure};
