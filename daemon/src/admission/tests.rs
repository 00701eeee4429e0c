//! Limits, one after the other, and many steps in any order.

use super::*;

type Connections = OpenConnections<u32>;

/// Opens a connection of a uid that waits for its client.
fn silent(open: &mut Connections, uid: u32) -> u64 {
    open.admit(uid, uid).unwrap().number
}

/// Opens one that is being answered.
fn answered(open: &mut Connections, uid: u32) -> u64 {
    let number = silent(open, uid);
    assert!(open.begin_answer(number).is_some());
    number
}

fn known(open: &mut Connections, uid: u32) -> u64 {
    let number = silent(open, uid);
    open.recognize(number);
    number
}

fn evicted_for(open: &mut Connections, uid: u32) -> Option<u32> {
    let evicted = open.admit(uid, uid).unwrap().evicted?;
    assert!(open.begin_answer(evicted.number).is_none());
    Some(evicted.handle)
}

#[test]
fn a_user_has_sixteen_connections() {
    let mut open = Connections::default();
    let numbers: Vec<u64> = (0..16).map(|_| silent(&mut open, 1000)).collect();
    assert_eq!(open.admit(1000, 0), Err(NoPlace));
    silent(&mut open, 1001);
    open.close(numbers[3]);
    silent(&mut open, 1000);
    assert_eq!(open.admit(1000, 0), Err(NoPlace));
}

#[test]
fn the_oldest_silent_connection_gives_way() {
    let mut open = Connections::default();
    // 32 uids, all with accounts as the name service says.
    for uid in 100_000..100_032 {
        for _ in 0..PER_UID {
            known(&mut open, uid);
        }
    }
    assert_eq!(open.open.len(), TOTAL);
    for user in 1000..1016 {
        let admitted = open.admit(user, user).unwrap();
        assert_eq!(admitted.evicted.map(|it| it.handle), Some(100_000));
        assert!(open.begin_answer(admitted.number).is_some());
        assert_eq!(open.open.len(), TOTAL);
    }
    assert_eq!(open.begin_answer(0), None, "it has lost its place");
    open.close(0);
    assert_eq!(open.open.len(), TOTAL);
    let admitted = open.admit(1016, 1016).unwrap();
    assert_eq!(admitted.evicted.map(|it| it.handle), Some(100_001));
}

#[test]
fn a_connection_that_is_answered_keeps_its_place() {
    let mut open = Connections::default();
    for uid in 0..32 {
        for _ in 0..PER_UID {
            let number = known(&mut open, uid);
            open.begin_answer(number);
        }
    }
    assert_eq!(open.admit(1000, 1000), Err(NoPlace));
    open.end_answer(40);
    assert_eq!(evicted_for(&mut open, 1000), Some(2));
    for number in 0..=512 {
        open.close(number);
    }
    assert!(open.is_empty());
}

#[test]
fn uids_without_an_account_take_no_place_of_users() {
    let mut open = Connections::default();
    known(&mut open, 1000);
    for subuid in 0..10_000 {
        silent(&mut open, 100_000 + subuid);
    }
    assert_eq!(open.open.len(), 1 + STRANGERS);
    // A user whose account is not known yet gets a place as well.
    assert!(evicted_for(&mut open, 1001).unwrap() >= 100_000);
    // However slow the name service is, users with a known account are served.
    let mut open = Connections::default();
    known(&mut open, 1000);
    for subuid in 0..STRANGERS as u32 {
        answered(&mut open, 100_000 + subuid);
    }
    assert_eq!(open.admit(1001, 1001), Err(NoPlace));
    assert_eq!(evicted_for(&mut open, 1000), None);
}

/// The counts are those of the connections that are open, after events in any order.
#[test]
fn counts_are_those_of_the_open_connections() {
    let mut open = Connections::default();
    let mut answered = HashSet::new();
    let mut last = 1_u64;
    for _ in 0..3_000 {
        // Knuth's generator, whose upper half is random enough.
        last = last
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        let choice = last >> 33;
        let number = open.next.saturating_sub((choice >> 8) % 700);
        match choice % 8 {
            0..4 => drop(open.admit((choice >> 8) as u32 % 90, 0)),
            4 => drop(open.begin_answer(number).map(|_| answered.insert(number))),
            5 => {
                open.end_answer(number);
                answered.remove(&number);
            }
            6 => open.recognize(number),
            _ => open.close(number),
        }
        answered.retain(|number| open.open.contains_key(number));
        let is_stranger = |it: &&OpenConnection<u32>| it.owner == PlaceOwner::Stranger;
        let strangers = open.open.values().filter(is_stranger).count();
        assert_eq!(open.strangers, strangers);
        assert!(open.open.len() <= TOTAL && strangers <= STRANGERS);
        let mut of_uid = HashMap::new();
        for connection in open.open.values() {
            *of_uid.entry(connection.uid).or_default() += 1;
        }
        assert!(of_uid.values().all(|own| *own <= PER_UID));
        assert_eq!(open.of_uid, of_uid);
        let waiting = open.open.iter().filter(|(it, _)| !answered.contains(*it));
        let waiting = waiting.map(|(number, connection)| EvictionOrder {
            owner: connection.owner,
            number: *number,
        });
        assert_eq!(open.waiting, waiting.collect());
    }
    for number in 0..open.next {
        open.close(number);
    }
    assert!(open.is_empty() && open.of_uid.is_empty() && open.waiting.is_empty());
    assert_eq!(open.strangers, 0);
}

#[test]
fn strangers_give_way_before_users() {
    let mut open = Connections::default();
    for uid in 0..31 {
        for _ in 0..PER_UID {
            known(&mut open, uid);
        }
    }
    for subuid in 0..PER_UID as u32 {
        silent(&mut open, 100_000 + subuid);
    }
    assert_eq!(evicted_for(&mut open, 1000), Some(100_000));
}
