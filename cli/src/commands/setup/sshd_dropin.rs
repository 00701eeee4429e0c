//! The settings that sshd needs, and the drop-in file that holds them.

/// Path of the drop-in. sshd uses the first value that it finds, so the name sorts before most others.
pub const PATH: &str = "/etc/ssh/sshd_config.d/01-twofactor.conf";

/// Its text.
pub const TEXT: &str = "\
# Written by twofactor setup; \"twofactor setup --undo\" takes it out.
#
# keyboard-interactive asks PAM's questions: the password, then the code.
# The method \"password\" would send the password as the code, so it is off.
# Passwords still work.
UsePAM yes
KbdInteractiveAuthentication yes
PasswordAuthentication no
";

/// These settings as arguments of sshd's option `-o`.
pub const SETTINGS: [&str; 3] = [
    "UsePAM=yes",
    "KbdInteractiveAuthentication=yes",
    "PasswordAuthentication=no",
];

/// Checks of doctor whose findings the file fixes. Kerberos is asked about passwords of the method `password` only, which the
/// file switches off.
pub const CURES: [&str; 4] = [
    "sshd-usepam",
    "sshd-kbdinteractive",
    "sshd-password",
    "sshd-kerberos",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn file_and_options_say_the_same() {
        let lines = TEXT.lines().filter(|line| !line.starts_with('#'));
        let lines: Vec<String> = lines.map(|line| line.replacen(' ', "=", 1)).collect();
        assert_eq!(lines, SETTINGS);
    }
}
