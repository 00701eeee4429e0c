//! The subcommands, with the help of each and its examples.

use clap::Subcommand;

use super::{
    AdoptArgs, BypassArgs, CompleteArgs, CompletionsArgs, DialogueForm, DisableArgs, DoctorArgs,
    EnableArgs, EnrollArgs, FleetCommand, InitArgs, InviteArgs, PolicyCommand, RecoveryCodesArgs,
    RenameArgs, RenewArgs, ResyncArgs, SetupArgs, ShowArgs, StatusArgs, UnlockArgs, UnsetArgs,
    VerifyArgs, transfer_options,
};

/// The subcommands.
#[derive(Debug, Subcommand)]
pub enum TwofactorCommand {
    /// Mark the state directory, once on each machine
    ///
    /// Packages do it at their first installation. Makes the missing parts of the directory, marks it, and notes the mark beside
    /// the policy. A directory without its mark, or with another one, refuses every login: it must not count as one in which no
    /// user has a device. The mark is missing if the disk is not mounted or a backup was not restored. Running it again only adds
    /// missing entries of the index of user ids, and reports files that contradict each other.
    #[command(after_help = "\
EXAMPLES
  twofactor init
  twofactor init --state /srv/twofactor      for the argument state=/srv/twofactor of the module
  twofactor init --force                     accept this directory, whatever its mark")]
    Init(InitArgs),
    /// Enroll a device: show its QR code, ask for a code, and only then store it
    ///
    /// Nothing is stored until a code of the new device was typed. The first device of a user also gives ten recovery
    /// codes, which are shown once, and on a terminal a second device is offered, as a backup.
    ///
    /// Without root, for yourself: after a login, with an enrollment code, or with a code of a device that you have.
    #[command(aliases = ["enrol", "add"], after_help = "\
EXAMPLES
  twofactor enroll                             a device of your own
  twofactor enroll alice
  twofactor enroll alice --device tablet       a second device, as a backup
  twofactor enroll alice --qr ascii            plain characters, whatever the terminal shows
  twofactor enroll alice --png code.png        the QR code also as a picture
  twofactor enroll robot --no-confirm --json   for scripts: stored at once")]
    Enroll(EnrollArgs),
    /// Replace the secret of a device; the old one works until the new one is confirmed
    ///
    /// Without root, for yourself: with a code of a device, or a recovery code.
    #[command(after_help = "\
EXAMPLES
  twofactor renew alice
  twofactor renew alice --device tablet")]
    Renew(RenewArgs),
    /// Remove a device, or all devices of a user with their recovery codes
    ///
    /// Without root, for yourself: with a code of a device, or a recovery code. All devices take a login just before it besides.
    #[command(aliases = ["remove", "delete"], after_help = "\
EXAMPLES
  twofactor unset alice                      every device of alice
  twofactor unset alice --device tablet --yes")]
    Unset(UnsetArgs),
    /// Move the files of a user to the new name, after usermod -l
    ///
    /// A renamed user is found by the user id and asked for the same codes as before. This gives the files the new name:
    /// devices, recovery codes, used codes and lock-out move with them. Refused while the old name is that of another user, and
    /// where the new name has files already. After an interruption the same call completes it; until then logins are
    /// refused.
    #[command(after_help = "\
EXAMPLES
  twofactor rename alice anna")]
    Rename(RenameArgs),
    /// Take over devices of a user whose user id has changed, as on a new machine
    ///
    /// A record belongs to a user id and refuses another one, since a name can be given to another person. adopt shows both, and
    /// needs a code of the device, or a recovery or bypass code, which is checked and counted as at a login. After an interruption the same call
    /// completes it; until then logins are refused.
    ///
    /// With `--force` a state that cannot be used is made anew. Where the kernel does not say that a time service keeps the clock right, root
    /// is asked if it is: on a clock that is behind, codes that were used would work again.
    #[command(after_help = "\
EXAMPLES
  twofactor adopt alice                      alice has a new user id
  twofactor adopt anna --from alice          alice is now anna, with a new user id
  twofactor adopt alice --force              without a code")]
    Adopt(AdoptArgs),
    /// Show the devices of a user; secrets only when asked for
    #[command(after_help = "\
EXAMPLES
  twofactor show alice
  twofactor show alice --secret              the key alone, to type it in
  twofactor show alice --device tablet --qr
  twofactor show alice --svg code.svg        the QR code as a file that only root can read
  twofactor show alice --svg -               to a program: to standard output")]
    Show(ShowArgs),
    /// Show the switches and the users with a device; never prints a secret
    #[command(
        alias = "list",
        after_help = "\
EXAMPLES
  twofactor status
  twofactor status alice
  twofactor status --missing                 the users without a device
  twofactor status --all --json
  twofactor status --prometheus              figures for node_exporter's textfile collector"
    )]
    Status(StatusArgs),
    /// Diagnose problems and preview the next login
    ///
    /// Looks at the policy, the files of the users, the module, the PAM files, sshd's settings, the clock and the disk.
    /// Changes nothing; to check that records can be stored, it makes a file without a name beside them. Exit code 1 when
    /// there is a problem; warnings alone are 0.
    #[command(after_help = "\
