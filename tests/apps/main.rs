//! Programs that use PAM, as their packages bring them: Dovecot, vsftpd, openvpn, i3lock, LightDM; sudo-rs and fail2ban. By hand
//! before a release: `make test-apps`. Each runs on the loopback interface of a private machine, or on a display without a screen.
#![forbid(unsafe_code)]
#![cfg(test)]

mod desktop;
mod fail2ban;
mod servers;
mod sudo_rs;
mod vpn;

use std::time::Duration;

use harness::Machine;
use harness::logins;
use harness::logins::Phone;

/// Password, then code.
const BOTH: &str = "auth requisite pam_unix.so nodelay\nauth [success=ok ignore=ignore default=die] pam_twofactor.so\n";
/// Both in one field.
const ONE_FIELD: &str = "auth [success=ok ignore=ignore default=die] pam_twofactor.so forward_pass\nauth requisite pam_unix.so use_first_pass nodelay\n";
const REST: &str = "account [success=ok ignore=ignore default=die] pam_twofactor.so\naccount required pam_permit.so\nsession required pam_permit.so\n";

/// A machine with alice, who has a phone, and bob, who has none.
fn two_users() -> (Machine, Phone) {
    let machine = logins::machine();
    let phone = logins::enrolled(&machine, "alice");
    machine.add_user("bob");
    (machine, phone)
}

/// Waits until something is so.
fn wait_for(what: &str, is_so: impl FnMut() -> bool) {
    assert!(happens(is_so), "no {what}");
}

/// True if something becomes so, asked as often as half a minute allows.
fn happens(mut is_so: impl FnMut() -> bool) -> bool {
    (0..1500).any(|_| {
        let so = is_so();
        if !so {
            std::thread::sleep(Duration::from_millis(20));
        }
        so
    })
}
