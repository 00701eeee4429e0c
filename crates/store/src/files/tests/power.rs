//! Power cuts, in a model of a disk: what was written and not flushed may be on it or not, each sector by itself, in the
//! version of any of the writes. Every order of writes, flushes and kills up to a length, and every such disk.

use super::*;
use twofactor_core::state::{SLOT_LEN, SLOT_STRIDE};

/// Event that happens to the state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum PowerStep {
    /// One more write of the holder of the lock.
    Write,
    /// Its flush.
    Flush,
    /// It is killed, and another process takes the lock.
    Kill,
}

/// All orders of so many steps.
fn orders(length: usize) -> Vec<Vec<PowerStep>> {
    let mut all = vec![Vec::new()];
    for _ in 0..length {
        let longer = |order: &Vec<PowerStep>| {
            [PowerStep::Write, PowerStep::Flush, PowerStep::Kill]
                .map(|step| [order.as_slice(), &[step]].concat())
        };
        all = all.iter().flat_map(longer).collect();
    }
    all
}

type Sector = Vec<u8>;

/// Content that the disk may have after a power cut: for each sector of the file one of these.
struct SectorDisk([Vec<Sector>; 2]);

impl SectorDisk {
    fn holding(file: &[u8]) -> Self {
        Self(sectors(file).map(|sector| vec![sector]))
    }

    fn wrote(&mut self, file: &[u8]) {
        for (versions, now) in self.0.iter_mut().zip(sectors(file)) {
            if versions.last() != Some(&now) {
                versions.push(now);
            }
        }
    }

    fn flushed(&mut self) {
        for versions in &mut self.0 {
            versions.drain(..versions.len() - 1);
        }
    }

    /// Every file that may be found.
    fn files(&self) -> Vec<Vec<u8>> {
        let [first, second] = &self.0;
        let mut files = Vec::new();
        for one in first {
            files.extend(second.iter().map(|other| [one.as_slice(), other].concat()));
        }
        files
    }

    /// The states of a disk that tears sectors: of one sector that is being written, any part.
    fn torn(&self) -> Vec<Vec<u8>> {
        let mut torn = Vec::new();
        for (place, versions) in self.0.iter().enumerate() {
            for (old, new) in versions.iter().zip(versions.iter().skip(1)) {
                for cut in [1, 22, 100, SLOT_LEN / 2, SLOT_LEN - 1] {
                    let mut file = [self.0[0][0].clone(), self.0[1][0].clone()];
                    file[place] = [&new[..cut], &old[cut..]].concat();
                    torn.push(file.concat());
                }
            }
        }
        torn
    }
}

fn sectors(file: &[u8]) -> [Sector; 2] {
    let (first, second) = file.split_at(SLOT_STRIDE as usize);
    [first.to_vec(), second.to_vec()]
}

/// Plays an order on real files and, after each step, sees what every disk would hold.
fn play(scratch: &ScratchStore, store: &FactorStore, order: &[PowerStep]) -> usize {
    let read = || fs::read(scratch.state()).unwrap();
    let mut disk = SectorDisk::holding(&read());
    let mut flushed = scratch.stored();
    let mut written = vec![flushed.state.clone()];
    let mut cuts = 0;
    let mut locked = store.lock(&alice()).unwrap();
    for step in order {
        match step {
            PowerStep::Write => {
                let mut state = locked.state().clone();
                state.devices[0].next += 1;
                locked.write(state.clone()).unwrap();
                written.push(state);
                disk.wrote(&read());
            }
            PowerStep::Flush => {
                locked.flush().unwrap();
                disk.flushed();
                flushed = scratch.stored();
            }
            PowerStep::Kill => {
                drop(locked);
                locked = store.lock(&alice()).unwrap();
            }
        }
        let torn = if order.contains(&PowerStep::Kill) {
            Vec::new()
        } else {
            disk.torn()
        };
        for file in disk.files().into_iter().chain(torn) {
            let found = decode_file(&file).unwrap_or_else(|error| panic!("{order:?}: {error}"));
            assert!(
                found.sequence >= flushed.sequence,
                "{order:?}: forgot what was flushed"
            );
            assert!(found.state.devices[0].next >= flushed.state.devices[0].next);
            assert!(
                written.contains(&found.state),
                "{order:?}: was never written"
            );
            cuts += 1;
        }
    }
    cuts
}

#[test]
fn no_power_cut_forgets_a_flushed_state() {
    let (scratch, store) = enrolled();
    let fresh = fs::read(scratch.state()).unwrap();
    let mut cuts = 0;
    for order in orders(6) {
        fs::write(scratch.state(), &fresh).unwrap();
        cuts += play(&scratch, &store, &order);
    }
    println!("{} orders, {cuts} power cuts", orders(6).len());
    assert!(cuts > 9_000, "{cuts}");
}
