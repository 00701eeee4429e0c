//! Documents and program say the same: manual pages, README, what is promised and the tests that show it.
#![forbid(unsafe_code)]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    reason = "what fails in a test must fail it at once"
)]

mod architecture;
mod documents;
mod layers;
mod links;
mod manual;
mod mutants;
mod names;
mod page;
mod requirements;
mod test_names;
mod words;
