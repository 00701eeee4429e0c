//! A PAM application that keeps all it knows in a heap of its own, and then looks for secrets in the rest of its memory: what it
//! finds, others left. As it never uses malloc, what they freed lies there untouched.
//!
//! pamscan SERVICE USER PHASES ANSWERER NEEDLES. PHASES are auth or auth,acct. ANSWERER is a shell command that is run for
//! each prompt, with the question on standard input; it writes the answer. NEEDLES is a file with one byte of length
//! before each needle, which is read only after pam_end.
#![allow(unsafe_code)]

use std::alloc::{GlobalAlloc, Layout};
use std::cell::UnsafeCell;
use std::fs::File;
use std::io::{Read, Write};
use std::os::unix::fs::FileExt;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};

use harness::pam_application::{
    self, DriveConversation, DriveTransaction, Phase, RawMessage, Reply, Start,
};

const HEAP_LEN: usize = 4 << 20;

/// The heap of this program: blocks one after the other, never used twice.
struct Heap {
    bytes: UnsafeCell<[u8; HEAP_LEN]>,
    used: AtomicUsize,
}

// SAFETY: `alloc` gives each byte to one caller only.
unsafe impl Sync for Heap {}

// SAFETY: a block lies within `bytes`, is aligned, and overlaps no other, since `used` only grows.
unsafe impl GlobalAlloc for Heap {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let begin = self.bytes.get().cast::<u8>();
        let room = layout.size() + layout.align();
        let at = self.used.fetch_add(room, Ordering::Relaxed);
        if at + room > HEAP_LEN {
            return std::ptr::null_mut();
        }
        let block = begin.wrapping_add(at);
        block.wrapping_add(block.align_offset(layout.align()))
    }

    unsafe fn dealloc(&self, _: *mut u8, _: Layout) {}
}

#[global_allocator]
static HEAP: Heap = Heap {
    bytes: UnsafeCell::new([0; HEAP_LEN]),
    used: AtomicUsize::new(0),
};

struct Answerer(String);

impl DriveConversation for Answerer {
    fn message(&mut self, message: RawMessage) -> Reply {
        match message.style {
            1 | 2 => answer(&self.0, message.text.as_bytes()).map_or(Reply::Failure, Reply::Text),
            _ => Reply::Null,
        }
    }

    fn delay(&mut self, _: u32) {}
}

fn answer(command: &str, question: &[u8]) -> Option<Vec<u8>> {
    let mut shell = Command::new("/bin/sh");
    let shell = shell.arg("-c").arg(command);
    let mut child = shell
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .ok()?;
    // It may not want to know the question.
    let _ = child.stdin.take()?.write_all(question);
    // Read into the heap: read_to_end would keep the answer on the stack.
    let mut text = vec![0; 256];
    let mut length = 0;
    let mut output = child.stdout.take()?;
    while let Some(room) = text.get_mut(length..)
        && let count = output.read(room).ok()?
        && count > 0
    {
        length += count;
    }
    text.truncate(length);
    child.wait().ok()?;
    while text.last() == Some(&b'\n') {
        text.pop();
    }
    Some(text)
}

fn main() {
    let words: Vec<String> = std::env::args().collect();
    let [_, service, user, phases, answerer, needles] = words.as_slice() else {
        eprintln!("usage: pamscan SERVICE USER PHASES ANSWERER NEEDLES");
        std::process::exit(2);
    };
    let results = log_in(service, user, phases, answerer);
    let (arena, found) = scan(needles).unwrap_or_else(|error| {
        eprintln!("pamscan: {error}");
        std::process::exit(2);
    });
    println!(
        "{}",
        serde_json::json!({ "results": results, "scanned": arena, "found": found })
    );
}

fn log_in(service: &str, user: &str, phases: &str, answerer: &str) -> Vec<i32> {
    let c_string = |text: &str| pam_application::c_string(text.as_bytes()).unwrap_or_default();
    let (service, user) = (c_string(service), c_string(user));
    let start = Start {
        service: &service,
        user: Some(&user),
        ..Start::default()
    };
    let mut transaction = match DriveTransaction::start(&start, Answerer(answerer.to_owned())) {
        Ok(transaction) => transaction,
        Err(code) => return vec![code],
    };
    let phase = |name| match name {
        "acct" => Phase::Account,
        _ => Phase::Auth,
    };
    let results = phases
        .split(',')
        .map(|name| transaction.run(phase(name), 0))
        .collect();
    transaction.end();
    results
}

/// Number of bytes that were looked at, and the places of needles.
fn scan(needles: &str) -> std::io::Result<(u64, Vec<String>)> {
    // The text that is read goes into the own heap, which is left out.
    let mut arena = vec![0_u8; 1 << 20];
    let own = HEAP.bytes.get().addr() as u64;
    let own = own..own + HEAP_LEN as u64;
    let (keys, window) = arena.split_at_mut(4096);
    let length = File::open(needles)?.read(keys)?;
    let keys = split(keys.get(..length).unwrap_or_default());
    let memory = File::open("/proc/self/mem")?;
    let maps = std::fs::read_to_string("/proc/self/maps")?;
    let mut found = Vec::new();
    let mut scanned = 0;
    for line in maps.lines() {
        let Some((from, to)) = writable(line) else {
            continue;
        };
        let mut at = from;
        while at < to {
            if own.contains(&at) {
                at = own.end;
                continue;
            }
            let end = if at < own.start {
                to.min(own.start)
            } else {
                to
            };
            let wanted = usize::try_from(end - at)
                .unwrap_or(usize::MAX)
                .min(window.len());
            let Some(room) = window.get_mut(..wanted) else {
                break;
            };
            let Ok(count) = memory.read_at(room, at) else {
                break;
            };
            if count == 0 {
                break;
            }
            for (number, key) in keys.iter().enumerate() {
                let hits = room
                    .windows(key.len())
                    .enumerate()
                    .filter(|(_, bytes)| bytes == key);
                found.extend(
                    hits.map(|(offset, _)| {
                        format!("{number} at {:x} in {line}", at + offset as u64)
                    }),
                );
            }
            scanned += count as u64;
            // A needle that lies across two windows is seen in the next one.
            at += if at + count as u64 >= end {
                count as u64
            } else {
                count as u64 - 256
            };
        }
    }
    Ok((scanned, found))
}

fn writable(line: &str) -> Option<(u64, u64)> {
    let (range, rest) = line.split_once(' ')?;
    let (from, to) = range.split_once('-')?;
    let number = |text| u64::from_str_radix(text, 16).ok();
    rest.starts_with("rw")
        .then_some((number(from)?, number(to)?))
}

fn split(mut bytes: &[u8]) -> Vec<&[u8]> {
    let mut keys = Vec::new();
    while let Some((length, rest)) = bytes.split_first()
        && let Some((key, rest)) = rest.split_at_checked(usize::from(*length))
    {
        keys.push(key);
        bytes = rest;
    }
    keys
}
