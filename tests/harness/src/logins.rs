//! Common parts of the login tests: a machine that is ready for logins, and the phones of its users.

use std::path::Path;

use crate::{Machine, Session, Totp};
use serde_json::Value;

/// Question of pam_unix.
pub const ASK_PASSWORD: &str = "Password: ";
/// Question of the module.
pub const ASK_CODE: &str = "Verification code: ";
/// Question after a login with a recovery code.
pub const ASK_NEW_DEVICE: &str = "Set up a new device now? Type yes, or press Enter to skip: ";
/// Question where few recovery codes are left.
pub const ASK_NEW_CODES: &str =
    "Make ten new ones? The old ones stop working then. Type yes, or press Enter: ";
/// Question after a wrong code, as the OpenSSH client shows it.
pub const ASK_AGAIN: &str = "Wrong code. (No phone? Type a recovery code.)\nVerification code: ";

/// End of the question in which sshd tells why it refuses.
pub const GO_ON: &str = "Press Enter to go on: ";

/// The question in which sshd tells why it refuses.
pub fn told(why: &str) -> String {
    format!("\n{why}\n{GO_ON}")
}

/// The question after the last of several wrong codes.
pub fn last_try() -> String {
    told(
        "Wrong code. (No phone? Type a recovery code.)\n\
         That was the last try of this login. To try again, log in again.",
    )
}

/// A device of a user, as `twofactor enroll` gave it out.
pub struct Phone {
    /// The parameters from which the device computes its codes.
    pub totp: Totp,
    /// The user's recovery codes, if this was the first device.
    pub recovery: Vec<String>,
    /// The whole report.
    pub report: Value,
}

impl Phone {
    /// The code that it shows now; enough of the step is left for one login.
    pub fn code(&self) -> String {
        self.code_after(0)
    }

    /// The code that it shows some steps from now; enough of the step is left for one login.
    pub fn code_after(&self, steps: i64) -> String {
        self.totp.settle(self.totp.interval.min(10) / 2);
        self.totp.code_after(steps)
    }

    /// A code that it does not show for a long time.
    pub fn wrong_code(&self) -> String {
        self.totp.wrong_code()
    }
}

/// A machine on which the policy is on for every service and each stack of `pam.d` is in use. Failures are not
/// delayed.
pub fn machine() -> Machine {
    let machine = Machine::new();
    let common = machine.read("/etc/pam.d/common-auth");
    let quick = common.replace("pam_unix.so", "pam_unix.so nodelay");
    machine.stack("common-auth", &quick);
    for stack in ["sshd", "login", "su", "sudo", "sudo-i"] {
        machine.install_stack(stack);
    }
    policy(&machine, "", "");
    crate::enrolled::initialize(Path::new(twofactor_core::STATE_DIR));
    machine.set_password("root");
    machine
}

/// Writes a policy that is on, with more keys and more tables.
pub fn policy(machine: &Machine, keys: &str, tables: &str) {
    machine.policy(&format!(
        "enabled = true\n{keys}\n[services]\nsshd = true\n[throttle]\ndelay = 0\n{tables}\n"
    ));
}

/// Adds a user with a phone.
pub fn enrolled(machine: &Machine, user: &str) -> Phone {
    machine.add_user(user);
    enroll(machine, user, &[])
}

/// Gives a device to a user, with more arguments for `twofactor enroll`.
pub fn enroll(machine: &Machine, user: &str, arguments: &[&str]) -> Phone {
    let enroll = ["enroll", user, "--no-confirm", "--json"];
    let run = machine.command(&[&enroll, arguments].concat()).ok();
    let report: Value = serde_json::from_str(&run.stdout).unwrap();
    let device = &report["device"];
    let algorithm = ["SHA1", "SHA256", "SHA512"]
        .into_iter()
        .find(|name| device["algorithm"] == *name);
    let codes = report["recovery_codes"].as_array().unwrap();
    Phone {
        totp: Totp {
            secret: report["secret"].as_str().unwrap().to_owned(),
            digits: device["digits"].as_u64().unwrap().try_into().unwrap(),
            interval: device["interval"].as_u64().unwrap_or(30),
            algorithm: algorithm.unwrap(),
        },
        recovery: codes
            .iter()
            .map(|code| code.as_str().unwrap().to_owned())
            .collect(),
        report,
    }
}

/// Lines that the module logged in one phase (`sshd:auth`) since the log was last forgotten.
pub fn logged(machine: &Machine, phase: &str) -> Vec<String> {
    let start = format!("pam_twofactor({phase}): ");
    let lines = machine.log_with(&start);
    let rest = lines.iter().filter_map(|line| line.strip_prefix(&start));
    rest.map(str::to_owned).collect()
}

/// True if a login was let in, and the questions before.
pub fn dialogue(session: &Session) -> (bool, Vec<&str>) {
    let prompts = session.prompts.iter().map(String::as_str).collect();
    (session.is_in(), prompts)
}

/// All files below a directory, sorted.
pub fn files(directory: &str) -> Vec<String> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path().display().to_string();
        if Path::new(&path).is_dir() {
            found.extend(files(&path));
        }
        found.push(path);
    }
    found.sort();
    found
}
