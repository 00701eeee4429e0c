//! The disk and the processes of the model.

/// A part of the design that is left out, or none.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum OmittedPart {
    Nothing,
    /// A new generation begins empty and stays so.
    Copy,
    /// A generation that holds nothing yet is copied, too.
    Provisional,
    /// No look after the flush.
    LastLook,
    /// Lower generations go before the new one holds what they held.
    Order,
    /// A generation replaces another of the same number.
    Exclusion,
    /// A process that finds a higher generation removes its own.
    Gaps,
    /// Nothing is flushed before it is told.
    Flush,
    /// A base whose generations are gone is used.
    Moved,
    /// Before the generations get another name the base stays what it was.
    OtherBase,
    /// The move is noted without a look whether the base is that of these generations.
    Note,
    /// A removal whose state was taken over before the record was gone ends there.
    Anew,
}

/// The design, and what may happen.
#[derive(Clone, Copy, Debug)]
pub struct SearchRules {
    pub without: OmittedPart,
    pub power_cuts: bool,
    /// Most generations that one process makes: it waits a second for each, and no more than five for all.
    pub claims: u8,
}

/// Work of a process once it has the lock.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum ProcessRole {
    Login,
    /// `twofactor rename`.
    Mover,
    /// `twofactor unset`.
    Remover,
    /// `twofactor unlock` of a state that cannot be read.
    Rebuilder,
}

#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum ProcessStep {
    Find,
    Open,
    Missing,
    TryBase,
    ReadBase,
    LookForDirectory,
    Close,
    List,
    TryHighest,
    Claim,
    ListAgain,
    Copy,
    Settle,
    FlushCopy,
    Remove,
    FindBase,
    LookBeforeNote,
    Note,
    FlushNote,
    FirstLook,
    ReadRecord,
    Charge,
    Mark,
    Flush,
    LastLook,
    LastLookAtFile,
    LastLookAtDirectory,
    /// The steps of a change, by number.
    Change(u8),
    Succeeded,
    Denied,
    /// Killed, or ended without a word about the code.
    Gone,
}

/// The content of a file.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub struct FileContent {
    pub provisional: bool,
    pub moved: bool,
    pub used: bool,
    /// No device is said to have a record: a removal was begun, and no login has been judged since.
    pub uncommitted: bool,
    pub charges: u8,
}

#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct ModelInode {
    pub now: FileContent,
    /// As it was flushed last.
    pub disk: FileContent,
    pub lock: Option<usize>,
}

/// Name under which the record is.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum ModelPlace {
    Old,
    /// Under the old name, and it says the new one.
    Moving,
    New,
    Removed,
}

/// ModelNames in the directories of states and records; of two users, the old name and the new one.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct ModelNames {
    pub bases: [Option<usize>; 2],
    pub directories: [Option<usize>; 2],
    pub record: ModelPlace,
}

/// The numbers in a directory of generations, with their files.
pub type GenerationEntries = Vec<(i8, usize)>;

#[derive(Clone, PartialEq, Eq, Hash, Debug, Default)]
pub struct ModelDirectory {
    pub now: GenerationEntries,
    pub disk: GenerationEntries,
}

#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct ModelProcess {
    pub role: ProcessRole,
    pub step: ProcessStep,
    /// The name under which it has found the record, and that of the state.
    pub kept: usize,
    pub name: usize,
    pub file: Option<usize>,
    pub directory: Option<usize>,
    /// The base that it notes the move in.
    pub base: Option<usize>,
    /// The generation of the file, 0 for the base.
    pub number: i8,
    pub copied: Option<FileContent>,
    pub used: bool,
    /// It was said before its last look that the device is removed.
    pub late: bool,
    /// Number of generations that it has made.
    pub claims: u8,
    /// It has removed the record, and the state was taken over before.
    pub is_anew: bool,
}

#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct ModelWorld {
    pub inodes: Vec<ModelInode>,
    pub directories: Vec<ModelDirectory>,
    pub names: ModelNames,
    pub names_disk: ModelNames,
    pub processes: Vec<ModelProcess>,
    /// True once it was said that the device is removed.
    pub is_removed: bool,
    /// True while the state is replaced by a new one: it could not be read, and a login is refused.
    pub is_broken: bool,
    pub fault: Option<&'static str>,
}

impl ModelProcess {
    pub fn new(role: ProcessRole) -> Self {
        Self {
            role,
            step: ProcessStep::Find,
            kept: 0,
            name: 0,
            file: None,
            directory: None,
            base: None,
            number: 0,
            copied: None,
            used: false,
            late: false,
            claims: 0,
            is_anew: false,
        }
    }

    pub fn has_ended(&self) -> bool {
        matches!(
            self.step,
            ProcessStep::Succeeded | ProcessStep::Denied | ProcessStep::Gone
        )
    }

    pub fn was_told(&self) -> bool {
        matches!(self.step, ProcessStep::Succeeded | ProcessStep::Denied)
    }
}

