//! Test support: lets an integration test run the built module and command on real sshd, OpenSSH client, login, su,
//! sudo and libpam, in a private machine that vanishes with the test.
//!
//! ```no_run
//! use harness::{Machine, PASSWORD};
//!
//! let machine = Machine::new();
//! machine.add_user("alice");
//! machine.install_stack("sshd");
//! let sshd = machine.sshd("");
//! let session = sshd.login("alice").answer(PASSWORD).answer("123456").run();
//! assert!(!session.is_in());
//! assert_eq!(session.prompts, ["Password: ", "Verification code: "]);
//! ```
#![deny(unsafe_code)]

pub mod artefacts;
mod booted;
mod browser;
mod clock;
mod cockpit;
mod cockpit_page;
pub mod desk;
mod dialogue_process;
pub mod effective_user;
pub mod enrolled;
pub mod etcd;
mod exec;
pub mod fault;
pub mod freezer;
pub mod killed_server;
mod layout;
mod log;
pub mod logins;
mod machine;
mod names;
pub mod otp;
pub mod pam;
pub mod pam_application;
pub mod patient;
mod ptrace;
mod pty;
pub mod screen;
pub mod snapshot;
mod ssh;
mod sshd;
pub mod steps;
pub mod suggested;
mod sys;
mod time_limit;
pub mod twofactord;
mod users;

pub use artefacts::{command, module, workspace};
pub use booted::BootedSystem;
pub use browser::Browser;
pub use cockpit::{Cockpit, LoginPage, Page};
pub use cockpit_page::{CockpitPage, CockpitRole};
pub use dialogue_process::{DEVICE_EVENT, DialogueProcess};
pub use exec::{Program, Run, Running};
pub use log::SyslogLine;
pub use machine::{HOST_NAME, Machine};
pub use names::NameService;
pub use otp::{Totp, hotp, oathtool};
pub use pty::{Ended, Pty};
pub use ssh::{Session, SshAnswer, SshLogin};
pub use sshd::Sshd;
pub use users::PASSWORD;
