//! Logins with a wrong code: root's, on the files, and the user's, through the daemon.

use harness::effective_user::with_effective_uid;
use harness::enrolled::Token;
use harness::pam::code;

use crate::caller::DaemonCaller;
use crate::spread::{FigureRow, Spread};
use crate::timed_login::authenticate;

/// Logins before those that count.
const WARM_UP: usize = 2;

/// Refused logins of both, in turns.
pub fn compared(caller: &DaemonCaller, count: usize) -> FigureRow {
    let token = Token::new(&caller.name);
    // Each code once: one that was refused is not compared again.
    let mut codes = token.wrong_codes();
    let mut refusal = || {
        let (time, result) = authenticate(&caller.name, codes.next().unwrap());
        // The last try of the only one: the code was compared.
        assert_eq!(result, code::MAXTRIES);
        time
    };
    // What has not been written back yet would be flushed together with the logins.
    rustix::fs::sync();
    let (mut roots, mut users) = (Vec::new(), Vec::new());
    for round in 0..WARM_UP + count {
        let root = refusal();
        let user = with_effective_uid(caller.uid, &mut refusal);
        if round >= WARM_UP {
            roots.push(root);
            users.push(user);
        }
    }
    let (roots, users): (Spread, Spread) =
        (roots.into_iter().collect(), users.into_iter().collect());
    let ratio = users.at(0.5) / roots.at(0.5);
    FigureRow {
        figure: "`pam_authenticate` as the user, wrong code, against root",
        goal: "at most 4 x",
        measured: format!("{ratio:.2} x: {users}; root {roots}"),
        count,
        is_reached: Some(ratio <= 4.0),
    }
}
