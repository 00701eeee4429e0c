//! A host whose member gives faulty replies. It removes nothing, and takes no list for whole that is not. It knows of each change
//! that it was made, that it was not, or that this is unknown. It goes on as soon as the replies are whole.

use std::fs;
use std::time::{Duration, Instant};

use serde_json::Value;
use twofactor_core::state::UserState;
use twofactor_fleet::etcd::etcd_gateway::TimeLeft;
use twofactor_fleet::factor_changes::factor_commit::{
    self, CommitFault, CommitTarget, ExpectedRecord, FactorCommit, RecordPart,
};
use twofactor_fleet::mirror::record_mirror::MirrorProgress;

use super::changed_part::{ChangedPart, every};
use super::faulty_fleet::ReplyKind;
use super::faulty_member::{FaultyMember, MemberExchange, SentReply};
use super::faulty_replies::faults;
use super::fleet::RetriesLeft;
use super::test_hosts::{REPORT, TestHost, founded, soon};
use harness::etcd::cluster::EtcdCluster;

impl TestHost {
    /// From now on the host reaches its store through this member alone.
    fn goes_through(&self, member: &FaultyMember) {
        let text = fs::read_to_string(&self.settings).unwrap();
        let (_, rest) = text.split_once('\n').unwrap();
        let text = format!("endpoints = [{:?}]\n{rest}", member.endpoint());
        fs::write(&self.settings, text).unwrap();
    }

    fn has_records(&self, users: &[&str]) -> bool {
        users.iter().all(|user| self.record(user).is_some())
    }
}

fn is_list(exchange: &MemberExchange) -> bool {
    exchange.path == "/v3/kv/range"
}

/// Does some work once with each change of a part of the replies of a kind, of which this is one; `before` with whole ones.
fn with_each_change(
    member: &FaultyMember,
    (whole, is_it): (&Value, ReplyKind),
    before: impl Fn(),
    mut work: impl FnMut(&str),
) {
    for part in ChangedPart::tried(whole) {
        let at = format!("{part:?}");
        member.change_nothing();
        before();
        member.change(move |exchange| {
            let now: Value = serde_json::from_str(&exchange.reply).unwrap();
            // Of another request of the kind, the reply may lack it.
            if !is_it(exchange) || !part.is_in(&now) {
                return exchange.whole();
            }
            SentReply::of(200, part.made_in(now).to_string().as_bytes())
        });
        let begun = Instant::now();
        work(&at);
        assert!(begun.elapsed() < Duration::from_secs(15), "{at}");
    }
    member.change_nothing();
}

/// A reply of a kind, as the member gives it while this is done.
fn genuine(member: &FaultyMember, is_it: ReplyKind, work: impl FnOnce()) -> Value {
    let (tell, told) = std::sync::mpsc::channel();
    member.change(move |exchange| {
        if is_it(exchange) {
            let _ = tell.send(exchange.reply.clone());
        }
        exchange.whole()
    });
    work();
    member.change_nothing();
    serde_json::from_str(&told.iter().last().unwrap()).unwrap()
}

#[test]
fn no_faulty_list_hides_or_removes_a_user() {
    let cluster = EtcdCluster::start(&[]);
    let (a, b) = founded(&cluster);
    a.enroll("alice", 64001);
    a.enroll("bob", 64002);
    assert_eq!(b.mirror().changed, 2);
    let member = FaultyMember::before(&cluster);
    b.goes_through(&member);
    a.enroll("carol", 64003);
    let host = b.open();
    let all = ["alice", "bob", "carol"];
    let store = b.files.store();
    let look = |time: &dyn TimeLeft| host.mirror(&store, &mut MirrorProgress::default(), time);
    let anew = || {
        if b.record("carol").is_some() {
            a.store().discard("carol").unwrap();
            assert_eq!(look(&soon()).unwrap().changed, 1);
            a.enroll("carol", 64003);
        }
    };
    let whole = genuine(&member, is_list, || {
        look(&soon()).unwrap();
    });
    assert!(b.has_records(&all));
    with_each_change(&member, (&whole, is_list), anew, |at| {
        let looked = look(&RetriesLeft::few());
        assert!(b.has_records(&all[..2]), "{at}: {looked:?}");
        let is_whole = looked.as_ref().is_ok_and(|it| it.is_whole);
        assert!(!is_whole || b.has_records(&all), "{at}: {looked:?}");
    });
    anew();
    look(&soon()).unwrap();
    assert!(b.has_records(&all));
}

