//! The command `twofactor`: each subcommand with its output, its files, its errors, and the logins that follow from it.
#![forbid(unsafe_code)]
#![cfg(test)]

mod adopt;
mod automation;
mod backup;
mod completions;
mod devices;
mod disable;
mod edit;
mod effect;
mod enable;
mod enroll;
mod errors;
mod export;
mod fleet_switch;
mod grace;
mod hostile;
mod import;
mod init;
mod interruption;
mod invite;
mod line;
mod locks;
mod log;
mod many_users;
mod names;
mod narrow;
mod notify;
mod output;
mod over_ssh;
mod policy;
mod policy_file;
mod qr;
mod qr_files;
mod renew;
mod repair_access;
mod report;
mod require;
mod rescue;
mod restoration;
mod restoration_of_many;
mod second_look;
mod secrets;
mod setup;
mod shells;
mod status;
mod twin_invitation;
mod unmatched_names;
mod unset;
mod untried_devices;

/// The subcommands that the general help lists.
fn listed_commands() -> Vec<String> {
    let help = std::process::Command::new(harness::command())
        .arg("--help")
        .output()
        .unwrap();
    let help = String::from_utf8(help.stdout).unwrap();
    let list = help.split("\n\n").nth(1).unwrap();
    // The heading of the group, where there is one; then names and texts take turns.
    let names = list.lines().flat_map(|line| {
        let heading = usize::from(!line.starts_with(' '));
        let cells = line.split("  ").filter(|cell| !cell.is_empty());
        cells.skip(heading).step_by(2)
    });
    names.map(|name| name.trim().to_owned()).collect()
}

/// Every subcommand, with the arguments that it needs for a user.
fn subcommands(user: &str) -> Vec<Vec<&str>> {
    vec![
        vec!["enroll", user],
        vec!["renew", user],
        vec!["unset", user],
        vec!["show", user],
        vec!["status", user],
        vec!["verify", user],
        vec!["recovery-codes", user],
        vec!["bypass", user],
        vec!["unlock", user],
        vec!["resync", user, "phone"],
        vec!["enable"],
        vec!["disable"],
        vec!["policy", "set", "window", "2"],
    ]
}
