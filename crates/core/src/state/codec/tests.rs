//! The bytes of states, of both formats.

use super::*;
use crate::state::graced_sessions::{AwaitedSession, GracedSession, MAX_SESSIONS, SessionGrace};
use crate::state::{
    DaemonFailures, DeviceState, GracePeriod, policy_fingerprint, service_fingerprint,
};

fn sample() -> UserState {
    let mut state = UserState::new(1000);
    state.failures = 3;
    state.unreported = 4;
    state.last_failure = 1_767_225_600;
    for n in 1..=CAPACITY as u64 {
        state.devices.push(DeviceState {
            id: CredentialId::from_number(n << 33).unwrap(),
            next: u64::MAX - n,
            drift: -(n as i8),
            last_used: n << 34,
            committed: n % 2 == 0,
        });
    }
    state.spend(CredentialId::from_number(99).unwrap(), 9);
    state.bypass = CredentialId::from_number(77);
    for n in 1..=MAX_GRACE as u64 {
        let address = match n % 2 {
            0 => IpAddr::from([192, 0, 2, n as u8]),
            _ => IpAddr::from([0x2001, 0xdb8, 0, 0, 0, 0, 0, n as u16]),
        };
        state.grace.push(GracePeriod {
            address,
            service: service_fingerprint("sshd"),
            since: n << 32,
        });
    }
    state.session_grace = SessionGrace {
        boot: u64::MAX - 1,
        awaited: Some(AwaitedSession {
            process: 1 << 60,
            parent: 1 << 61,
            seen: u32::MAX,
            since: 1 << 39,
        }),
        sessions: (1..=MAX_SESSIONS as u32)
            .map(|n| GracedSession {
                id: n << 20,
                since: u64::from(n) << 32,
            })
            .collect(),
    };
    state.grace_policy = policy_fingerprint("enabled = true");
    // A later version may use it.
    state.reserve.fill(0xa5);
    state
}

#[test]
fn a_full_state_round_trips_in_either_slot() {
    let state = sample();
    let stored = decode_file(&encode_file(&state)).unwrap();
    assert_eq!(
        (stored.state, stored.sequence, stored.slot),
        (state.clone(), 2, StateSlot::Second)
    );
    let mut file = encode_file(&UserState::new(5));
    file[..SLOT_LEN].copy_from_slice(&encode(&state, 3));
    let stored = decode_file(&file).unwrap();
    assert_eq!(
        (stored.state, stored.sequence, stored.slot),
        (state, 3, StateSlot::First)
    );
}

#[test]
fn a_torn_newest_slot_leaves_the_older() {
    let (old, new) = (UserState::new(1), sample());
    let mut file = encode_file(&old);
    let before = decode_file(&file).unwrap();
    let slot = encode(&new, 3);
    for torn in 1..SLOT_LEN {
        file[..torn].copy_from_slice(&slot[..torn]);
        let found = decode_file(&file).unwrap();
        let whole = file[..SLOT_LEN] == slot;
        assert_eq!(found.state == new, whole);
        assert!(whole || found == before);
    }
}

/// It is the same one each time: what is written next goes to the other.
#[test]
fn of_two_slots_of_one_number_the_second_counts() {
    let mut file = encode_file(&UserState::new(1));
    file[..SLOT_LEN].copy_from_slice(&encode(&sample(), 2));
    let found = decode_file(&file).unwrap();
    assert_eq!(
        (found.slot, found.state),
        (StateSlot::Second, UserState::new(1))
    );
}

#[test]
fn a_state_names_the_version_that_wrote_it() {
    let mut expected = [0; 8];
    expected[..crate::VERSION.len()].copy_from_slice(crate::VERSION.as_bytes());
    assert_eq!(encode(&UserState::new(1), 1)[6..14], expected);
}

#[test]
fn errors_say_what_is_wrong_with_the_file() {
    for (error, text) in [
        (StateError::Length, "has the wrong length"),
        (StateError::Damaged, "is damaged"),
        (
            StateError::Version(9, "8.7.6".into()),
            "has format 9, written by twofactor 8.7.6; this program reads formats 1 and 2",
        ),
    ] {
        assert_eq!(error.to_string(), text);
    }
}

#[test]
fn every_flipped_bit_is_noticed() {
    let mut file = encode_file(&UserState::new(1));
    let second = StateSlot::Second.offset() as usize;
    file[..SLOT_LEN].fill(0);
    for position in second..second + SLOT_LEN {
        file[position] ^= 1;
        let format = (second + 4..second + 6).contains(&position);
        match decode_file(&file).unwrap_err() {
            StateError::Version(..) => assert!(format),
            error => assert!(!format && error == StateError::Damaged),
        }
        file[position] ^= 1;
    }
    assert!(decode_file(&file).is_ok());
}

#[test]
fn wrong_lengths_and_empty_files_are_errors() {
    let file = encode_file(&UserState::new(1));
    assert_eq!(decode_file(&[]), Err(StateError::Length));
    assert_eq!(decode_file(&file[1..]), Err(StateError::Length));
    assert_eq!(
        decode_file(&[file.clone(), vec![0]].concat()),
        Err(StateError::Length)
    );
    assert_eq!(decode_file(&[0; FILE_LEN]), Err(StateError::Damaged));
}

