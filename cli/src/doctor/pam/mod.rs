//! Model of libpam: reading of the files in /etc/pam.d, and dispatch by the answers of the modules.
//!
//! It is pure: text in, decisions out. A test runs the same stacks through real libpam and compares.

mod config_line;
mod control;
mod stack;
mod stack_dispatch;
mod stack_handler;

pub use control::{ControlAction, ReturnCode};
pub use stack::read;
pub use stack_dispatch::{DispatchResult, dispatch};
pub use stack_handler::{
    ConfigError, ConfigFile, ConfigFiles, HandlerType, ModuleCall, ServiceStacks, StackHandler,
    StackOrigin,
};
