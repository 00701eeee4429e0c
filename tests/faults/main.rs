//! Faults that make logins and changes fail, as docs/internals/faults.md reports it: system calls that go wrong, processes
//! that are killed or stopped, limits of the caller, races, full disks and power cuts.
#![forbid(unsafe_code)]
#![cfg(test)]

mod at_once;
mod disks;
mod power;
mod races;
mod strangers;
mod sweeps;
