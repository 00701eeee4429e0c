//! Each system call of a login, and of a change, goes wrong in turn. `make faults` does all of them and prints the
//! tables; `make test` does a part of them, the same one each time.

mod callers;
mod commands;
mod daemon;
mod discarded;
mod kept;
mod killed;
mod logins;
mod new_device;
mod relocation;
mod stacks;
mod stopped;
mod table;