EXAMPLES
  twofactor doctor
  twofactor doctor --user alice              the table for one user
  twofactor doctor --users                   the table with all names
  twofactor doctor --json")]
    Doctor(DoctorArgs),
    /// Check a code exactly as a login would
    ///
    /// A right code is used up, a wrong one counts as a failure.
    #[command(after_help = "\
EXAMPLES
  twofactor verify alice
  oathtool --totp -b - < key | twofactor verify alice")]
    Verify(VerifyArgs),
    /// Make ten new recovery codes; the old ones stop working
    ///
    /// Without root, for yourself: with a code of a device, and a login just before it.
    #[command(after_help = "\
EXAMPLES
  twofactor recovery-codes alice
  twofactor recovery-codes alice --recovery-file codes.txt   to print, not to show")]
    RecoveryCodes(RecoveryCodesArgs),
    /// Make a one-time code for a user whose devices are out of reach
    ///
    /// The code is shown once, works for one login, and only for a while. A new one replaces an unused one. With `--new-device` the
    /// login offers to set up a new device, so that a lost phone needs no `renew`: give such a code to no voice that you do not know.
    /// While the store of a fleet is out of reach only `--this-host` makes one, which no other host accepts.
    #[command(after_help = "\
EXAMPLES
  twofactor bypass alice                     works for 24 hours
  twofactor bypass alice --for 2d
  twofactor bypass alice --new-device        the login with it offers to set up a new phone
  twofactor bypass alice --this-host         on a host that is cut off from its fleet
  twofactor bypass alice --for 0             withdraws an unused code")]
    Bypass(BypassArgs),
    /// Make one-time codes with which users may enroll at login
    ///
    /// Where the policy says enroll_needs_invite = true, the login dialogue asks for it before it shows anything, so that
    /// a stolen password is not enough to enroll. For one user, a new code replaces an unused one. Of several users, those
    /// with a device, with a code that still works, or exempt at all services are passed over and reported. A failure
    /// of one user does not stop the others; the exit code is 1 then.
    #[command(after_help = "\
EXAMPLES
  twofactor invite alice                     works for 24 hours
  twofactor invite alice bob --for 7d
  twofactor invite --group staff --for 14d --sheets /root/sheets
  twofactor invite --group staff --sheets /root/sheets.html   to print from a browser
  twofactor invite alice --for 0             withdraws an unused code")]
    Invite(InviteArgs),
    /// End a lock-out after too many wrong codes
    ///
    /// Codes of a device are also refused if the last one is of a time that this machine's clock has not reached: the clock was ahead
    /// then, or is behind now. If the kernel says that a time service keeps the clock right, this ends, too. Otherwise root is asked if
    /// the clock is right. Without a terminal, and with `--yes`, such a device stays as it is: on a clock that is behind, codes that
    /// were used would work again.
    ///
    /// Where the state cannot be used a new one is made, after a question, and by a clock that is known to be right in the same way.
    #[command(after_help = "\
EXAMPLES
  twofactor unlock alice
  twofactor unlock alice --clock-is-right    after the clock of this machine was set back to the right time")]
    Unlock(UnlockArgs),
    /// Find the counter of a HOTP token, or the clock error of a TOTP device
    ///
    /// Two codes that follow each other are needed; without them on the command line they are asked for. That is the better
    /// way: other users can see a command line, and the codes are used up only where the device is found.
    #[command(after_help = "\
EXAMPLES
  twofactor resync alice                     the only device of alice
  twofactor resync alice token
  twofactor resync alice token 755224 287082")]
    Resync(ResyncArgs),
    /// Set two-factor login up for services, or undo that
    ///
    /// Puts the module into their PAM files, lets sshd ask for a code (for the service sshd), switches the policy on, checks the
    /// result, reloads sshd, and tries a code. Shows every change first. When something fails, or is interrupted, everything
    /// is restored. --undo restores every file that was not edited since.
    #[command(after_help = "\
EXAMPLES
  twofactor setup sshd sudo                  ssh and sudo ask for a code
  twofactor setup sshd sudo --dry-run        show the changes
  twofactor setup --everywhere               all services that include common-auth
  twofactor setup --undo

Keep a root shell open until a login in a second terminal has worked.")]
    Setup(SetupArgs),
    /// Turn two-factor login on
    ///
    /// Shows who will need a code and who will be refused, and asks before it changes anything. Warns of PAM lines that let in
    /// without a code. A change that would lock users out is refused, as is a service without a PAM file; --force overrides.
    #[command(after_help = "\
