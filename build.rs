//! Link options of the module.

fn main() {
    // libpam unloads modules after every transaction. Rust's thread-local destructors would then run code that is
    // gone, and each reload would leak a TLS key: the library stays (dlopen(3), RTLD_NODELETE).
    println!("cargo::rustc-cdylib-link-arg=-Wl,-z,nodelete");
    println!("cargo::rustc-cdylib-link-arg=-Wl,-z,relro,-z,now");
    println!("cargo::rerun-if-changed=build.rs");
}
