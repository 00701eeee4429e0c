//! Giving the files of a state another name, at one moment for all processes that look for them.

use crate::sys::file::{self, FileAccess, FileOpening};
use crate::sys::new_file::{self, NewFileKind};
use twofactor_core::state::{self, UserState};

use super::{HeldFile, PEEK_TRIES, StateFiles, StatePlace};
use crate::files::{FileFault, StoreError};

impl StateFiles<'_> {
    /// True if the state is kept under this name: not where there is none, or where it was moved to another name.
    pub(in crate::files) fn is_in_use(&self) -> Result<bool, StoreError> {
        let Some(base) = self.open_base(FileOpening::Read)? else {
            return Ok(false);
        };
        // One that is damaged was not moved: its generations would be there.
        if !self.read_any(&base).is_ok_and(|stored| stored.moved) {
            return Ok(true);
        }
        for _ in 0..PEEK_TRIES {
            // A generation that is damaged is there.
            if self.peek_generation().map_or(true, |found| found.is_some()) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Moves the state, whose current file this process holds, to another name. A directory of generations is what gets the
    /// other name, since that is one step, and takes all files along, also those that other processes have just made.
    ///
    /// Each process that holds a file under the old name finds afterwards that it is not the current one: of a generation
    /// since the directory is gone, of the base since there is another one. A base without its directory is not used.
    ///
    /// # Errors
    /// [`StoreError`]; a kill before the directory is renamed leaves the state under the old name, later under the new one, and
    /// calling this again completes it. [`FileFault::Occupied`] where a state is kept under the new name.
    pub(in crate::files) fn move_to(
        &self,
        held: &HeldFile,
        state: &UserState,
        new: &Self,
    ) -> Result<(), StoreError> {
        let closed;
        let held = if matches!(held.place, StatePlace::Base) {
            closed = self.closed_by_holder()?;
            &closed
        } else {
            held
        };
        let entrance = state::encode_moved(state);
        self.confirm(held)?;
        // Another base than the one that a process which was stopped may still hold.
        let states = self.directory()?;
        file::write_file(states, &self.name, &entrance, FileAccess::Private)
            .map_err(StoreError::file(&self.path))?;
        new.make_entrance(&entrance)?;
        self.confirm(held)?;
        let moved = new_file::rename_new(states, &self.generations(), &new.generations())
            .map_err(StoreError::file(&self.path))?;
        if !moved {
            return Err(new.error(FileFault::Occupied));
        }
        self.leave_name()
    }

    /// The last step of a move: removes the base of the old name, which holds nothing that counts.
    pub(in crate::files) fn leave_name(&self) -> Result<(), StoreError> {
        let states = self.directory()?;
        let remove = || {
            file::flush_directory(states)?;
            file::remove_leftover(states, &self.name)?;
            file::remove(states, &self.name)?;
            file::flush_directory(states)
        };
        remove().map_err(StoreError::file(&self.path))
    }

    /// The first generation of a base that this process holds.
    fn closed_by_holder(&self) -> Result<HeldFile, StoreError> {
        let made = self.close_base()?;
        let held = match made {
            Some((directory, claim)) => self.complete(directory, claim, 1)?,
            None => None,
        };
        held.ok_or_else(|| self.error(FileFault::TakenOver))
    }

    /// A base that only leads to the directory beside it, where there is one.
    fn make_entrance(&self, bytes: &[u8]) -> Result<(), StoreError> {
        let states = self.directory()?;
        let made = new_file::create_new(states, &self.name, bytes, NewFileKind::Free)
            .and_then(|made| file::flush_directory(states).map(|()| made))
            .map_err(StoreError::file(&self.path))?;
        // A move that was stopped has made it.
        if made.is_none() && self.is_in_use()? {
            return Err(self.error(FileFault::Occupied));
        }
        Ok(())
    }
}