#[test]
fn a_change_with_a_faulty_reply_ends_known_or_unknown() {
    let cluster = EtcdCluster::start(&[]);
    let (a, b) = founded(&cluster);
    a.enroll("alice", 64001);
    let member = FaultyMember::before(&cluster);
    b.goes_through(&member);
    let host = b.open();
    let target = CommitTarget {
        gateway: host.gateway(),
        key: host.key(),
        host: host.host_key(),
        standing: &host,
    };
    let reports = |next: u32, time: &dyn TimeLeft| {
        let step = |shared: Option<&UserState>, _| UserState {
            unreported: next,
            ..shared.unwrap().clone()
        };
        let change = FactorCommit {
            user: "alice",
            expected: ExpectedRecord::Matching(&|stored| stored.is_some()),
            record: RecordPart::Keep,
            state: &step,
            count: None,
        };
        factor_commit::commit(&target, &change, time)
    };
    let other = a.open();
    let stored = || other.user_state("alice", &soon()).unwrap().unreported;
    let mut next = 1;
    let mut ends = [0, 0, 0];
    for is_it in [MemberExchange::is_read, MemberExchange::is_write] {
        let whole = genuine(&member, is_it, || {
            reports(1, &soon()).unwrap();
        });
        with_each_change(
            &member,
            (&whole, is_it),
            || (),
            |at| {
                let before = next;
                next += 1;
                match reports(next, &RetriesLeft::few()) {
                    Ok(_) => {
                        assert_eq!(stored(), next, "{at}");
                        ends[0] += 1;
                    }
                    Err(CommitFault::UnknownEnd(_)) => {
                        let now = stored();
                        assert!(now == next || now == before, "{at}");
                        next = now.max(before);
                        ends[1] += 1;
                    }
                    Err(CommitFault::Outage(_)) => {
                        assert_eq!(stored(), before, "{at}");
                        next = before;
                        ends[2] += 1;
                    }
                    Err(fault) => panic!("{at}: {fault}"),
                }
            },
        );
        assert!(reports(next, &soon()).is_ok());
    }
    assert!(ends[0] > 40 / every() && ends[2] > 20 / every(), "{ends:?}");
    // One that never arrives.
    member.lose_writes(true);
    for (name, fault) in faults() {
        member.change(move |exchange| match exchange.is_write() {
            true => fault(exchange),
            false => exchange.whole(),
        });
        let lost = reports(next + 1, &RetriesLeft::few());
        let is_told = matches!(
            lost,
            Err(CommitFault::UnknownEnd(_) | CommitFault::Outage(_))
        );
        assert!(is_told, "{name}: {lost:?}");
    }
    assert_eq!(stored(), next);
}

#[test]
fn no_faulty_reply_makes_a_host_lose_its_number() {
    let cluster = EtcdCluster::start(&[]);
    let (_a, b) = founded(&cluster);
    let member = FaultyMember::before(&cluster);
    b.goes_through(&member);
    let host = b.open();
    for is_it in [MemberExchange::is_read, MemberExchange::is_write] {
        let whole = genuine(&member, is_it, || {
            host.beat_now(REPORT, &soon()).unwrap();
        });
        with_each_change(
            &member,
            (&whole, is_it),
            || (),
            |_| {
                let _ = host.beat_now(REPORT, &RetriesLeft::few());
            },
        );
        assert_eq!(host.beat_now(REPORT, &soon()), Ok(()));
        // Also a service that begins anew, and knows of the number by the file alone.
        assert_eq!(b.open().beat_now(REPORT, &soon()), Ok(()));
    }
}
