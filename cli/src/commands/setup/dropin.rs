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

/// The findings of doctor that the file cures.
pub const CURES: [&str; 3] = ["sshd-usepam", "sshd-kbdinteractive", "sshd-password"];
