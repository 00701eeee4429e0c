//! The client of etcd: requests to its JSON gateway, values of several keys, and the facts of members and certificates.
//!
//! Imports [`sealed_values`](super::sealed_values) for names of keys alone: it carries values and opens none.

pub mod certificate_facts;
pub mod deadline;
pub mod etcd_gateway;
pub mod gateway_fault;
pub mod gateway_message;
pub mod gateway_settings;
pub mod member_status;
pub mod reply_date;
mod request_fault;
pub mod store_values;
