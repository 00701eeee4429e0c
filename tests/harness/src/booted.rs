//! A system that systemd has booted on the files of a machine, in a container of systemd-nspawn without a network.

use std::ffi::OsStr;
use std::time::{Duration, Instant};

use crate::exec::{Program, Run};
use crate::machine::Machine;
use crate::pam::Drive;
use crate::pty::Pty;

/// Longest time to boot.
const BOOT: Duration = Duration::from_secs(60);

/// Boots the root directory of the machine. nspawn wants a control group of version 2 and a root that is not `/`. The control
/// group is the only thing that the real system would keep.
const BOOT_SCRIPT: &str = "\
set -e
mkdir /run/booted
mount --bind / /run/booted
mount -t sysfs sysfs /sys
mount -t cgroup2 cgroup2 /sys/fs/cgroup
own=/sys/fs/cgroup/booted-$(cat /proc/sys/kernel/random/uuid)
mkdir $own
echo $$ >$own/cgroup.procs
UNIFIED_CGROUP_HIERARCHY=1 systemd-nspawn --boot --directory=/run/booted --register=no --keep-unit --private-network \\
    --link-journal=no --resolv-conf=off --timezone=off || :
echo $$ >/sys/fs/cgroup/cgroup.procs
find $own -depth -type d -exec rmdir {} +
";

/// A booted system. It ends with this.
pub struct BootedSystem {
    console: Pty,
    leader: u32,
}

impl Machine {
    /// Boots the files of this machine, which has to be one of [`Machine::in_root`] with systemd-nspawn. What its processes
    /// write is in the files of the machine, except below /run, /tmp and /dev.
    ///
    /// # Panics
    /// When it does not boot within a minute, or a unit fails.
    pub fn boot(&self) -> BootedSystem {
        let mut console = self.program("sh").args(&["-c", BOOT_SCRIPT]).pty();
        let deadline = Instant::now() + BOOT;
        let leader = loop {
            if let Some(leader) = oldest("systemd") {
                break leader;
            }
            assert!(
                Instant::now() < deadline,
                "no systemd:\n{}",
                console.shown()
            );
            std::thread::sleep(Duration::from_millis(20));
        };
        console.expect("login: ");
        let system = BootedSystem { console, leader };
        let state = system.run("systemctl", &["is-system-running", "--wait"]);
        let failed = || system.run("systemctl", &["--failed", "--no-pager"]).stdout;
        assert_eq!(state.stdout, "running\n", "{}", failed());
        system
    }
}

impl BootedSystem {
    /// The console, on which a login prompt was shown.
    pub const fn console(&mut self) -> &mut Pty {
        &mut self.console
    }

    /// Any program, to be run in the system as root.
    pub fn program(&self, name: impl AsRef<OsStr>) -> Program {
        let words = self.enter();
        Program::new(&words[0]).args(&words[1..]).arg(name)
    }

    /// Any program, to be run in the system as a user.
    pub fn program_of(&self, user: &str, name: impl AsRef<OsStr>) -> Program {
        let words = self.enter_as(user);
        Program::new(&words[0]).args(&words[1..]).arg(name)
    }

    /// Runs any program in the system as root, with nothing to read.
    pub fn run(&self, name: &str, arguments: &[&str]) -> Run {
        self.program(name).args(arguments).run()
    }

    /// A property of a unit.
    pub fn property(&self, unit: &str, name: &str) -> String {
        let words = ["show", "--value", "--property", name, unit];
        let shown = self.run("systemctl", &words).ok().stdout;
        shown.trim_end().to_owned()
    }

    /// A transaction of a program that runs as the user that it asks about, as a screen locker does.
    pub fn drive_as(&self, user: &str) -> Drive {
        let words = self.enter_as(user);
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        Drive::installed().through(&words).user(user)
    }

    fn enter(&self) -> Vec<String> {
        let leader = self.leader.to_string();
        // The machine has a changed root, and with it the root of the system is not that of its mount namespace.
        let target = ["nsenter", "--target", &leader, "--all", "--root", "--wd"];
        let mut words = target.map(str::to_owned).to_vec();
        words.push("--".to_owned());
        words
    }

    fn enter_as(&self, user: &str) -> Vec<String> {
        let mut words = self.enter();
        words.push("setpriv".to_owned());
        words.extend([format!("--reuid={user}"), format!("--regid={user}")]);
        words.extend(["--init-groups", "--"].map(str::to_owned));
        words
    }
}

impl Drop for BootedSystem {
    fn drop(&mut self) {
        // The script goes on, and removes the control group.
        Program::new("kill")
            .args(&["-KILL", &self.leader.to_string()])
            .run();
        let deadline = Instant::now() + Duration::from_secs(20);
        while !self.console.has_ended() && Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

/// The process of that name with the lowest number.
fn oldest(name: &str) -> Option<u32> {
    let entries = std::fs::read_dir("/proc").ok()?.flatten();
    let numbers = entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    let is_named = |number: &u32| {
        let comm = std::fs::read_to_string(format!("/proc/{number}/comm"));
        comm.is_ok_and(|comm| comm.trim_end() == name)
    };
    numbers.filter(is_named).min()
}
