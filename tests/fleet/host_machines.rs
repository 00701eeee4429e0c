//! Private machines that are hosts of one fleet. Each has a thread, a network and a way to the store of its own, which can be cut.

use std::io::{self, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use harness::twofactord::Daemon;
use harness::{Machine, enrolled};
use twofactor_core::state::UserState;
use twofactor_core::{POLICY_FILE, STATE_DIR};
use twofactor_fleet::etcd::deadline::WorkDeadline;
use twofactor_fleet::host::fleet_host::FleetHost;
use twofactor_fleet::host_files::host_settings::{HostSettings, beside};
use twofactor_fleet::host_membership::fleet_membership::{LocalHost, MembershipRun};
use twofactor_fleet::host_membership::founding;
use twofactor_fleet::host_membership::joining;
use twofactor_fleet::sealed_values::host_entry::HostReport;
use twofactor_store::FactorStore;

use harness::etcd::cluster::{EtcdCluster, PASSWORD};

/// The key of the fleet, on each host.
pub const KEY: &str = "/etc/security/twofactor-fleet.key";
/// Longest wait for what has to become true.
pub const LIMIT: Duration = Duration::from_secs(60);

type HostJob = Box<dyn FnOnce(&mut HostMachine) + Send>;

/// A machine, with the service of the fleet on it.
pub struct HostMachine {
    pub machine: Machine,
    pub daemon: Option<Daemon>,
}

/// A host of the fleet.
pub struct MemberHost {
    jobs: Option<Sender<HostJob>>,
    thread: Option<thread::JoinHandle<()>>,
    pub link: Arc<StoreLink>,
}

/// The way from a host to the members of etcd.
#[derive(Default)]
pub struct StoreLink {
    is_cut: AtomicBool,
    is_held: AtomicBool,
    /// Milliseconds.
    delay: AtomicU64,
    open: Mutex<Vec<TcpStream>>,
}

/// One of the two ways of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum LinkWay {
    /// From the host to a member.
    There,
    /// From the member to the host.
    Back,
}

impl MemberHost {
    /// A machine with this policy. The first one founds the fleet; others join it with its key.
    pub fn start(cluster: &EtcdCluster, policy: &str) -> Self {
        let link = Arc::new(StoreLink::default());
        let (jobs, waiting) = channel::<HostJob>();
        let (listening, listeners) = channel();
        let policy = policy.to_owned();
        let members = cluster.endpoints().len();
        let thread = thread::spawn(move || {
            let machine = enrolled::machine(&policy);
            let bind = |_| TcpListener::bind("127.0.0.1:0").unwrap();
            let own: Vec<TcpListener> = (0..members).map(bind).collect();
            listening.send(own).unwrap();
            serve(machine, &waiting);
        });
        // Made here, they connect from the network of the store.
        let listeners: Vec<TcpListener> = listeners.recv().unwrap();
        let mut endpoints = Vec::new();
        for (listener, endpoint) in listeners.into_iter().zip(cluster.endpoints()) {
            let port = listener.local_addr().unwrap().port();
            endpoints.push(format!("\"https://127.0.0.1:{port}\""));
            let store = endpoint.trim_start_matches("https://").to_owned();
            let link = Arc::clone(&link);
            thread::spawn(move || forward(&listener, &store, &link));
        }
        let member = Self {
            jobs: Some(jobs),
            thread: Some(thread),
            link,
        };
        member.write_settings(cluster, &endpoints.join(", "));
        member
    }

    fn write_settings(&self, cluster: &EtcdCluster, endpoints: &str) {
        let files = ["ca.crt", "client.crt", "client.key"];
        let read = |name| (name, std::fs::read(cluster.path(name)).unwrap());
        let files = files.map(read);
        let text = format!(
            "endpoints = [{endpoints}]\nauthorities = \"/etc/security/ca.crt\"\n\
             certificate = \"/etc/security/client.crt\"\nprivate_key = \"/etc/security/client.key\"\n\
             user = \"host\"\npassword = \"{PASSWORD}\"\nkey_file = \"{KEY}\"\n"
        );
        self.run(move |host| {
            for (name, content) in files {
                let path = Path::new("/etc/security").join(name);
                host.machine.write_file(path, content, 0o600);
            }
            host.machine.write_file(settings(), text, 0o600);
        });
    }