#[test]
fn another_format_is_refused_with_its_writer() {
    let mut slot = encode(&UserState::new(1), 9);
    slot[4] = 3;
    slot[6..14].copy_from_slice(b"9.1.0\0\0\0");
    let other = Err(StateError::Version(3, "9.1.0".into()));
    let mut file = encode_file(&UserState::new(1));
    file[..SLOT_LEN].copy_from_slice(&slot);
    assert_eq!(decode_file(&file), other);
    file[600] ^= 1;
    assert_eq!(decode_file(&file), other, "beside a damaged slot");
    assert_eq!(decode_file(&file[..100]), other, "of another length");
    assert_eq!(decode_file(&[file, vec![0; 3000]].concat()), other);
}

/// A state with everything in it, as 0.1.0 wrote it; the second slot is older.
const OF_FIRST_VERSION: &[u8] = include_bytes!("../../../../../tests/data/twofactor-0.1.0.state");

#[test]
fn a_state_of_the_first_format_is_read() {
    let stored = decode_file(OF_FIRST_VERSION).unwrap();
    let place = (stored.sequence, stored.slot, stored.standing, stored.moved);
    assert_eq!(place, (9, StateSlot::First, SlotStanding::Settled, false));
    let id = |number| CredentialId::from_number(number).unwrap();
    let mut expected = UserState::new(1000);
    (expected.failures, expected.unreported) = (3, 4);
    expected.last_failure = 1_767_225_600;
    expected.recovery.set = Some(id(170));
    expected.recovery.bits = 5;
    expected.bypass = Some(id(187));
    expected.grace_policy = 204;
    let devices = (1..).zip([0, -1, 2, -3, 4, -5, 6, -7]);
    // It knew none that are pending.
    expected.devices = devices
        .map(|(number, drift)| DeviceState {
            id: id(number),
            next: 58_907_519 + number,
            drift,
            last_used: 1_767_225_000,
            committed: true,
        })
        .collect();
    // The newest four of its eight.
    let addresses = ["2001:db8::4", "192.0.2.5", "2001:db8::6", "192.0.2.7"];
    let grace = (1_767_225_004..).zip(addresses);
    expected.grace = grace
        .map(|(since, address)| GracePeriod {
            address: address.parse().unwrap(),
            service: 7,
            since,
        })
        .collect();
    assert_eq!(stored.state, expected);
}

/// As after the first change of such a state.
#[test]
fn slots_of_both_formats_stand_side_by_side() {
    let mut file = OF_FIRST_VERSION.to_vec();
    let second = StateSlot::Second.offset() as usize;
    file[second..second + SLOT_LEN].copy_from_slice(&encode(&sample(), 10));
    assert_eq!(decode_file(&file).unwrap().state, sample());
    // Torn, it leaves the older one.
    file[second + 100] ^= 1;
    let left = decode_file(&file).unwrap();
    assert_eq!((left.sequence, left.state.failures), (9, 3));
}

#[test]
fn what_a_file_says_of_itself_is_read() {
    let state = sample();
    type Written = (fn(&UserState) -> Vec<u8>, u64, SlotStanding, bool);
    let kinds: [Written; 4] = [
        (encode_file, 2, SlotStanding::Settled, false),
        (encode_provisional, 2, SlotStanding::Provisional, false),
        (encode_settled, 4, SlotStanding::Settled, false),
        (encode_moved, 2, SlotStanding::Settled, true),
    ];
    for (write, sequence, standing, moved) in kinds {
        let file = write(&state);
        assert_eq!(file.len(), FILE_LEN);
        let stored = decode_file(&file).unwrap();
        let said = (stored.sequence, stored.standing, stored.moved);
        assert_eq!(said, (sequence, standing, moved));
        assert_eq!(stored.state, state);
    }
    // What replaces a provisional file is newer, slot by slot.
    let mut file = encode_provisional(&UserState::new(1));
    file[..SLOT_LEN].copy_from_slice(&encode_settled(&state)[..SLOT_LEN]);
    let stored = decode_file(&file).unwrap();
    assert_eq!(
        (stored.standing, stored.state),
        (SlotStanding::Settled, state)
    );
}

#[test]
fn the_counter_of_the_daemon_is_kept() {
    let mut state = UserState::new(1);
    state.daemon = DaemonFailures::NONE.charged(1_767_225_600);
    state.daemon = state.daemon.charged(1_767_225_600 + 86_400);
    let stored = decode_file(&encode_file(&state)).unwrap();
    assert_eq!(stored.state.daemon, state.daemon);
    assert_eq!(stored.state.daemon.last, 1_767_225_600 + 86_400);
}

#[test]
fn times_beyond_forty_bits_are_the_last_one() {
    assert_eq!(time(u64::MAX), [0xff; TIME_LEN]);
    assert_eq!(time((1 << 40) - 2), [0xfe, 0xff, 0xff, 0xff, 0xff]);
    assert_eq!(time(1), [1, 0, 0, 0, 0]);
}
