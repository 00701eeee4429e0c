//! Backups that tell too little of a restoration: made while one was under way, or right after a host wrote its number.

use std::fs;
use std::path::Path;
use std::sync::Barrier;
use std::thread;

use super::killed_marks::{has_the_new_device, replaces_device};
use super::restoring::{begun, ended, ended_without_other, met_with, old_backup};
use super::test_hosts::{REPORT, soon};
use harness::etcd::cluster::EtcdCluster;
use twofactor_core::state::UserState;
use twofactor_fleet::attempt_steps::outage_reason::OutageReason;
use twofactor_fleet::host_files::host_settings::HostSettings;
use twofactor_fleet::host_membership::fleet_membership::{LocalHost, MembershipRun};
use twofactor_fleet::mirror::mirror_marks::MirrorMarks;
use twofactor_fleet::mirror::record_mark::MarkKind;
use twofactor_fleet::restored_store::store_restoration;
use twofactor_store::testing;
use twofactor_store::{FactorStore, SharedChange};

const LATER: u64 = 60_000_000_000;

/// All hosts had taken part when it was made, and one of them has learned more since.
#[test]
fn a_backup_of_a_restoration_ends_none() {
    let mut cluster = EtcdCluster::start(&[]);
    let (a, b) = met_with(&cluster, &["alice"]);
    let first = old_backup(&cluster, "first", (&a, &b));
    cluster.restore_snapshot(&first);
    begun(&a, &b);
    let second = cluster.path("second");
    cluster.take_snapshot(&second);
    let done = a.after_restore(&[], MembershipRun::Apply);
    assert_eq!((done.epoch, done.waiting), (2, vec![]));
    assert_eq!(a.beat(), Ok(0));
    a.use_code("alice", LATER);
    cluster.restore_snapshot(&second);
    // The other host saw nothing of the new epoch.
    assert_eq!(ended(&b, &a).epoch, 3);
    assert_eq!((a.beat(), b.beat()), (Ok(0), Ok(0)));
    assert_eq!(a.shared_next("alice"), LATER, "the used code stays used");
}

/// The host of the command was in its first epoch all the time.
#[test]
fn a_host_of_a_later_epoch_is_waited_for() {
    let mut cluster = EtcdCluster::start(&[]);
    let (a, b) = met_with(&cluster, &["alice"]);
    let first = old_backup(&cluster, "first", (&a, &b));
    cluster.restore_snapshot(&first);
    assert_eq!(ended_without_other(&a).epoch, 2);
    assert_eq!(a.beat(), Ok(0));
    a.use_code("alice", LATER);
    cluster.restore_snapshot(&first);
    let begun = b.after_restore(&[], MembershipRun::Apply);
    assert_eq!((begun.epoch, begun.waiting.len()), (2, 1));
    assert_eq!(a.beat(), Err(OutageReason::Restoration));
    let done = b.after_restore(&[], MembershipRun::Apply);
    assert_eq!((done.epoch, done.waiting), (3, vec![]));
    assert_eq!((a.beat(), b.beat()), (Ok(0), Ok(0)));
    assert_eq!(b.shared_next("alice"), LATER);
}

/// By its number it cannot know that the store went back.
#[test]
fn a_host_with_its_newest_number_takes_part() {
    let mut cluster = EtcdCluster::start(&[]);
    let (a, b) = met_with(&cluster, &["alice"]);
    let backup = cluster.path("backup");
    cluster.take_snapshot(&backup);
    assert_eq!(a.beat(), Ok(0));
    b.use_code("alice", LATER);
    let service = b.open_as_it_is();
    cluster.restore_snapshot(&backup);
    assert_eq!(a.beat(), Err(OutageReason::WentBack));
    assert_eq!(a.after_restore(&[], MembershipRun::Apply).waiting.len(), 1);
    // From this moment on no host uses the store.
    let step = |shared: &UserState| shared.clone();
    let refused = service.commit("alice", &SharedChange::State(&step), &soon());
    assert_eq!(
        refused.map_err(OutageReason::from),
        Err(OutageReason::Restoration)
    );
    assert_eq!(b.beat(), Err(OutageReason::Restoration));
    let done = a.after_restore(&[], MembershipRun::Apply);
    assert_eq!((done.epoch, done.waiting), (2, vec![]));
    assert_eq!((a.beat(), b.beat()), (Ok(0), Ok(0)));
    assert_eq!(a.shared_next("alice"), LATER);
}

