//! Parts of a test that run with the rights of a user.

use rustix::fs::Uid;

/// Runs a function with the effective uid of a user, and with that of root again afterwards. Other threads keep theirs
/// (setresuid(2), NOTES).
///
/// # Panics
/// Without root's rights.
pub fn with_effective_uid<T>(uid: u32, act: impl FnOnce() -> T) -> T {
    let become_uid = |effective| {
        rustix::thread::set_thread_res_uid(Uid::ROOT, effective, Uid::ROOT).expect("setresuid");
    };
    become_uid(Uid::from_raw(uid));
    let result = act();
    become_uid(Uid::ROOT);
    result
}
