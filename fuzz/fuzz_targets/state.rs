//! State files: nothing but a whole slot is read, and what is read is written again as it was.
#![no_main]

use libfuzzer_sys::fuzz_target;
use pam_twofactor::state::{
    CAPACITY, FILE_LEN, Generation, MAX_GRACE, SLOT_LEN, SLOT_STRIDE, Slot, decode_file, encode,
    encode_file,
};
use sha2::{Digest, Sha256};

const CHECKSUM_LEN: usize = 8;

fuzz_target!(|bytes: &[u8]| {
    reads(bytes);
    // The first byte says which checksums are made right, so that what stands behind them is reached.
    let Some((seals, body)) = bytes.split_first() else {
        return;
    };
    let mut file = body.to_vec();
    file.resize(FILE_LEN, 0);
    for (bit, start) in [(1, 0), (2, SLOT_STRIDE as usize)] {
        if seals & bit != 0 {
            seal(&mut file[start..start + SLOT_LEN]);
        }
    }
    reads(&file);
});

fn seal(slot: &mut [u8]) {
    let (body, sum) = slot.split_at_mut(SLOT_LEN - CHECKSUM_LEN);
    body[..6].copy_from_slice(b"2FST\x01\x00");
    sum.copy_from_slice(&Sha256::digest(&*body)[..CHECKSUM_LEN]);
}

fn reads(file: &[u8]) {
    let stored = match decode_file(file) {
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

    let again = decode_file(&encode_file(&stored.state, Generation::default())).unwrap();
    assert_eq!(again.state, stored.state);
    for slot in [Slot::First, Slot::Second] {
        let mut other = encode_file(&pam_twofactor::state::State::new(7), Generation::default());
        let start = slot.offset() as usize;
        let sequence = stored.sequence.max(3);
        other[start..start + SLOT_LEN].copy_from_slice(&encode(
            &stored.state,
            sequence,
            Generation::default(),
        ));
        let found = decode_file(&other).unwrap();
        assert_eq!(
            (found.state, found.sequence, found.slot),
            (stored.state.clone(), sequence, slot)
        );
    }
}
