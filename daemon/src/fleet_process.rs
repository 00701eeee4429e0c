//! The process of the fleet's service: it meets the store, goes on to do so, and stays until it is told to stop.

use std::fmt;
use std::path::Path;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use twofactor_fleet::etcd::deadline::WorkDeadline;
use twofactor_fleet::host::host_handle::HostHandle;
use twofactor_fleet::host_files::host_error::HostError;
use twofactor_fleet::host_files::host_settings;
use twofactor_fleet::mirror::host_heartbeat::{BEAT_INTERVAL, BeatFiles, BeatThread, report_of};

use crate::daemon_log;
use crate::fleet_service::FleetService;
use crate::state_push;
use crate::store_breaker::StoreBreaker;

/// Longest time of one try to meet the store.
const MEETING: Duration = Duration::from_secs(3);

/// The service, and the threads that keep this host in its fleet while it is there.
pub struct FleetProcess {
    /// The service.
    pub service: Arc<FleetService>,
    _beats: BeatThread,
}

/// Reason why the service cannot begin.
#[derive(Debug)]
pub enum NoFleetProcess {
    /// The files of the fleet on this host cannot be used.
    Host(HostError),
    /// The system gives no thread.
    Thread(std::io::Error),
}

impl fmt::Display for NoFleetProcess {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Host(error) => error.fmt(f),
            Self::Thread(error) => write!(f, "no thread: {error}"),
        }
    }
}

impl From<std::io::Error> for NoFleetProcess {
    fn from(error: std::io::Error) -> Self {
        Self::Thread(error)
    }
}

/// Makes the service. When this returns the host has met its store, or it was tried for as long as that may take.
///
/// # Errors
/// [`NoFleetProcess`].
pub fn begin(policy: &Path, state: &Path) -> Result<FleetProcess, NoFleetProcess> {
    let settings = host_settings::beside(policy);
    let host = HostHandle::open(&settings, state).map_err(NoFleetProcess::Host)?;
    let host = Arc::new(host);
    let files = BeatFiles {
        state: state.to_owned(),
        policy: policy.to_owned(),
    };
    let breaker = Arc::new(StoreBreaker::default());
    let meeting = StoreMeeting {
        host: Arc::clone(&host),
        files: files.clone(),
    };
    breaker.try_to_close(|| meeting.meet());
    let push = state_push::start(Arc::clone(&host), files.clone())?;
    let after_beat = push.clone();
    let watched = Arc::clone(&breaker);
    let closed = move || push.ask();
    thread::Builder::new().spawn(move || watched.watch(|| meeting.meet(), closed))?;
    let noted = Arc::clone(&breaker);
    let sink = Box::new(move |met: &Result<_, _>| match met {
        // What was judged alone while no breaker was open, too.
        Ok(_) => after_beat.ask(),
        Err(reason) => {
            daemon_log::store_not_met(reason);
            noted.note(reason);
        }
    });
    let beats = host.start_beats(files, BEAT_INTERVAL, sink)?;
    Ok(FleetProcess {
        service: Arc::new(FleetService::new((policy, state), host, breaker)),
        _beats: beats,
    })
}

/// A try to meet the store.
struct StoreMeeting {
    host: Arc<HostHandle>,
    files: BeatFiles,
}

impl StoreMeeting {
    /// True if this host has written its next number to the store.
    fn meet(&self) -> bool {
        let time = WorkDeadline::after(MEETING);
        let met = report_of(&self.files).and_then(|report| self.host.meet(report, &time));
        match &met {
            Ok(()) => daemon_log::store_met(),
            Err(reason) => daemon_log::store_not_met(reason),
        }
        met.is_ok()
    }
}