EXAMPLES
  twofactor enable                           the global switch
  twofactor enable sshd sudo                 these services, and the global switch if it is off
  twofactor enable sshd --only               sshd, and no other service

Keep a root shell open until a login in a second terminal has worked.")]
    Enable(EnableArgs),
    /// Turn two-factor login off; devices are kept
    #[command(after_help = "\
EXAMPLES
  twofactor disable                          stop asking for codes
  twofactor disable sshd                     only sshd")]
    Disable(DisableArgs),
    /// Show, change or check the policy
    #[command(
        subcommand,
        after_help = "\
EXAMPLES
  twofactor policy show
  twofactor policy set window 2
  twofactor policy set services.sshd true
  twofactor policy edit
  twofactor policy check ./twofactor.toml"
    )]
    Policy(PolicyCommand),
    /// Import devices from google-authenticator, pam_oath or an app
    ///
    /// First lists what would be imported and what skipped, with line and reason, and asks. Existing devices are
    /// kept. Exit code 1 when something was skipped.
    #[command(
        subcommand,
        after_help = "\
EXAMPLES
  twofactor import google-authenticator --all --dry-run
  twofactor import users-oath /etc/users.oath
  twofactor import uri ./uris --user alice"
    )]
    Import(transfer_options::ImportCommand),
    /// Write devices for other programs; this reveals their keys
    ///
    /// Asks first, on standard error; scripts need --yes. The lines go into a file or a pipe as they are. On a terminal, control and invisible characters of a name are shown
    /// as \u{1b}.
    #[command(
        subcommand,
        after_help = "\
EXAMPLES
  twofactor export users-oath --all --output /root/users.oath
  twofactor export uri --user alice"
    )]
    Export(transfer_options::ExportCommand),
    /// Write records and states of all users to a file
    ///
    /// For this machine after a loss, or for another one: devices, recovery codes, used codes, lock-outs, invitations. The policy is
    /// not in it. Each user is consistent; no login waits longer than a moment. It holds all keys: encrypt it, or keep it as safe as
    /// the machine. Exit code 1 when a user is missing in it.
    #[command(after_help = "\
EXAMPLES
  twofactor backup --output /root/twofactor.backup
  twofactor backup | age -r age1... >twofactor.backup.age")]
    Backup(transfer_options::BackupArgs),
    /// Restore users from a backup; used codes stay used
    ///
    /// Reads and checks the whole backup, shows what it would do, and asks. Records that are there are kept. Codes of
    /// apps work again some minutes later, from steps that no login can have accepted; HOTP tokens where this machine knows their
    /// counter, else after twofactor resync. Recovery codes, bypass codes and invitations end where their use since the backup is
    /// not known. Lock-outs stay. Exit code 1 when a user was not restored.
    #[command(after_help = "\
EXAMPLES
  twofactor restore /root/twofactor.backup --dry-run
  twofactor restore /root/twofactor.backup
  age -d -i key twofactor.backup.age | twofactor restore - --yes
  twofactor restore - --yes --adopt <twofactor.backup   on a machine with other user ids")]
    Restore(transfer_options::RestoreArgs),
    /// Share users and used codes with other hosts, so that a code works once on all of them
    ///
    /// The settings are in `twofactor-fleet.toml` beside the policy. On a host of a fleet each change of a user counts on all of its
    /// hosts, or is not made.
    #[command(
        subcommand,
        after_help = "\
EXAMPLES
  twofactor fleet init
  twofactor fleet join /root/twofactor-fleet.key
  twofactor fleet status"
    )]
    Fleet(FleetCommand),
    /// Print a script that completes this command in a shell
    ///
    /// Packages install it. Needs no root. With --json the script is the value of "script".
    #[command(after_help = "\
EXAMPLES
  twofactor completions bash >/etc/bash_completion.d/twofactor
  twofactor completions zsh >/usr/local/share/zsh/site-functions/_twofactor
  twofactor completions fish >/etc/fish/completions/twofactor.fish")]
    Completions(CompletionsArgs),
    /// Print what may follow the words of a command line
    ///
    /// For the scripts of `completions`. Names alone: nothing secret, no question, and no error.
    #[command(
        hide = true,
        after_help = "\
EXAMPLES
  twofactor complete fish -- policy set thr"
    )]
    Complete(CompleteArgs),
}

impl TwofactorCommand {
    /// True if it talks with a program in a dialogue.
    pub const fn is_dialogue(&self) -> bool {
        let form: Option<DialogueForm> = match self {
            Self::Enroll(args) => args.dialogue,
            Self::Renew(args) => args.dialogue,
            _ => None,
        };
        form.is_some()
    }
}
