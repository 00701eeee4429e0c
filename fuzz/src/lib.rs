//! The code that the fuzz targets share.
#![forbid(unsafe_code)]

pub mod import;
pub mod login;
pub mod machine;
pub mod people;
pub mod store;
