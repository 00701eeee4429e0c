//! Systems on which setup works, and the steps by hand on others.

use std::path::Path;

use crate::command_failure::CommandFailure;
use crate::doctor::stack_preview::MachinePreview;

/// Directory of the PAM files that an administrator may change.
pub const DIRECTORY: &str = "/etc/pam.d";
/// The file with the auth lines that all services share.
pub const COMMON: &str = "common-auth";

/// Refuses where setup cannot work, with the steps to do by hand.
///
/// # Errors
/// The refusal.
pub fn check(preview: &MachinePreview) -> Result<(), CommandFailure> {
    if !preview.has_module() {
        return Err(CommandFailure::refused(
            "libpam does not find pam_twofactor.so, so that every login would be refused",
        )
        .next("Install the package, or: make install"));
    }
    if Path::new("/etc/authselect/authselect.conf").exists()
        || Path::new("/usr/bin/authselect").exists()
    {
        return Err(CommandFailure::refused(
            "authselect writes the PAM files here, and would undo what setup does",
        )
        .next(AUTHSELECT));
    }
    if !Path::new(DIRECTORY).join(COMMON).exists() {
        return Err(CommandFailure::refused(
            "setup knows the PAM files of Debian and Ubuntu only, and there is no /etc/pam.d/common-auth",
        )
        .next(ELSEWHERE));
    }
    Ok(())
}

/// The recipe of docs/fedora.md.
const AUTHSELECT: &str = "\
Add the module to a profile of your own, based on the one in use (authselect current), with the features that you have:
  authselect create-profile twofactor --base-on=local --symlink-meta
  /usr/share/pam_twofactor/authselect-add-code /etc/authselect/custom/twofactor
  authselect select custom/twofactor with-faillock --backup=before-twofactor
  twofactor policy set services.default false
In /etc/ssh/sshd_config.d/01-twofactor.conf: UsePAM yes, KbdInteractiveAuthentication yes, PasswordAuthentication no
  systemctl reload sshd
  twofactor enable --service sshd
  twofactor doctor";

/// The lines to add by hand.
const ELSEWHERE: &str = "\
Put these lines into the PAM file of each service, the first after the lines that check the password, the second before
the other account lines:
  auth     [success=ok ignore=ignore default=die]  pam_twofactor.so
  account  [success=ok ignore=ignore module_unknown=ignore default=die]  pam_twofactor.so
For sshd, in its configuration: UsePAM yes, KbdInteractiveAuthentication yes, PasswordAuthentication no
Then: twofactor enable --service SERVICE, and twofactor doctor";
