//! Return codes, questions and texts of the module through real libpam: one exact code for each row of the policy, each
//! phase, each argument and each kind of answer.

mod absence;
mod arguments;
mod conversation;
mod exempt;
mod first_pass;
mod grace;
mod groups;
mod hidden_names;
mod phases;
mod require;
mod require_sources;
mod stand_in;
mod throttle;
mod tries;
mod uncounted;
mod uniform;
mod who;
