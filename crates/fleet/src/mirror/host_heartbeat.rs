//! The rhythm of a host: its number and the mirror of the records, from time to time.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::thread;
use std::time::Duration;

use twofactor_store::fleet_contact::FleetContact;
use twofactor_store::sys::clock;
use twofactor_store::{FactorStore, PolicyFile};

use super::record_mirror::{MirrorProgress, MirrorReport};
use crate::attempt_steps::outage_reason::OutageReason;
use crate::etcd::deadline::WorkDeadline;
use crate::host::fleet_host::FleetHost;
use crate::host::host_handle::{FileRenewal, HostHandle};
use crate::sealed_values::host_entry::HostReport;

/// Time between two numbers of a host.
pub const BEAT_INTERVAL: Duration = Duration::from_secs(60);
/// Longest time for one of them.
const BEAT_TIME: Duration = Duration::from_secs(10);
/// Longest time in which the store may take new files.
const RENEWAL_TIME: Duration = Duration::from_secs(3);
/// Longest time of an attempt: that of the policy, and a second for its end.
const ATTEMPTS_END: Duration = Duration::from_secs(5);
/// Longest time for the records that changed, which may be all of them at the first time.
const MIRROR_TIME: Duration = Duration::from_secs(300);

/// The rhythm of a host. It ends when this is dropped.
pub struct BeatThread {
    _end: SyncSender<()>,
}

/// Told after each beat what came of it.
pub type BeatSink = Box<dyn Fn(&Result<MirrorReport, OutageReason>) + Send>;

/// The files that a beat reads.
#[derive(Debug, Clone)]
pub struct BeatFiles {
    /// The state directory.
    pub state: PathBuf,
    /// The policy.
    pub policy: PathBuf,
}

impl HostHandle {
    /// Begins the rhythm: now, and each time that `interval` has passed.
    ///
    /// # Errors
    /// When the system gives no thread.
    pub fn start_beats(
        self: &Arc<Self>,
        files: BeatFiles,
        interval: Duration,
        told: BeatSink,
    ) -> std::io::Result<BeatThread> {
        let (end, ended) = sync_channel(0);
        let handle = Arc::clone(self);
        thread::Builder::new()
            .name("fleet-beats".to_owned())
            .spawn(move || {
                let mut progress = MirrorProgress::default();
                let mut before = handle.host().host_id().to_owned();
                loop {
                    let is_renewed = handle.renew(&WorkDeadline::after(RENEWAL_TIME));
                    // Attempts that began with the files before know of no number that is written now.
                    if is_renewed == FileRenewal::Taken && has_ended(&ended, ATTEMPTS_END) {
                        return;
                    }
                    let host = handle.host();
                    if host.host_id() != before {
                        // It left, and joined a fleet again, which may be another one: what it knew of changes was of that one.
                        progress = MirrorProgress::default();
                        host.host_id().clone_into(&mut before);
                    }
                    told(&host.beat_and_mirror(&files, &mut progress));
                    if has_ended(&ended, interval) {
                        return;
                    }
                }
            })?;
        Ok(BeatThread { _end: end })
    }
}

/// Waits; true as soon as the rhythm is to end.
fn has_ended(ended: &Receiver<()>, time: Duration) -> bool {
    ended.recv_timeout(time) != Err(RecvTimeoutError::Timeout)
}

impl FleetHost {
    /// One beat, the records that changed, and the note of both for logins while this host is cut off.
    ///
    /// # Errors
    /// [`OutageReason`].
    pub fn beat_and_mirror(
        &self,
        files: &BeatFiles,
        progress: &mut MirrorProgress,
    ) -> Result<MirrorReport, OutageReason> {
        let report = report_of(files)?;
        match self.beat_now(report, &WorkDeadline::after(BEAT_TIME)) {
            Err(reason) if reason.is_of_standing() && self.follow_restoration(files, report)? => {
                self.beat_now(report, &WorkDeadline::after(BEAT_TIME))?;
            }
            other => other?,
        }
        let members = self.members(&WorkDeadline::after(BEAT_TIME))?.len();
        let before = FleetContact::read(&files.state).ok().flatten();
        let mut contact = FleetContact {
            met: report.time,
            mirrored: before.map_or(0, |it| it.mirrored),
            hosts: u32::try_from(members).unwrap_or(u32::MAX).max(1),
        };
        let store = FactorStore::open(&files.state, &files.policy);
        let mirrored = match store {
            Ok(store) => self.mirror(&store, progress, &WorkDeadline::after(MIRROR_TIME)),
            Err(error) => Err(OutageReason::HostFiles(error.to_string())),
        };
        // Of the moment before the store was asked: what came after it is not in the files.
        if mirrored.as_ref().is_ok_and(|report| report.is_whole) {
            contact.mirrored = report.time;
        }
        contact
            .write(&files.state)
            .map_err(|error| OutageReason::HostFiles(error.to_string()))?;
        mirrored
    }
}

/// This host's report on itself, as of now.
///
/// # Errors
/// [`OutageReason::HostFiles`] where the clock cannot be used.
pub fn report_of(files: &BeatFiles) -> Result<HostReport, OutageReason> {
    let time = clock::now().map_err(|error| OutageReason::HostFiles(error.to_string()))?;
    let policy = PolicyFile::new(&files.policy).load();
    Ok(HostReport {
        // A policy that cannot be read is another one than that of the other hosts.
        policy: policy.map_or(0, |loaded| loaded.fingerprint()),
        time,
    })
}
