//! The host of a service that stays, while commands and administrators replace the files it was opened with.

use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};

use crate::fleet_host::{FleetHost, HostReport};
use crate::gateway::TimeLeft;
use crate::host_error::HostError;
use crate::outage::OutageReason;

/// A host whose files may be replaced: its key by `rotate-key`, its id by `leave` and `join`, its certificates and its password.
pub struct HostHandle {
    settings: PathBuf,
    state: PathBuf,
    host: RwLock<Arc<FleetHost>>,
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
            host: RwLock::new(Arc::new(FleetHost::open(settings, state)?)),
        })
    }

    /// The host, by the files that were read last.
    #[must_use]
    pub fn host(&self) -> Arc<FleetHost> {
        let host = self.host.read().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(&host)
    }

    /// [`FleetHost::beat_now`]. Where that fails the files are read anew, for the next try: the store may have refused what they had.
    ///
    /// # Errors
    /// [`OutageReason`]; that of the files where they cannot be used.
    pub fn meet(&self, report: HostReport, time: &dyn TimeLeft) -> Result<(), OutageReason> {
        let met = self.host().beat_now(report, time);
        if met.is_err() {
            let anew = FleetHost::open(&self.settings, &self.state);
            let anew = anew.map_err(OutageReason::files)?;
            *self.host.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(anew);
        }
        met
    }
}
