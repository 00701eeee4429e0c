//! A state and the file that takes its place, half-written anywhere: what is read without a lock and under it was once
//! written whole, and nothing of a file that is provisional is believed.
//!
//! Input: steps of three bytes: what is written where, and how much of it.
#![no_main]

use std::cell::RefCell;

use fuzz::store::FuzzDirectory;
use libfuzzer_sys::fuzz_target;
use twofactor_core::account::Account;
use twofactor_core::state::{
    FILE_LEN, MOVED, MOVED_OFFSET, SLOT_LEN, StateSlot, UserState, encode, encode_file,
    encode_provisional, encode_settled,
};

/// Failures in a state that nothing may be read from.
const UNTRUE: u32 = u32::MAX;

thread_local! {
    static DIRECTORY: RefCell<FuzzDirectory> = RefCell::default();
}

/// A base, up to two files in its place, and the states that were whole in one of them at some moment.
struct GenerationFiles {
    base: Vec<u8>,
    generations: [Option<Vec<u8>>; 2],
    whole: Vec<u32>,
    sequence: u64,
}

fuzz_target!(|bytes: &[u8]| {
    let mut files = GenerationFiles {
        base: encode_file(&numbered(0)),
        generations: [None, None],
        whole: vec![0],
        sequence: 10,
    };
    for step in bytes.chunks_exact(3).take(32) {
        files.step(step[0], u16::from_le_bytes([step[1], step[2]]).into());
    }
    DIRECTORY.with_borrow(|directory| {
        files.write(directory);
        files.judge(directory);
    });
});

fn numbered(failures: u32) -> UserState {
    let mut state = UserState::new(1000);
    state.failures = failures;
    state
}

impl GenerationFiles {
    fn step(&mut self, what: u8, length: usize) {
        let number = self.whole.len() as u32;
        let slot = if what & 8 == 0 {
            StateSlot::First
        } else {
            StateSlot::Second
        };
        let (start, written) = (slot.offset() as usize, length % (SLOT_LEN + 1));
        match what % 8 {
            // The holder writes a slot.
            0..=2 => {
                self.sequence += 1;
                let bytes = encode(&numbered(number), self.sequence);
                let file = match what % 8 {
                    0 => Some(&mut self.base),
                    place => self.generations[usize::from(place) - 1].as_mut(),
                };
                if let Some(file) = file {
                    file[start..start + written].copy_from_slice(&bytes[..written]);
                    if file[start..start + SLOT_LEN] == bytes {
                        self.whole.push(number);
                    }
                }
            }
            // A file is claimed.
            3 | 4 => {
                let place = usize::from(what % 8) - 3;
                let provisional = encode_provisional(&numbered(UNTRUE));
                self.generations[place].get_or_insert(provisional);
            }
            // It is filled.
            5 | 6 => {
                let newest = *self.whole.last().unwrap();
                let bytes = encode_settled(&numbered(newest));
                let written = length % (FILE_LEN + 1);
                if let Some(file) = &mut self.generations[usize::from(what % 8) - 5] {
                    file[..written].copy_from_slice(&bytes[..written]);
                }
            }
            _ => self.base[MOVED_OFFSET as usize..].copy_from_slice(&MOVED),
        }
    }

    fn write(&self, directory: &FuzzDirectory) {
        directory.empty();
        directory.write("state/alice", &self.base);
        let made = self.generations.iter().zip(1..);
        let made: Vec<_> = made
            .filter_map(|(file, number)| Some((file.as_ref()?, number)))
            .collect();
        if !made.is_empty() {
            directory.directory("state/alice+");
        }
        for (file, number) in made {
            directory.write(format!("state/alice+/{number}"), file);
        }
    }

    fn judge(&self, directory: &FuzzDirectory) {
        if let Ok(Some(state)) = directory.store.peek_named("alice") {
            assert!(self.whole.contains(&state.failures), "{state:?}");
        }
        let account = Account {
            name: "alice".into(),
            uid: 1000,
            gid: 1000,
        };
        // Under the lock the last file is filled first.
        let Ok(locked) = directory.store.lock(&account) else {
            return;
        };
        let failures = locked.state().failures;
        assert!(self.whole.contains(&failures), "{failures}");
        assert!(locked.confirm().is_ok());
        // A base that is damaged keeps readers from what counts, and never lets them read anything else.
        if let Ok(peeked) = directory.store.peek_named("alice") {
            assert_eq!(peeked.unwrap().failures, failures);
        }
    }
}
