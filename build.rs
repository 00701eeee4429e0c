//! Link options of the module.
#![allow(
    clippy::disallowed_methods,
    reason = "cargo tells a build script by the environment what it builds"
)]

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// What glibc calls its ability to fill in packed relocations, since 2.36. The linker notes it as a need of the module.
const PACKED_RELOCATIONS: &[u8] = b"GLIBC_ABI_DT_RELR";

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
    if loader_unpacks_relocations() {
        println!("cargo::rustc-cdylib-link-arg=-Wl,-z,pack-relative-relocs");
    }
}

/// The directory of GCC's unwinder as an archive, libgcc_eh.a. sshd, su and sudo have not loaded libgcc_s.so.1: finding,
/// mapping and binding it costs more than loading the module. The archive stands before `-lgcc_s` on the linker's
/// command line, so that `--as-needed` leaves that out.
///
/// Where the archive is not found the module needs libgcc_s.so.1, as any library in Rust does.
fn unwinder_directory() -> Option<PathBuf> {
    compiler_file("libgcc_eh.a")?
        .parent()
        .map(Path::to_path_buf)
}

/// True where the C library that is linked has a loader that fills in packed relocations: one bit for each, and no 24 bytes.
fn loader_unpacks_relocations() -> bool {
    let library = compiler_file("libc.so.6").and_then(|path| fs::read(path).ok());
    library.is_some_and(|bytes| {
        bytes
            .windows(PACKED_RELOCATIONS.len())
            .any(|window| window == PACKED_RELOCATIONS)
    })
}

/// A file that the compiler links, by its name. It is not looked for when the module is built for another machine, and
/// the linker was not named: `cc` would name that of this machine.
fn compiler_file(name: &str) -> Option<PathBuf> {
    let is_native = env::var_os("HOST") == env::var_os("TARGET");
    let linker = match env::var_os("RUSTC_LINKER") {
        Some(named) => named,
        None if is_native => "cc".into(),
        None => return None,
    };
    let asked = Command::new(linker)
        .arg(format!("-print-file-name={name}"))
        .output()
        .ok()?;
    // A compiler that has none gives the bare name back.
    let path = PathBuf::from(String::from_utf8(asked.stdout).ok()?.trim_end());
    let is_there = asked.status.success() && path.is_absolute() && path.is_file();
    is_there.then_some(path)
}