    /// Runs a job on the machine, as its root.
    pub fn run<T: Send + 'static>(
        &self,
        job: impl FnOnce(&mut HostMachine) -> T + Send + 'static,
    ) -> T {
        let (done, result) = channel();
        let job: HostJob = Box::new(move |host| done.send(job(host)).unwrap());
        self.jobs.as_ref().unwrap().send(job).unwrap();
        result.recv().expect("the job failed")
    }

    /// Founds the fleet with the users of this host; returns the key.
    pub fn found(&self) -> Vec<u8> {
        self.run(|_| {
            with_local(|local, settings| {
                founding::found(local, settings, MembershipRun::Apply, &|_, _| ()).unwrap();
            });
            std::fs::read(KEY).unwrap()
        })
    }

    /// Joins the fleet.
    pub fn join(&self, key: Vec<u8>) {
        self.run(move |host| {
            host.machine.write_file(KEY, key, 0o600);
            with_local(|local, settings| {
                let key = Path::new(KEY);
                let joined = joining::join(local, settings, key, MembershipRun::Apply, &|_, _| ());
                assert_eq!(joined.unwrap().conflicts, []);
            });
        });
    }

    /// The state of a user in the store. The service writes no number meanwhile.
    pub fn shared_state(user: &str) -> UserState {
        let host = FleetHost::open(&settings(), Path::new(STATE_DIR)).unwrap();
        let (lock, time) = (host.directory().lock().unwrap(), WorkDeadline::after(LIMIT));
        host.settle(&lock, &time).unwrap();
        host.user_state(user, &time).unwrap()
    }

    /// Starts the service of the fleet.
    pub fn serve(&self) {
        self.run(|host| host.daemon = Some(host.machine.fleet_daemon()));
    }

    /// Waits until something is true on the machine.
    pub fn until(&self, is_true: impl Fn(&HostMachine) -> bool + Send + 'static) {
        self.run(move |host| {
            let end = Instant::now() + LIMIT;
            while !is_true(host) {
                let log = host.daemon.as_ref().map(Daemon::log);
                assert!(Instant::now() < end, "it does not come true: {log:?}");
                thread::sleep(Duration::from_millis(20));
            }
        });
    }
}

impl Drop for MemberHost {
    fn drop(&mut self) {
        drop(self.jobs.take());
        if let Some(thread) = self.thread.take() {
            let ended = thread.join();
            assert!(ended.is_ok() || thread::panicking(), "a machine panicked");
        }
    }
}

fn serve(machine: Machine, jobs: &Receiver<HostJob>) {
    let mut host = HostMachine {
        machine,
        daemon: None,
    };
    while let Ok(job) = jobs.recv() {
        job(&mut host);
    }
    drop(host.daemon.take());
}

pub fn settings() -> PathBuf {
    beside(Path::new(POLICY_FILE))
}

pub fn with_local(act: impl FnOnce(LocalHost<'_>, &HostSettings)) {
    let (state, policy) = (Path::new(STATE_DIR), Path::new(POLICY_FILE));
    let store = FactorStore::open(state, policy).unwrap();
    let report = HostReport { policy: 1, time: 1 };
    let local = LocalHost {
        store: &store,
        state,
        report,
    };
    act(local, &HostSettings::load(&settings()).unwrap());
}

impl StoreLink {
    /// Holds up all that goes this way, or lets it go on.
    pub fn set_held(&self, is_held: bool) {
        self.is_held.store(is_held, Ordering::SeqCst);
    }

    /// From now on each part of what members answer comes so much later.
    pub fn set_delay(&self, delay: Duration) {
        let delay = delay.as_millis().try_into().unwrap();
        self.delay.store(delay, Ordering::SeqCst);
    }

    /// Passes on what one end sends, as long as both are open.
    fn pass(&self, way: LinkWay, from: &mut TcpStream, to: &mut TcpStream) -> io::Result<()> {
        let mut part = [0; 16384];
        loop {
            let count = from.read(&mut part)?;
            if way == LinkWay::Back {
                let delay = self.delay.load(Ordering::SeqCst);
                thread::sleep(Duration::from_millis(delay));
            }
            while self.is_held.load(Ordering::SeqCst) {
                thread::sleep(Duration::from_millis(5));
            }
            if count == 0 {
                return Ok(());
            }
            to.write_all(&part[..count])?;
        }
    }

    /// Cuts the host off, or connects it again.
    pub fn set_cut(&self, is_cut: bool) {
        self.is_cut.store(is_cut, Ordering::SeqCst);
        let mut open = self.open.lock().unwrap();
        for stream in open.drain(..) {
            let _ = stream.shutdown(std::net::Shutdown::Both);
        }
    }
}

/// Passes connections on, as long as the link is whole.
fn forward(listener: &TcpListener, store: &str, link: &Arc<StoreLink>) {
    for client in listener.incoming() {
        let Ok(client) = client else {
            return;
        };
        let Ok(server) = TcpStream::connect(store) else {
            continue;
        };
        let mut open = link.open.lock().unwrap();
        if link.is_cut.load(Ordering::SeqCst) {
            continue;
        }
        open.extend([client.try_clone().unwrap(), server.try_clone().unwrap()]);
        drop(open);
        let back = (server.try_clone().unwrap(), client.try_clone().unwrap());
        let ways = [(LinkWay::There, (client, server)), (LinkWay::Back, back)];
        for (way, (mut from, mut to)) in ways {
            let link = Arc::clone(link);
            thread::spawn(move || {
                let _ = link.pass(way, &mut from, &mut to);
                let _ = to.shutdown(std::net::Shutdown::Both);
            });
        }
    }
}
