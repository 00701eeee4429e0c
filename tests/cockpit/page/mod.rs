//! The product's page in Cockpit.

mod guidance;
mod keeping;
mod languages;
mod looks;
mod own_factor;
mod policy;
mod results;
mod stage;
mod states;
mod users;