impl ModelWorld {
    pub fn new(roles: &[ProcessRole]) -> Self {
        let names = ModelNames {
            bases: [Some(0), None],
            directories: [None, None],
            record: ModelPlace::Old,
        };
        Self {
            inodes: vec![ModelInode {
                now: FileContent::default(),
                disk: FileContent::default(),
                lock: None,
            }],
            directories: Vec::new(),
            names,
            names_disk: names,
            processes: roles.iter().map(|role| ModelProcess::new(*role)).collect(),
            is_removed: false,
            is_broken: false,
            fault: None,
        }
    }

    pub fn new_inode(&mut self, content: FileContent, lock: Option<usize>) -> usize {
        // What is claimed or put in place is flushed before it has a name.
        self.inodes.push(ModelInode {
            now: content,
            disk: content,
            lock,
        });
        self.inodes.len() - 1
    }

    /// True if a state is kept under a name.
    pub fn is_in_use(&self, name: usize) -> bool {
        let base = self.names.bases[name].map(|inode| &self.inodes[inode].now);
        let directory = self.names.directories[name];
        let generation = directory.and_then(|at| self.below(at, i8::MAX, OmittedPart::Nothing));
        base.is_some_and(|base| !base.moved || generation.is_some())
    }

    /// 0 where there is none.
    pub fn highest(&self, directory: usize) -> i8 {
        let numbers = self.directories[directory].now.iter();
        numbers.map(|(number, _)| *number).max().unwrap_or(0)
    }

    pub fn generation(&self, directory: usize, number: i8) -> Option<usize> {
        let mut entries = self.directories[directory].now.iter();
        entries
            .find(|(other, _)| *other == number)
            .map(|(_, inode)| *inode)
    }

    /// The highest generation below a number that holds something.
    pub fn below(&self, directory: usize, number: i8, without: OmittedPart) -> Option<usize> {
        let entries = self.directories[directory].now.iter();
        let settled = entries.filter(|(other, inode)| {
            *other < number
                && (!self.inodes[*inode].now.provisional || without == OmittedPart::Provisional)
        });
        settled
            .max_by_key(|(other, _)| *other)
            .map(|(_, inode)| *inode)
    }

    /// The file that a login finds now, in which told attempts must be.
    fn truth(&self) -> Option<&FileContent> {
        let name = match self.names.record {
            ModelPlace::New => 1,
            ModelPlace::Moving if !self.is_in_use(0) => 1,
            _ => 0,
        };
        let directory = self.names.directories[name];
        let generation = directory.and_then(|at| self.below(at, i8::MAX, OmittedPart::Nothing));
        let base = || self.names.bases[name].filter(|base| !self.inodes[*base].now.moved);
        generation
            .or_else(base)
            .map(|inode| &self.inodes[inode].now)
    }

    /// True if a login is refused since a device that counts has no record.
    pub fn is_contradictory(&self) -> bool {
        let truth = self.truth();
        self.names.record == ModelPlace::Removed && truth.is_some_and(|state| !state.uncommitted)
    }

    /// The fault of this world, if it has one.
    pub fn fault(&self) -> Option<&'static str> {
        if self.fault.is_some() {
            return self.fault;
        }
        let succeeded = self
            .processes
            .iter()
            .filter(|p| p.step == ProcessStep::Succeeded);
        let succeeded = succeeded.count();
        if succeeded > 1 {
            return Some("two successes");
        }
        if self.names.record == ModelPlace::Removed {
            let is_wrong = self.is_removed && self.is_contradictory();
            return is_wrong.then_some("a removed device that counts");
        }
        let Some(truth) = self.truth() else {
            return (!self.is_broken).then_some("no state is found");
        };
        if succeeded == 1 && !truth.used {
            return Some("a used code is good again");
        }
        let mut told = self
            .processes
            .iter()
            .enumerate()
            .filter(|(_, p)| p.was_told());
        told.any(|(me, _)| truth.charges & (1 << me) == 0)
            .then_some("an attempt that does not count")
    }

    /// Ends a process, and what it locks.
    pub fn release(&mut self, me: usize, step: ProcessStep) {
        for inode in &mut self.inodes {
            if inode.lock == Some(me) {
                inode.lock = None;
            }
            if step == ProcessStep::Gone {
                // That it was counted matters for what is told only.
                inode.now.charges &= !(1 << me);
                inode.disk.charges &= !(1 << me);
            }
        }
        let role = self.processes[me].role;
        self.processes[me] = ModelProcess {
            step,
            ..ModelProcess::new(role)
        };
    }

    pub fn drop_file(&mut self, me: usize, step: ProcessStep) {
        for inode in &mut self.inodes {
            if inode.lock == Some(me) {
                inode.lock = None;
            }
        }
        let process = &mut self.processes[me];
        (process.file, process.directory, process.base) = (None, None, None);
        (process.number, process.copied, process.step) = (0, None, step);
    }
}
