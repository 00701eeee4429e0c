//! State files: nothing but a whole slot is read, and what is read is written again as it was.
#![no_main]

use libfuzzer_sys::fuzz_target;
use sha2::{Digest, Sha256};
use twofactor_core::state::{
    CAPACITY, FILE_LEN, MAX_GRACE, MAX_REFUSED, MOVED_OFFSET, SLOT_LEN, SLOT_STRIDE, SlotStanding,
    StateSlot, decode_file, encode, encode_file, encode_provisional, encode_settled,
};

const CHECKSUM_LEN: usize = 8;
/// After magic, format, writer and sequence number.
const FLAGS: usize = 22;
/// The largest time that five bytes hold.
const LAST_TIME: u64 = (1 << 40) - 1;

fuzz_target!(|bytes: &[u8]| {
    reads(bytes);
    // The first byte says which checksums are made right, and for which format, so that what stands after them is reached.
    let Some((seals, body)) = bytes.split_first() else {
        return;
    };
    let mut file = body.to_vec();
    file.resize(FILE_LEN, 0);
    for (bit, start) in [(1, 0), (2, SLOT_STRIDE as usize)] {
        if seals & bit != 0 {
            let format = if seals & (bit << 2) == 0 { 1 } else { 2 };
            seal(&mut file[start..start + SLOT_LEN], format);
        }
    }
    reads(&file);
});

fn seal(slot: &mut [u8], format: u8) {
    let (body, sum) = slot.split_at_mut(SLOT_LEN - CHECKSUM_LEN);
    body[..6].copy_from_slice(&[b'2', b'F', b'S', b'T', format, 0]);
    sum.copy_from_slice(&Sha256::digest(&*body)[..CHECKSUM_LEN]);
}

fn reads(file: &[u8]) {
    let mut stored = match decode_file(file) {
        Ok(stored) => stored,
        Err(error) => {
            assert!(!error.to_string().chars().any(char::is_control), "{error}");
            return;
        }
    };
    assert_eq!(file.len(), FILE_LEN);
    let start = stored.slot.offset() as usize;
    let (body, sum) = file[start..start + SLOT_LEN].split_at(SLOT_LEN - CHECKSUM_LEN);
    assert_eq!(
        &Sha256::digest(body)[..CHECKSUM_LEN],
        sum,
        "taken without its checksum"
    );
    assert!(stored.state.devices.len() <= CAPACITY && stored.state.grace.len() <= MAX_GRACE);
    assert!(stored.state.refused.hashes.len() <= MAX_REFUSED);
    let is_first = file[start + 4] == 1;
    let is_provisional = !is_first && file[start + FLAGS] & 1 != 0;
    assert_eq!(stored.standing == SlotStanding::Provisional, is_provisional);
    let end = &file[MOVED_OFFSET as usize..];
    assert_eq!(stored.moved, end.iter().any(|byte| *byte != 0));
    // A device of the first format has its record.
    let mut devices = stored.state.devices.iter();
    assert!(!is_first || devices.all(|device| device.committed));

    // The first format had longer times.
    let state = &mut stored.state;
    let used = state.devices.iter_mut().map(|device| &mut device.last_used);
    let times = used.chain(state.grace.iter_mut().map(|grace| &mut grace.since));
    times.for_each(|time| *time = (*time).min(LAST_TIME));

    let provisional = decode_file(&encode_provisional(&stored.state)).unwrap();
    let settled = decode_file(&encode_settled(&stored.state)).unwrap();
    assert_eq!(
        (provisional.standing, settled.standing),
        (SlotStanding::Provisional, SlotStanding::Settled)
    );
    assert_eq!(
        (&provisional.state, &settled.state),
        (&stored.state, &stored.state)
    );
    assert!(settled.sequence > provisional.sequence);
    let again = decode_file(&encode_file(&stored.state)).unwrap();
    assert_eq!(again.state, stored.state);
    for slot in [StateSlot::First, StateSlot::Second] {
        let mut other = encode_file(&twofactor_core::state::UserState::new(7));
        let start = slot.offset() as usize;
        let sequence = stored.sequence.max(3);
        other[start..start + SLOT_LEN].copy_from_slice(&encode(&stored.state, sequence));
        let found = decode_file(&other).unwrap();
        assert_eq!(
            (found.state, found.sequence, found.slot),
            (stored.state.clone(), sequence, slot)
        );
    }
}
