//! Replies of a member that are faulty, cut off, without an end, late, of another request or of a later version: each of them ends an
//! attempt in an outage, in time, or in a result that the store has.

use std::cell::Cell;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use serde_json::{Value, json};
use twofactor_fleet::etcd::etcd_gateway::TimeLeft;
use twofactor_fleet::etcd::gateway_message::TransactionAnswer;

use super::changed_part::{ChangedPart, every, with_later_fields};
use super::faulty_fleet::{FaultyEnd, FaultyFleet, LONG, REQUEST, ReplyKind};
use super::faulty_member::{MemberExchange, SentReply};
use super::fleet::{AttemptDeadline, RetriesLeft, keys};
use harness::etcd::cluster::EtcdCluster;

/// Time of an attempt that waits for bytes.
const LATE: Duration = Duration::from_millis(700);

/// A reply in the place of a member's, by name.
type NamedFault = (&'static str, fn(&MemberExchange) -> SentReply);

#[test]
fn no_changed_part_of_a_read_is_believed() {
    let cluster = EtcdCluster::start(&[]);
    let mut faulty = FaultyFleet::new(&cluster);
    let [accepted, outages] = faulty.with_each_change(MemberExchange::is_read);
    // Of numbers that are of no concern, such as the member's id, nothing depends.
    let few = 40 / every();
    assert!(accepted > few && outages > few, "{accepted} {outages}");
}

/// A result that such a reply leaves open is read back.
#[test]
fn no_changed_part_of_a_write_is_believed() {
    let cluster = EtcdCluster::start(&[]);
    let mut faulty = FaultyFleet::new(&cluster);
    let [accepted, outages] = faulty.with_each_change(MemberExchange::is_write);
    assert!(accepted > 40 / every(), "{accepted} {outages}");
}

/// Where another host came first.
#[test]
fn no_changed_part_of_a_refusal_is_a_write() {
    let cluster = EtcdCluster::start(&[]);
    let mut faulty = FaultyFleet::new(&cluster);
    let keys = keys("alice", 0);
    let gateway = &faulty.fleet.gateways[0];
    let time = AttemptDeadline::after(LONG);
    let old = gateway.read(&keys, &time).unwrap();
    faulty.accepts();
    let (tell, told) = std::sync::mpsc::channel();
    faulty.member.change(move |exchange| {
        tell.send(exchange.reply.clone()).unwrap();
        exchange.whole()
    });
    let gateway = &faulty.fleet.gateways[0];
    let refused = gateway.write(&keys, &old, b"new", &time);
    assert!(matches!(refused, Ok(TransactionAnswer::Other(_))));
    let whole: Value = serde_json::from_str(&told.recv().unwrap()).unwrap();
    for part in ChangedPart::tried(&whole) {
        let at = format!("{part:?}");
        let broken = part.made_in(whole.clone()).to_string();
        faulty
            .member
            .change(move |_| SentReply::of(200, broken.as_bytes()));
        let answer = gateway.write(&keys, &old, b"new", &RetriesLeft::few());
        assert!(!matches!(answer, Ok(TransactionAnswer::Done)), "{at}");
    }
}

/// Replies in the place of each one of a kind, by name.
pub fn faults() -> Vec<NamedFault> {
    vec![
        ("closed", |_| SentReply::raw(b"")),
        ("no HTTP", |_| SentReply::raw(b"SSH-2.0-OpenSSH\r\n\r\n")),
        ("no length", |_| SentReply::raw("HTTP/1.1 200 OK\r\n\r\n{")),
        ("a huge length", |_| {
            SentReply::raw("HTTP/1.1 200 OK\r\ncontent-length: 99999999999999999999\r\n\r\n{}")
        }),
        ("half a head", |it| it.whole().cut(20)),
        ("half a body", |it| it.whole().cut(120)),
        ("a broken chunk", |_| {
            SentReply::raw("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n{}")
        }),
        ("chunks without an end", |_| {
            SentReply::raw("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\n{}\r\n")
        }),
        ("nothing in it", |_| SentReply::of(200, b"")),
        ("no content", |_| SentReply::of(204, b"")),
        ("a page", |_| SentReply::of(200, b"<html>it works</html>")),
        ("no UTF-8", |_| SentReply::of(200, b"{\"header\":\"\xff\"}")),
        ("deep", |_| SentReply::of(200, &[b'['; 200_000])),
        ("elsewhere", |_| {
            SentReply::raw(
                "HTTP/1.1 302 Found\r\nlocation: https://127.0.0.1:1/\r\ncontent-length: 0\r\n\r\n",
            )
        }),
        ("an error", |_| SentReply::of(500, b"{\"code\":13}")),
        ("no such call", |_| {
            SentReply::of(404, b"404 page not found")
        }),
        ("packed", |_| {
            SentReply::raw(
                "HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: 2\r\n\r\n{}",
            )
        }),
        ("huge", |it| {
            let padding = " ".repeat(5 * 1024 * 1024);
            SentReply::of(200, format!("{padding}{}", it.reply).as_bytes())
        }),
        ("of a read", |_| {
            let read = json!({"header": {"revision": "7"}, "succeeded": true, "responses": [
                {"response_range": {}}, {"response_range": {}}, {"response_range": {}}]});
            SentReply::of(200, read.to_string().as_bytes())
        }),
        ("of a change", |_| {
            let write = json!({"header": {"revision": "7"}, "succeeded": true, "responses": [
                {"response_put": {}}, {"response_put": {}}]});
            SentReply::of(200, write.to_string().as_bytes())
        }),
        ("twice", |it| it.whole().twice()),
    ]
}

/// Faults of replies whose bytes come too late, or without end.
fn late_faults() -> Vec<NamedFault> {
    vec![
        ("no answer", |it| {
            it.whole().cut(0).and_on(b"", Duration::from_millis(20))
        }),
        ("slow", |it| {
            it.whole().cut(150).and_on(b" ", Duration::from_millis(20))
        }),
        ("a head without an end", |it| {
            let (field, none) = (b"x-more: 1\r\n".repeat(400), Duration::ZERO);
            it.whole().cut(17).and_on(&field, none)
        }),
        ("a body without an end", |it| {
            let head = "HTTP/1.1 200 OK\r\n\r\n";
            let whole = SentReply::raw(format!("{head}{}", it.reply));
            whole.and_on(&[b' '; 64 * 1024], Duration::ZERO)
        }),
        ("drops", |it| {
            let head = "HTTP/1.1 200 OK\r\ncontent-length: 100000\r\n\r\n";
            let whole = SentReply::raw(format!("{head}{}", it.reply));
            whole.and_on(b" ", Duration::from_millis(100))
        }),
    ]
}

#[test]
fn a_broken_reply_is_an_outage_or_what_is_stored() {
    let cluster = EtcdCluster::start(&[]);
    let mut faulty = FaultyFleet::new(&cluster);
    let kinds: [(&str, ReplyKind); 3] = [
        ("read", MemberExchange::is_read),
        ("write", MemberExchange::is_write),
        ("all", |_| true),
    ];
    let at_once = faults().into_iter().map(|fault| (fault, false));
    let late = late_faults().into_iter().map(|fault| (fault, true));
    for ((name, fault), is_late) in at_once.chain(late) {
        for (kind, is_it) in kinds {
            faulty.member.change(move |exchange| match is_it(exchange) {
                true => fault(exchange),
                false => exchange.whole(),
            });
            let at = format!("{name}: {kind}");
            let end = match is_late {
                true => faulty.attempt_within(&AttemptDeadline::after(LATE), LATE, &at),
                false => faulty.attempt(&at),
            };
            let is_harmless = name == "twice";
            let is_outage = end == FaultyEnd::Outage;
            assert!(kind == "write" || is_harmless || is_outage, "{at}");
            faulty.member.change_nothing();
            faulty.accepts();
        }
    }
}

/// Replies with anything in the place of the answer.
#[test]
fn a_write_that_did_not_arrive_is_not_told() {
    let cluster = EtcdCluster::start(&[]);
    let mut faulty = FaultyFleet::new(&cluster);
    let before = faulty.fleet.stored("alice");
    faulty.member.lose_writes(true);
    for (name, fault) in faults() {
        faulty
            .member
            .change(move |exchange| match exchange.is_write() {
                true => fault(exchange),
                false => exchange.whole(),
            });
        assert_eq!(faulty.attempt(name), FaultyEnd::Outage, "{name}");
    }
    assert_eq!(faulty.fleet.stored("alice"), before);
    faulty.member.lose_writes(false);
    faulty.member.change_nothing();
    faulty.accepts();
}

/// A member that knows more than this version.
#[test]
fn fields_of_a_later_version_change_nothing() {
    let cluster = EtcdCluster::start(&[]);
    let mut faulty = FaultyFleet::new(&cluster);
    faulty.member.change(|exchange| {
        let reply: Value = serde_json::from_str(&exchange.reply).unwrap();
        let later = with_later_fields(reply).to_string();
        SentReply::of(exchange.status, later.as_bytes())
    });
    faulty.accepts();
    // Of one that refuses with words and numbers of its own.
    for status in [400, 401, 403, 429, 500, 503, 599] {
        faulty.member.change(move |_| {
            let refusal = json!({"code": 9_999_999_999_u64, "message": {"text": "x"}});
            SentReply::of(status, refusal.to_string().as_bytes())
        });
        let end = faulty.attempt(&status.to_string());
        assert_eq!(end, FaultyEnd::Outage);
    }
    faulty.member.change_nothing();
    faulty.accepts();
}

/// No token that is asked for is ever good.
#[test]
fn a_member_that_knows_no_token_is_an_outage() {
    let cluster = EtcdCluster::start(&[]);
    let mut faulty = FaultyFleet::new(&cluster);
    for said in [
        json!({"error": "etcdserver: invalid auth token", "code": 16}),
        json!({"error": "etcdserver: user name is empty", "code": 3}),
    ] {
        faulty
            .member
            .change(move |exchange| match exchange.path.as_str() {
                "/v3/auth/authenticate" => exchange.whole(),
                _ => SentReply::of(401, said.to_string().as_bytes()),
            });
        assert_eq!(faulty.attempt("refused"), FaultyEnd::Outage);
    }
    for token in [
        json!(""),
        json!(null),
        json!(7),
        json!("a\r\nb: c"),
        json!("\u{e9}"),
    ] {
        let said = json!({"token": token}).to_string();
        faulty
            .member
            .change(move |exchange| match exchange.path.as_str() {
                "/v3/auth/authenticate" => SentReply::of(200, said.as_bytes()),
                _ => SentReply::of(401, b"{\"code\":16}"),
            });
        assert_eq!(faulty.attempt(&token.to_string()), FaultyEnd::Outage);
    }
    faulty.member.change_nothing();
    faulty.accepts();
}

/// Time that is over after some pauses, or after it was looked at too often.
struct PausedTime {
    retries: RetriesLeft,
    looks: Cell<u32>,
}

impl TimeLeft for PausedTime {
    fn left(&self) -> Duration {
        self.looks.set(self.looks.get().saturating_sub(1));
        self.retries.left() * self.looks.get().min(1)
    }

    fn pause(&self, time: Duration) {
        self.retries.pause(time);
    }
}

/// It refuses each write at once, and is asked again with pauses.
#[test]
fn a_full_store_is_not_flooded() {
    let cluster = EtcdCluster::start(&["--quota-backend-bytes", "4000000"]);
    let mut faulty = FaultyFleet::new(&cluster);
    let filler = "x".repeat(100_000);
    let fill = || cluster.etcdctl(&["put", "/filler", &filler], true);
    assert!((0..200).any(|_| !fill().status.success()));
    let writes = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&writes);
    faulty.member.change(move |exchange| {
        counted.fetch_add(usize::from(exchange.is_write()), Ordering::SeqCst);
        exchange.whole()
    });
    // Over after three pauses; without them, after a hundred looks at the time.
    let time = PausedTime {
        retries: RetriesLeft::few(),
        looks: Cell::new(100),
    };
    let end = faulty.attempt_within(&time, 4 * REQUEST, "full");
    assert_eq!(end, FaultyEnd::Outage);
    let writes = writes.load(Ordering::SeqCst);
    assert!((1..=3).contains(&writes), "{writes} writes");
}
