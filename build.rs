//! Link options of the module.
#![allow(
    clippy::disallowed_methods,
    reason = "cargo tells a build script by the environment what it builds"
)]

use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;

fn main() {
    // libpam unloads modules after every transaction. Rust's thread-local destructors would then run code that is
    // gone, and each reload would leak a TLS key: the library stays (dlopen(3), RTLD_NODELETE).
    println!("cargo::rustc-cdylib-link-arg=-Wl,-z,nodelete");
    println!("cargo::rustc-cdylib-link-arg=-Wl,-z,relro,-z,now");
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-env-changed=RUSTC_LINKER");
    if env::var("CARGO_CFG_TARGET_ENV").is_ok_and(|name| name != "gnu") {
        return;
    }
    if let Some(directory) = unwinder_directory() {
        println!("cargo::rustc-link-search=native={}", directory.display());
        println!("cargo::rustc-link-lib=static:-bundle=gcc_eh");
    } else {
        println!(
            "cargo::warning=libgcc_eh.a is not found (RUSTC_LINKER names the compiler that is asked for it): the module will \
             need libgcc_s.so.1, and logins take longer"
        );
    }
}

/// The directory of GCC's unwinder as an archive, libgcc_eh.a. sshd, su and sudo have not loaded libgcc_s.so.1: finding,
/// mapping and binding it costs more than loading the module. The archive stands before `-lgcc_s` on the linker's
/// command line, so that `--as-needed` leaves that out.
///
/// Where the archive is not found the module needs libgcc_s.so.1, as any library in Rust does. It is not looked for when
/// the module is built for another machine, and the linker was not named: `cc` would name that of this machine.
fn unwinder_directory() -> Option<PathBuf> {
    let is_native = env::var_os("HOST") == env::var_os("TARGET");
    let linker = match env::var_os("RUSTC_LINKER") {
        Some(named) => named,
        None if is_native => "cc".into(),
        None => return None,
    };
    let asked = Command::new(linker)
        .arg("-print-file-name=libgcc_eh.a")
        .output()
        .ok()?;
    // A compiler that has none gives the bare name back.
    let path = PathBuf::from(String::from_utf8(asked.stdout).ok()?.trim_end());
    let is_there = asked.status.success() && path.is_absolute() && path.is_file();
    path.parent().filter(|_| is_there).map(Path::to_path_buf)
}
