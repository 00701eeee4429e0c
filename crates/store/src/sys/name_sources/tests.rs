//! Sources that are not there, and what their answers mean.

use super::*;

#[test]
fn a_source_that_is_not_there_does_not_answer() {
    assert!(function("no-such-source", "getgrnam_r").is_err());
    for name in ["", "../x", "a/b", "a.b"] {
        let refused = function(name, "getgrnam_r").unwrap_err();
        assert_eq!(refused.0, libc::EINVAL, "{name}");
    }
}

#[test]
fn no_users_of_systemd_are_an_answer_of_systemd_alone() {
    let none = || Err::<Option<u32>, _>(LookupFailed(libc::ESRCH));
    assert_eq!(by_source("systemd", none()), Ok(None));
    assert_eq!(by_source("sss", none()), none());
    let away = || Err::<Option<u32>, _>(LookupFailed(libc::EIO));
    assert_eq!(by_source("systemd", away()), away());
}

#[test]
fn a_status_is_an_answer_or_a_failure() {
    assert_eq!(answered(SUCCESS, 0), Ok(true));
    assert_eq!(answered(NOT_FOUND, libc::ENOENT), Ok(false));
    assert_eq!(answered(-1, libc::EIO), Err(LookupFailed(libc::EIO)));
    assert_eq!(answered(-1, 0), Err(LookupFailed(libc::EIO)));
    assert_eq!(
        answered(TRY_AGAIN, libc::EAGAIN),
        Err(LookupFailed(libc::EAGAIN))
    );
    assert_eq!(answered(2, 0), Err(LookupFailed(libc::EIO)));
}
