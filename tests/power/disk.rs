//! A model of a file system that keeps, at a power cut, what was flushed, and of everything else any part: each sector of
//! a file by itself, and each change of a directory by itself.
#![forbid(unsafe_code)]

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use crate::trace::Op;

const SECTOR: usize = 512;

/// The files of a directory tree by name.
pub type Files = BTreeMap<PathBuf, Vec<u8>>;

/// A change of names that is not on the disk for sure.
#[derive(Debug, Clone)]
enum Naming {
    Create(PathBuf, usize),
    Rename(PathBuf, PathBuf),
    Unlink(PathBuf),
}

impl Naming {
    fn directory(&self) -> &Path {
        let (Self::Create(path, _) | Self::Rename(path, _) | Self::Unlink(path)) = self;
        path.parent().unwrap()
    }

    fn apply(&self, names: &mut BTreeMap<PathBuf, usize>) {
        match self {
            Self::Create(path, file) => {
                names.insert(path.clone(), *file);
            }
            Self::Rename(from, to) => {
                if let Some(file) = names.remove(from) {
                    names.insert(to.clone(), file);
                }
            }
            Self::Unlink(path) => {
                names.remove(path);
            }
        }
    }
}

/// The versions of a file since it was last flushed, the flushed one first.
type Versions = Vec<Vec<u8>>;

#[derive(Debug, Clone, Default)]
pub struct Disk {
    files: Vec<Versions>,
    flushed: BTreeMap<PathBuf, usize>,
    now: BTreeMap<PathBuf, usize>,
    waiting: Vec<Naming>,
}

impl Disk {
    pub fn holding(files: &Files) -> Self {
        let names: BTreeMap<PathBuf, usize> = files.keys().cloned().zip(0..).collect();
        Self {
            files: files
                .values()
                .map(|content| vec![content.clone()])
                .collect(),
            flushed: names.clone(),
            now: names,
            waiting: Vec::new(),
        }
    }

    pub fn apply(&mut self, op: &Op) {
        match op {
            Op::Create(path) => {
                self.files.push(vec![Vec::new()]);
                self.name(Naming::Create(path.clone(), self.files.len() - 1));
            }
            Op::Write(path, offset, bytes) => {
                let file = &mut self.files[self.now[path]];
                let mut content = file.last().unwrap().clone();
                let end = *offset as usize + bytes.len();
                content.resize(content.len().max(end), 0);
                content[*offset as usize..end].copy_from_slice(bytes);
                file.push(content);
            }
            Op::Flush(path) => match self.now.get(path) {
                Some(file) => {
                    let versions = &mut self.files[*file];
                    versions.drain(..versions.len() - 1);
                }
                None => {
                    let (done, waiting) = std::mem::take(&mut self.waiting)
                        .into_iter()
                        .partition(|naming: &Naming| naming.directory() == path);
                    self.waiting = waiting;
                    done.iter()
                        .for_each(|naming| naming.apply(&mut self.flushed));
                }
            },
            Op::Rename(from, to) => self.name(Naming::Rename(from.clone(), to.clone())),
            Op::Unlink(path) => self.name(Naming::Unlink(path.clone())),
        }
    }

    fn name(&mut self, naming: Naming) {
        naming.apply(&mut self.now);
        self.waiting.push(naming);
    }

    /// Everything that may be found after a power cut now.
    pub fn after_power_cut(&self) -> BTreeSet<Files> {
        let mut found = BTreeSet::new();
        for kept in 0..1_u32 << self.waiting.len() {
            let mut names = self.flushed.clone();
            for (place, naming) in self.waiting.iter().enumerate() {
                if kept >> place & 1 == 1 {
                    naming.apply(&mut names);
                }
            }
            let mut all = vec![Files::new()];
            for (path, file) in names {
                let contents = contents(&self.files[file]);
                all = all
                    .into_iter()
                    .flat_map(|files| {
                        let with = |content: &Vec<u8>| {
                            let mut files = files.clone();
                            files.insert(path.clone(), content.clone());
                            files
                        };
                        contents.iter().map(with).collect::<Vec<_>>()
                    })
                    .collect();
            }
            found.extend(all);
        }
        found
    }
}

/// Every mixture of the sectors of these versions. A file that grew has either length; what was not written is zero.
fn contents(versions: &Versions) -> BTreeSet<Vec<u8>> {
    let mut found = BTreeSet::new();
    let lengths: BTreeSet<usize> = versions.iter().map(Vec::len).collect();
    for length in lengths {
        let mut mixtures: BTreeSet<Vec<u8>> = BTreeSet::from([Vec::new()]);
        for start in (0..length).step_by(SECTOR) {
            let end = length.min(start + SECTOR);
            let sector = |version: &Vec<u8>| {
                let mut sector = version
                    .get(start..version.len().min(end))
                    .unwrap_or(&[])
                    .to_vec();
                sector.resize(end - start, 0);
                sector
            };
            let sectors: BTreeSet<Vec<u8>> = versions.iter().map(sector).collect();
            mixtures = mixtures
                .iter()
                .flat_map(|head| {
                    sectors
                        .iter()
                        .map(move |tail| [head.as_slice(), tail].concat())
                })
                .collect();
        }
        found.extend(mixtures);
    }
    found
}
