//! A model of a file system that keeps, at a power cut, what was flushed, and of everything else any part: each sector of
//! a file by itself, and each change of a directory by itself.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use super::trace::Op;

const SECTOR: usize = 512;

/// A thing that has a name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum DiskEntry {
    File(Vec<u8>),
    Directory,
}

/// The entries of a directory tree by name.
pub type DiskTree = BTreeMap<PathBuf, DiskEntry>;

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

#[derive(Debug, Clone)]
enum DiskInode {
    File(Versions),
    Other(DiskEntry),
}

#[derive(Debug, Clone, Default)]
pub struct ModelDisk {
    inodes: Vec<DiskInode>,
    flushed: BTreeMap<PathBuf, usize>,
    now: BTreeMap<PathBuf, usize>,
    /// Files by the path that they were made under, which descriptors keep when the name is another one or gone.
    open: BTreeMap<PathBuf, usize>,
    waiting: Vec<Naming>,
}

impl ModelDisk {
    pub fn holding(files: &DiskTree) -> Self {
        let names: BTreeMap<PathBuf, usize> = files.keys().cloned().zip(0..).collect();
        let inode = |entry: &DiskEntry| match entry {
            DiskEntry::File(content) => DiskInode::File(vec![content.clone()]),
            other => DiskInode::Other(other.clone()),
        };
        Self {
            inodes: files.values().map(inode).collect(),
            flushed: names.clone(),
            now: names,
            open: BTreeMap::new(),
            waiting: Vec::new(),
        }
    }

    pub fn apply(&mut self, op: &Op) {
        match op {
            Op::Create(path) => {
                let inode = self.add(DiskInode::File(vec![Vec::new()]));
                self.open.insert(path.clone(), inode);
                if !is_nameless(path) {
                    self.name(Naming::Create(path.clone(), inode));
                }
            }
            Op::Link(from, to) => {
                let inode = self.inode(from).unwrap();
                self.name(Naming::Create(to.clone(), inode));
            }
            Op::Directory(path) => {
                let inode = self.add(DiskInode::Other(DiskEntry::Directory));
                self.name(Naming::Create(path.clone(), inode));
            }
            Op::Write(path, offset, bytes) => {
                let file = self.versions(path).unwrap();
                let mut content = file.last().unwrap().clone();
                let end = *offset as usize + bytes.len();
                content.resize(content.len().max(end), 0);
                content[*offset as usize..end].copy_from_slice(bytes);
                file.push(content);
            }
            Op::Flush(path) => match self.versions(path) {
                Some(versions) => {
                    versions.drain(..versions.len() - 1);
                }
                None => self.flush_names(path),
            },
            Op::Rename(from, to) => self.name(Naming::Rename(from.clone(), to.clone())),
            Op::Unlink(path) => self.name(Naming::Unlink(path.clone())),
        }
    }

    fn add(&mut self, inode: DiskInode) -> usize {
        self.inodes.push(inode);
        self.inodes.len() - 1
    }

    /// A name comes before the path of an old descriptor.
    fn inode(&self, path: &Path) -> Option<usize> {
        self.now.get(path).or_else(|| self.open.get(path)).copied()
    }

    fn versions(&mut self, path: &Path) -> Option<&mut Versions> {
        let inode = self.inode(path)?;
        match &mut self.inodes[inode] {
            DiskInode::File(versions) => Some(versions),
            DiskInode::Other(_) => None,
        }
    }

    fn flush_names(&mut self, directory: &Path) {
        let (done, waiting) = std::mem::take(&mut self.waiting)
            .into_iter()
            .partition(|naming: &Naming| naming.directory() == directory);
        self.waiting = waiting;
        done.iter()
            .for_each(|naming| naming.apply(&mut self.flushed));
    }

    fn name(&mut self, naming: Naming) {
        naming.apply(&mut self.now);
        self.waiting.push(naming);
    }

    /// Everything that may be found after a power cut now.
    pub fn after_power_cut(&self) -> BTreeSet<DiskTree> {
        let mut found = BTreeSet::new();
        for kept in 0..1_u32 << self.waiting.len() {
            let mut names = self.flushed.clone();
            for (place, naming) in self.waiting.iter().enumerate() {
                if kept >> place & 1 == 1 {
                    naming.apply(&mut names);
                }
            }
            let mut all = vec![DiskTree::new()];
            for (path, inode) in names {
                let contents = match &self.inodes[inode] {
                    DiskInode::File(versions) => contents(versions),
                    DiskInode::Other(entry) => BTreeSet::from([entry.clone()]),
                };
                all = all
                    .into_iter()
                    .flat_map(|files| {
                        let with = |content: &DiskEntry| {
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
fn contents(versions: &Versions) -> BTreeSet<DiskEntry> {
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
        found.extend(mixtures.into_iter().map(DiskEntry::File));
    }
    found
}

/// The kernel names a file without a name by its inode number.
fn is_nameless(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    name.starts_with('#')
}
