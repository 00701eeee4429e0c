//! Counts the instructions of a program between the marks that pamdrive makes, one after the other.
//!
//! Times change from run to run, and these do not: what else the machine does costs a program no instruction. What the
//! kernel does is not in them.

use std::collections::{BTreeMap, HashMap};
use std::io;
use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;

use crate::exec::{self, Program, Run};
use crate::fault::{Call, mark};
use crate::ptrace::{self, Processors, Side, Stop};

/// A program whose instructions were counted.
#[derive(Debug)]
pub struct Stepped {
    /// Its ending, and what it wrote.
    pub run: Run,
    /// From each mark to the next: how many instructions ran in each file that is mapped, by its last name.
    pub windows: Vec<BTreeMap<String, u64>>,
}

impl Program {
    /// Runs it to its end under ptrace(2), and between its marks one instruction at a time. Addresses are the same in each
    /// run, so that what depends on them is as well.
    ///
    /// # Panics
    /// When it cannot be started or traced, or starts another program.
    pub fn stepped(self) -> Stepped {
        let (mut command, output) = self.prepared();
        ptrace::without_random_addresses(&mut command);
        ptrace::trace(&mut command);
        // Both on one processor, which they pass on to each other: waking the other one takes ten times as long.
        let before = Processors::of_thread().expect("the processors of this thread");
        Processors::current().choose().expect("one processor");
        let pid = exec::spawn(&mut command).id().cast_signed();
        let mut steps = Steps::default();
        let status = steps.follow(pid).expect("following a traced process");
        before.choose().expect("the processors of before");
        Stepped {
            run: output.ended(ExitStatus::from_raw(status)),
            windows: steps.windows,
        }
    }
}

/// Bytes of a page, as a power of two: mappings begin and end with one.
const PAGE: u32 = 12;

#[derive(Default)]
struct Steps {
    /// The file that is mapped at a page, or was before the program unmapped it.
    files: HashMap<u64, String>,
    windows: Vec<BTreeMap<String, u64>>,
}

impl Steps {
    /// Until the program has ended; returns how.
    fn follow(&mut self, pid: i32) -> io::Result<i32> {
        let mut began = false;
        let mut is_marked = false;
        loop {
            let (stopped, stop) = ptrace::wait()?;
            assert_eq!(stopped, pid, "another process of the test");
            let mut signal = 0;
            match stop {
                Stop::Ended(status) => return Ok(status),
                Stop::Signal(libc::SIGTRAP) if !began => {
                    began = true;
                    ptrace::prepare(pid)?;
                }
                Stop::Signal(caught) => signal = caught,
                Stop::Call => match ptrace::side(pid)? {
                    Side::Entry(number, arguments) => {
                        is_marked = mark(&Call { number, arguments }) == Some(true);
                    }
                    Side::Exit if is_marked => {
                        is_marked = false;
                        if let Some(status) = self.window(pid)? {
                            return Ok(status);
                        }
                    }
                    Side::Exit => {}
                },
                Stop::Exec => {}
                Stop::Child(_) => panic!("a program whose instructions are counted starts another"),
            }
            ptrace::resume(pid, signal)?;
        }
    }

    /// One instruction after the other up to the next mark, before which the program stands still then; or how it ended.
    fn window(&mut self, pid: i32) -> io::Result<Option<i32>> {
        let mut pages: HashMap<u64, u64> = HashMap::new();
        let mut last = 0;
        let mut signal = 0;
        loop {
            let here = ptrace::here(pid)?;
            let (number, arguments) = here.registers;
            let is_mark = mark(&Call { number, arguments }) == Some(false);
            if is_mark && ptrace::makes_call(pid, here.address) {
                break;
            }
            // An instruction that repeats itself, as `rep movsb` does, stops the program each time and counts once.
            if here.address != last {
                *pages.entry(here.address >> PAGE).or_default() += 1;
                last = here.address;
            }
            ptrace::step(pid, signal)?;
            signal = match ptrace::wait()?.1 {
                Stop::Ended(status) => return Ok(Some(status)),
                Stop::Signal(caught) if caught != libc::SIGTRAP => caught,
                Stop::Child(_) => panic!("a program whose instructions are counted starts another"),
                _ => 0,
            };
        }
        self.learn(&exec::maps(pid));
        let mut window = BTreeMap::new();
        for (page, count) in pages {
            let file = self.files.get(&page).map_or("?", String::as_str);
            *window.entry(file.to_owned()).or_default() += count;
        }
        self.windows.push(window);
        Ok(None)
    }

    /// proc_pid_maps(5).
    fn learn(&mut self, maps: &str) {
        for line in maps.lines() {
            let mut words = line.split_ascii_whitespace();
            let range = words.next().and_then(|range| range.split_once('-'));
            let (from, to) = range.expect("a range of addresses");
            let [from, to] =
                [from, to].map(|end| u64::from_str_radix(end, 16).expect("an address") >> PAGE);
            let path = words.nth(4).unwrap_or("anonymous");
            let name = path.rsplit('/').next().unwrap_or(path);
            self.files
                .extend((from..to).map(|page| (page, name.to_owned())));
        }
    }
}
