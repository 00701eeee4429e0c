//! The name of this machine.

/// The host name (uname(2)), as the issuer of new devices where the policy names none.
#[must_use]
pub fn name() -> String {
    let uname = rustix::system::uname();
    uname.nodename().to_string_lossy().into_owned()
}
