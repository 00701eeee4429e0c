//! The product's page in Cockpit.

mod own_factor;
mod stage;
