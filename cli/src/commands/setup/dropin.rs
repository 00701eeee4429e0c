//! What sshd has to be told, and the file that tells it.

/// The file. sshd takes the first value it finds, so that its name sorts before most others.
pub const PATH: &str = "/etc/ssh/sshd_config.d/01-twofactor.conf";

/// Its text.
pub const TEXT: &str = "\
# Written by twofactor setup; \"twofactor setup --undo\" takes it out.
#
# keyboard-interactive asks PAM's questions: the password, then the code. The method \"password\" has one hidden field
# and would send the password as the code, so that it is off. Passwords still work.
UsePAM yes
KbdInteractiveAuthentication yes
PasswordAuthentication no
";

/// The same settings, as sshd's option `-o` takes them.
pub const SETTINGS: [&str; 3] = [
    "UsePAM=yes",
    "KbdInteractiveAuthentication=yes",
    "PasswordAuthentication=no",
];

/// The findings of doctor that the file cures.
pub const CURES: [&str; 3] = ["sshd-usepam", "sshd-kbdinteractive", "sshd-password"];

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
