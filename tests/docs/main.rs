//! Documents and program say the same: manual pages, README, what is promised and the tests that show it.
#![forbid(unsafe_code)]
#![cfg(test)]
#![allow(
    clippy::disallowed_methods,
    reason = "a variable says that the translations are to be written anew"
)]

mod architecture;
mod documents;
mod layers;
mod links;
mod manual;
mod module_graph;
mod mutants;
mod names;
mod page;
mod requirements;
mod test_names;
mod test_programs;
mod words;
