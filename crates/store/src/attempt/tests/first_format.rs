//! A state that 0.1.0 has left.

use sha2::{Digest, Sha256};

use super::*;
use twofactor_core::state::{FILE_LEN, SLOT_LEN, StateSlot};

/// Place of the number of the format in a slot.
const FORMAT_AT: usize = 4;

/// The bytes that 0.1.0 wrote for a user with this one device and so many failures.
fn of_first_version(uid: u32, device: &DeviceState, failures: u32) -> Vec<u8> {
    let mut body = b"2FST\x01\x000.1.0\0\0\0".to_vec();
    body.extend(9_u64.to_le_bytes());
    for number in [uid, failures, failures] {
        body.extend(number.to_le_bytes());
    }
    body.extend(NOW.to_le_bytes());
    // No recovery or bypass code, and no grace.
    body.extend([0; 28]);
    body.extend(device.id.number().to_le_bytes());
    body.extend(device.next.to_le_bytes());
    body.extend(device.drift.to_le_bytes());
    body.resize(SLOT_LEN - 8, 0);
    let sum = Sha256::digest(&body);
    body.extend(&sum[..8]);
    body.resize(FILE_LEN, 0);
    body
}

#[test]
fn a_state_of_the_first_format_is_rewritten() {
    let machine = AttemptMachine::with_policy(ON);
    let known = machine.stored().state.devices[0];
    let path = machine.scratch.state();
    fs::write(&path, of_first_version(machine.alice.uid, &known, 2)).unwrap();
    let formats = || {
        let file = fs::read(&path).unwrap();
        [StateSlot::First, StateSlot::Second].map(|slot| file[slot.offset() as usize + FORMAT_AT])
    };
    assert_eq!(machine.counters().0, 2);
    assert_eq!(machine.before(), PreCheck::Throttle(ThrottleStatus::Open));
    assert_eq!(formats(), [1, 0], "reading changes nothing");
    assert_eq!(machine.types(&code(STEP)), accepted(0, 2));
    assert_eq!(formats(), [1, 2]);
    assert_eq!(machine.types(&code(STEP)), used());
    assert_eq!(machine.types("123456"), wrong());
    assert_eq!(formats(), [2, 2]);
    assert_eq!(machine.counters().0, 1);
}
