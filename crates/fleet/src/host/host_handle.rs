//! The host of a service that stays, while commands and administrators replace the files it was opened with.

use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};

use rustix::fs::Stat;

use super::fleet_host::FleetHost;
use crate::attempt_steps::outage_reason::OutageReason;
use crate::etcd::etcd_gateway::TimeLeft;
use crate::host_files::host_error::HostError;
use crate::host_files::host_settings::HostSettings;
use crate::sealed_values::host_entry::HostReport;

/// A host whose files may be replaced: its key by `rotate-key`, its id by `leave` and `join`, its certificates and its password.
pub struct HostHandle {
    settings: PathBuf,
    state: PathBuf,
    opened: RwLock<OpenedHost>,
}

/// A host, and the files as they were before it was opened.
#[derive(Clone)]
struct OpenedHost {
    host: Arc<FleetHost>,
    files: Option<Vec<FileVersion>>,
}

/// A file as it was written: another one, or the same one with other content.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct FileVersion {
    device: u64,
    inode: u64,
    changed: (i64, i64),
}

impl From<Stat> for FileVersion {
    fn from(stat: Stat) -> Self {
        Self {
            device: stat.st_dev,
            inode: stat.st_ino,
            changed: (stat.st_ctime, stat.st_ctime_nsec.try_into().unwrap_or(0)),
        }
    }
}

/// Files that were replaced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FileRenewal {
    /// None, or such that the store does not take.
    None,
    /// The host goes on with new ones.
    Taken,
}

impl HostHandle {
    /// The host whose settings and state directory these are.
    ///
    /// # Errors
    /// As [`FleetHost::open`].
    pub fn open(settings: &Path, state: &Path) -> Result<Self, HostError> {
        Ok(Self {
            settings: settings.to_owned(),
            state: state.to_owned(),
            opened: RwLock::new(OpenedHost::open(settings, state)?),
        })
    }

    /// The host, by the files that were read last.
    #[must_use]
    pub fn host(&self) -> Arc<FleetHost> {
        Arc::clone(&self.opened().host)
    }

    fn opened(&self) -> OpenedHost {
        let opened = self.opened.read();
        opened.unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn take(&self, anew: OpenedHost) {
        let opened = self.opened.write();
        *opened.unwrap_or_else(PoisonError::into_inner) = anew;
    }

    /// [`FleetHost::beat_now`]. Where that fails the files are read anew, for the next try: the store may have refused what they had.
    ///
    /// While a command of this host holds the lock of these files no number is written: then it is enough that the store has the one
    /// that this host wrote last.
    ///
    /// # Errors
    /// [`OutageReason`]; that of the files where they cannot be used.
    pub fn meet(&self, report: HostReport, time: &dyn TimeLeft) -> Result<(), OutageReason> {
        let host = self.host();
        let met = match host.beat_now(report, time) {
            Err(busy @ OutageReason::HostBusy(_)) => host.check_store(time).map_err(|_| busy),
            met => met,
        };
        if met.is_err() {
            let anew = OpenedHost::open(&self.settings, &self.state);
            self.take(anew.map_err(OutageReason::files)?);
        }
        met
    }

    /// Looks for files that were replaced since they were read, such as a renewed certificate, and goes on with them once the store takes
    /// them. Until then it goes on with those that it has: a key may be replaced a moment after its certificate.
    pub fn renew(&self, time: &dyn TimeLeft) -> FileRenewal {
        let before = self.opened().files;
        let now = versions(&self.settings);
        if now.is_none() || now == before {
            return FileRenewal::None;
        }
        let Ok(anew) = OpenedHost::open(&self.settings, &self.state) else {
            return FileRenewal::None;
        };
        let lock = anew.host.directory().lock_within(time.left() / 2);
        let is_taken = lock.is_ok_and(|lock| anew.host.settle(&lock, time).is_ok());
        if !is_taken {
            return FileRenewal::None;
        }
        self.take(anew);
        FileRenewal::Taken
    }
}

impl OpenedHost {
    fn open(settings: &Path, state: &Path) -> Result<Self, HostError> {
        // Before they are read: what is written meanwhile is a later version.
        let files = versions(settings);
        let host = Arc::new(FleetHost::open(settings, state)?);
        Ok(Self { host, files })
    }
}

/// The files of the fleet on this host; `None` where one of them cannot be looked at.
fn versions(path: &Path) -> Option<Vec<FileVersion>> {
    let settings = HostSettings::load(path).ok()?;
    let files = [
        path,
        &settings.authorities,
        &settings.certificate,
        &settings.private_key,
        &settings.key_file,
    ];
    let versions = files.map(|file| rustix::fs::stat(file).ok().map(FileVersion::from));
    versions.into_iter().collect()
}
