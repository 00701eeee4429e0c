//! A fleet: the state of a user in one etcd that many hosts share, so that a code works once on all of them.
//!
//! [`shared_attempt`] decides, without I/O, what an attempt asks of the store next. [`etcd_gateway`] speaks to etcd. The values
//! in the store are sealed with [`fleet_key`], so that its owner can deny or roll back, but neither read nor forge.
#![forbid(unsafe_code)]
#![deny(clippy::missing_errors_doc)]

pub mod attempt_id;
pub mod certificate_facts;
pub mod deadline;
pub mod etcd_gateway;
pub mod etcd_gateway_fault;
pub mod etcd_gateway_message;
pub mod etcd_gateway_settings;
pub mod factor_commit;
mod factor_swap;
pub mod fleet_changes;
pub mod fleet_entry;
mod fleet_factor;
pub mod fleet_host;
pub mod fleet_key;
pub mod fleet_membership;
pub mod fleet_run;
pub mod fleet_view;
pub mod founding;
mod host_bypass;
pub mod host_entry;
pub mod host_error;
pub mod host_file;
pub mod host_handle;
pub mod host_heartbeat;
pub mod host_settings;
pub mod joining;
pub mod key_file;
pub mod key_rotation;
pub mod leaving;
pub mod member_certificate;
pub mod member_status;
pub mod membership_error;
pub mod mirror_marks;
pub mod outage_reason;
mod patient_read;
pub mod record_mark;
pub mod record_mirror;
pub mod relayed_factor;
pub mod reply_date;
mod request_fault;
mod restoration_values;
mod restored_states;
mod restored_users;
pub mod shared_attempt;
pub mod shared_record;
pub mod shared_state;
pub mod shared_state_merge;
pub mod store_key;
pub mod store_restoration;
pub mod store_values;
mod user_mirror;

#[cfg(test)]
mod tests;