/// The command is killed after the store has the new epoch, and before the host knows of that.
#[test]
fn an_epoch_whose_command_was_killed_is_followed() {
    let mut cluster = EtcdCluster::start(&[]);
    let (a, b) = met_with(&cluster, &["alice"]);
    let backup = old_backup(&cluster, "backup", (&a, &b));
    cluster.restore_snapshot(&backup);
    begun(&a, &b);
    let halfway = cluster.path("halfway");
    cluster.take_snapshot(&halfway);
    let place = a.files.top().join("fleet/host");
    let before = fs::read_to_string(&place).unwrap();
    assert!(
        a.after_restore(&[], MembershipRun::Apply)
            .waiting
            .is_empty()
    );
    // It forgot that it began one before that.
    let (first, rest) = before.split_once("\nbegun ").unwrap();
    let (_, rest) = rest.split_once('\n').unwrap();
    let killed = format!("{first}\nbegun none\n{rest}");
    fs::write(&place, &killed).unwrap();
    assert_eq!(b.beat(), Ok(0));
    b.use_code("alice", LATER);
    // Of this backup both have taken part, and one of them has learned more.
    cluster.restore_snapshot(&halfway);
    assert_eq!(b.beat(), Err(OutageReason::Restoration));
    ended(&a, &b);
    let known = fs::read(&place).unwrap();
    fs::write(&place, &killed).unwrap();
    a.restart_service();
    assert_eq!((a.beat(), b.beat()), (Ok(0), Ok(0)));
    assert_ne!(fs::read(&place).unwrap(), known);
    assert_eq!(a.shared_next("alice"), LATER, "the used code stays used");
    assert_eq!((a.beat(), b.beat()), (Ok(0), Ok(0)));
}

/// The process that removed alice on this host was killed before her record was gone.
#[test]
fn a_removal_that_was_not_finished_is_brought_back() {
    let mut cluster = EtcdCluster::start(&[]);
    let (a, b) = met_with(&cluster, &["alice", "bob"]);
    let backup = old_backup(&cluster, "backup", (&a, &b));
    let marks = MirrorMarks::open(&b.files.top().join("fleet")).unwrap();
    let (revision, _) = marks.of("alice").unwrap().unwrap();
    marks
        .note("alice", revision + 1, MarkKind::Removed)
        .unwrap();
    // Of bob another record was noted, which never came here. The one that is here is no newer one.
    let other = MarkKind::of(a.record("alice").as_ref());
    marks.note("bob", revision + 7, other).unwrap();
    cluster.restore_snapshot(&backup);
    ended(&a, &b);
    assert_eq!(a.beat(), Ok(1), "alice was removed");
    assert!(a.record("alice").is_none() && a.record("bob").is_some());
    // Nor does the mark of the record that never came keep that of the store from this host.
    assert_eq!(b.beat(), Ok(1), "alice was removed");
    let view = a.open().view(&a.files.store(), &soon());
    assert_eq!(view.unwrap().users, 1);
}

/// Each of two hosts left the other one out, after a backup of its own.
#[test]
fn another_epoch_of_the_same_number_is_followed() {
    let mut cluster = EtcdCluster::start(&[]);
    let (a, b) = met_with(&cluster, &["alice"]);
    let backup = old_backup(&cluster, "backup", (&a, &b));
    cluster.restore_snapshot(&backup);
    assert_eq!(ended_without_other(&a).epoch, 2);
    // Of this history the other host knows nothing, however many changes there are.
    (0..3).for_each(|_| replaces_device(&a, testing::phone()));
    a.use_code("alice", LATER);
    cluster.restore_snapshot(&backup);
    assert_eq!(ended_without_other(&b).epoch, 2);
    replaces_device(&b, testing::token());
    assert_eq!(a.beat(), Ok(1));
    assert!(has_the_new_device(&a) && has_the_new_device(&b));
    let again = a.after_restore(&[], MembershipRun::DryRun);
    assert_eq!(again.epoch, 3);
}

/// Only one of them writes in the place of the entry that both saw.
#[test]
fn restorations_begun_at_once_have_own_numbers() {
    let mut cluster = EtcdCluster::start(&[]);
    let (a, b) = met_with(&cluster, &["alice"]);
    let backup = old_backup(&cluster, "backup", (&a, &b));
    cluster.restore_snapshot(&backup);
    let together = Barrier::new(2);
    let begin = |state: &Path, policy: &Path, settings: &Path| {
        let store = FactorStore::open(state, policy).unwrap();
        let settings = HostSettings::load(settings).unwrap();
        let local = LocalHost {
            store: &store,
            state,
            report: REPORT,
        };
        together.wait();
        let run = (MembershipRun::Apply, 1);
        let begun = store_restoration::after_restore(local, &settings, &[], run, &|_, _| ());
        begun.map(|begun| begun.epoch)
    };
    let files = [&a, &b].map(|it| (it.files.top(), it.files.policy(), it.settings.clone()));
    let begun: Vec<_> = thread::scope(|scope| {
        let begin = &begin;
        let threads = files
            .iter()
            .map(|(state, policy, settings)| scope.spawn(move || begin(state, policy, settings)));
        let threads: Vec<_> = threads.collect();
        threads.into_iter().map(|it| it.join().unwrap()).collect()
    });
    assert!(begun.iter().any(Result::is_ok), "{begun:?}");
    assert_ne!(begun[0], begun[1]);
    let next = a.after_restore(&[], MembershipRun::DryRun).epoch;
    assert!(begun.iter().flatten().all(|epoch| *epoch <= next));
}
