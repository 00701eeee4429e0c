//! Files of a host that are renewed while its service runs, before the old ones end.

use std::fs;
use std::sync::Arc;
use std::sync::mpsc::channel;
use std::time::Duration;

use twofactor_fleet::attempt_steps::outage_reason::OutageReason;
use twofactor_fleet::etcd::deadline::WorkDeadline;
use twofactor_fleet::host::host_handle::{FileRenewal, HostHandle};
use twofactor_fleet::mirror::host_heartbeat::BeatFiles;
use twofactor_fleet::mirror::record_mirror::MirrorReport;

use super::test_hosts::{TestHost, founded};
use harness::etcd::certificates;
use harness::etcd::cluster::EtcdCluster;

impl TestHost {
    /// Puts a certificate of the cluster's in the place of the host's.
    fn take_certificate(&self, cluster: &EtcdCluster, name: &str) {
        for kind in ["crt", "key"] {
            let content = fs::read(cluster.path(&format!("{name}.{kind}"))).unwrap();
            let new = self.files.path().join(format!("new.{kind}"));
            fs::write(&new, content).unwrap();
            let private = std::os::unix::fs::PermissionsExt::from_mode(0o600);
            fs::set_permissions(&new, private).unwrap();
            fs::rename(new, self.files.path().join(format!("client.{kind}"))).unwrap();
        }
    }
}

#[test]
fn a_renewed_certificate_is_taken_before_its_end() {
    let cluster = EtcdCluster::start(&[]);
    let (a, _b) = founded(&cluster);
    let handle = Arc::new(HostHandle::open(&a.settings, &a.files.top()).unwrap());
    let first = handle.host();
    let (sender, beats) = channel();
    let told = Box::new(move |met: &Result<MirrorReport, OutageReason>| {
        let reason = met.as_ref().err().cloned();
        // The last one may come when the test is over.
        let _ = sender.send(reason.map_or(Ok(()), Err));
    });
    let files = BeatFiles {
        state: a.files.top(),
        policy: a.files.policy(),
    };
    let interval = Duration::from_millis(100);
    let rhythm = handle.start_beats(files, interval, told).unwrap();
    assert_eq!(beats.recv(), Ok(Ok(())));
    // One that etcd refuses: the host goes on with what it has.
    let extensions = "extendedKeyUsage=clientAuth\n";
    certificates::sign(&cluster.path(""), "named", "/CN=web1", extensions);
    a.take_certificate(&cluster, "named");
    let short = WorkDeadline::after(Duration::from_secs(2));
    assert_eq!(handle.renew(&short), FileRenewal::None);
    assert_eq!(beats.recv(), Ok(Ok(())));
    assert!(Arc::ptr_eq(&first, &handle.host()));
    certificates::sign(&cluster.path(""), "renewed", "/O=fleet", extensions);
    a.take_certificate(&cluster, "renewed");
    // It is looked at before each number that is written.
    while Arc::ptr_eq(&first, &handle.host()) {
        assert_eq!(beats.recv(), Ok(Ok(())));
    }
    assert_eq!(beats.recv(), Ok(Ok(())));
    drop(rhythm);
}
