//! Operations of a real program on files below a directory, in order, as strace tells it.

use std::path::{Path, PathBuf};

use harness::{Machine, Program, Run};

/// A change of the files, or a wait for the disk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Op {
    /// A new, empty file: under its name, or under what the kernel calls one without a name.
    Create(PathBuf),
    /// A further name of a file.
    Link(PathBuf, PathBuf),
    /// A new directory.
    Directory(PathBuf),
    Write(PathBuf, u64, Vec<u8>),
    /// fsync(2) or fdatasync(2) of a file or a directory.
    Flush(PathBuf),
    Rename(PathBuf, PathBuf),
    Unlink(PathBuf),
}

/// Every call by which files are changed or flushed.
const CALLS: &str = "trace=openat,open,creat,write,pwrite64,writev,pwritev,pwritev2,ftruncate,truncate,fallocate,\
                     rename,renameat,renameat2,link,linkat,symlink,symlinkat,unlink,unlinkat,mkdir,mkdirat,rmdir,\
                     fsync,fdatasync,sync,syncfs,sync_file_range";

/// Runs a program; tells how it ended, and what it did below the directory.
///
/// # Panics
/// When it did something that this does not know.
pub fn of(machine: &Machine, words: &[&str], below: &Path) -> (Run, Vec<Op>) {
    let strace: Program = machine.program("strace");
    let strace = strace.args(&["-f", "-qq", "-y", "-xx", "-s", "65536", "-e", "signal=none"]);
    let run = strace
        .args(&["-o", "/run/trace", "-e", CALLS])
        .args(words)
        .run();
    let trace = machine.read("/run/trace");
    let ops = trace.lines().filter_map(|line| op(line, below)).collect();
    (run, ops)
}

fn op(line: &str, below: &Path) -> Option<Op> {
    let (call, rest) = line.split_once(' ')?.1.trim_start().split_once('(')?;
    let (arguments, result) = rest.rsplit_once(" = ")?;
    if result.starts_with('-') {
        return None;
    }
    let arguments: Vec<&str> = arguments.trim_end_matches(')').split(", ").collect();
    let path = |place: usize| path_of(arguments[place]);
    let named = |place: usize| path(place).join(path_of(arguments[place + 1]));
    let op = match call {
        // The path that strace -y shows for the descriptor is what it shows for it in later calls.
        "openat" if line.contains("O_TMPFILE") => Op::Create(path_of(result)),
        "openat" if line.contains("O_CREAT") => Op::Create(named(0)),
        "openat" => return None,
        "pwrite64" => {
            let offset = arguments[3].parse().unwrap();
            let mut bytes = bytes_of(arguments[1]);
            bytes.truncate(result.parse().unwrap());
            Op::Write(path(0), offset, bytes)
        }
        "fsync" | "fdatasync" => Op::Flush(path(0)),
        "linkat" if line.contains("AT_EMPTY_PATH") => Op::Link(path(0), named(2)),
        "linkat" => Op::Link(named(0), named(2)),
        "mkdirat" => Op::Directory(named(0)),
        "renameat" => Op::Rename(named(0), named(2)),
        "unlinkat" => Op::Unlink(named(0)),
        _ => {
            let touches = arguments
                .iter()
                .any(|word| path_of(word).starts_with(below));
            assert!(!touches, "an unknown change: {line}");
            return None;
        }
    };
    let of = match &op {
        Op::Create(path)
        | Op::Write(path, ..)
        | Op::Flush(path)
        | Op::Unlink(path)
        | Op::Directory(path) => path,
        Op::Rename(_, to) | Op::Link(_, to) => to,
    };
    of.starts_with(below).then_some(op)
}

/// The path of a descriptor (`3<...>`) or of a string.
fn path_of(word: &str) -> PathBuf {
    use std::os::unix::ffi::OsStringExt;
    let bytes = bytes_of(word.split_once('<').map_or(word, |(_, path)| path));
    std::ffi::OsString::from_vec(bytes).into()
}

/// The bytes that strace -xx wrote as `\x2f\x65`.
fn bytes_of(word: &str) -> Vec<u8> {
    let pairs = word.split("\\x").skip(1);
    pairs
        .map(|pair| u8::from_str_radix(&pair[..2], 16).unwrap())
        .collect()
}
