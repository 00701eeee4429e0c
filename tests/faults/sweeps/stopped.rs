//! Processes that are stopped after each of their system calls (SIGSTOP, the freezer of control groups): others log in
//! and administer meanwhile, the same user logs in, and the stopped one lets in by no code that was used meanwhile.

use std::time::Duration;

use harness::fault::{Call, Halt, Traced, Window};
use harness::otp::hotp;
use harness::pam::code;
use harness::{Machine, PASSWORD, Totp, freezer};
use twofactor_core::device::OtpKind;
use twofactor_core::record::UserRecord;
use twofactor_core::state::UserState;

use super::kept::{KeptFiles, holder, open_store};
use super::logins::{account, in_turn, result};
use super::table::{Column, TableRow, print, stride};
use harness::enrolled::{
    IGNORED, SERVICE, Token, add_account, add_stack, enroll_token, login, set_state, state_path,
};
use harness::logins;

/// The policy that users find who log in meanwhile.
const POLICY: &str = "enabled = true\ntries = 1\nenroll_at_login = \"offer\"\n\
                      [throttle]\nattempts = 1000\nmax_failures = 0\ndelay = 0\n";

/// Long enough for a sweep on a busy machine: only a process that hangs takes longer.
const HANGS: Duration = Duration::from_secs(300);

/// For `Drive::answer_shell`: the code of the key that was shown last.
pub const CODE_OF_LAST_KEY: &str =
    "oathtool --totp -b \"$(sed -n 's/^Key: //p' | tail -n 1 | tr -d ' ')\"";

/// Commands of the administrator while a process is stopped.
const MEANWHILE: [&[&str]; 4] = [
    &["enroll", "bob", "--hotp", "--no-confirm", "--json", "--yes"],
    &["unlock", "dave", "--yes"],
    &["invite", "carol", "--yes"],
    &["disable", "--yes"],
];

/// Scene: the process that is stopped.
enum Scene {
    /// su to alice, with the right code.
    Su,
    /// A login of erin, who sets up a phone.
    Enrollment,
    /// The command, about this user.
    Command(&'static [&'static str], &'static str),
}

const SCENES: [Scene; 6] = [
    Scene::Su,
    Scene::Enrollment,
    Scene::Command(
        &[
            "enroll",
            "erin",
            "--hotp",
            "--no-confirm",
            "--json",
            "--yes",
        ],
        "erin",
    ),
    Scene::Command(&["unset", "alice", "--yes"], "alice"),
    // `enable` asks sshd for its settings: the calls of two processes come in no fixed order.
    Scene::Command(&["disable", "--yes"], "alice"),
    Scene::Command(&["invite", "erin", "--yes"], "erin"),
];

impl Scene {
    fn name(&self) -> String {
        match self {
            Self::Su => "su".to_owned(),
            Self::Enrollment => "enrollment at login".to_owned(),
            Self::Command(words, _) => format!("twofactor {}", words[0]),
        }
    }

    const fn user(&self) -> &'static str {
        match self {
            Self::Su => "alice",
            Self::Enrollment => "erin",
            Self::Command(_, user) => user,
        }
    }

    /// True if it changes the policy itself.
    fn changes_policy(&self) -> bool {
        matches!(self, Self::Command(words, _) if words[0] == "disable")
    }

    fn run(
        &self,
        machine: &Machine,
        halted: Option<(usize, Halt)>,
        meanwhile: &mut dyn FnMut(),
    ) -> Traced {
        let (program, window) = match self {
            Self::Su => {
                let su = machine.program("prlimit").args(&["--nofile=64", "su"]);
                let su = su.args(&["alice", "-c", "echo let in"]).user("frank");
                let typed = Token::new("alice").code_at(0).to_owned();
                // setpriv, prlimit, and then the program itself.
                let su = su.input(format!("{PASSWORD}\n{typed}\n"));
                (su, Window::Program(3))
            }
            Self::Enrollment => {
                let enrolls = login("erin")
                    .phases("auth,acct")
                    .answer("yes")
                    .answer_shell(CODE_OF_LAST_KEY)
                    .answer("");
                return match halted {
                    None => enrolls.traced(None),
                    Some(at) => enrolls.halted(at, meanwhile),
                };
            }
            Self::Command(words, _) => (machine.twofactor(words), Window::Program(1)),
        };
        match halted {
            None => program.traced(window, None),
            Some(at) => program.limit(HANGS).halted(window, at, meanwhile),
        }
    }

    fn is_let_in(&self, traced: &Traced) -> bool {
        match self {
            Self::Su => traced.run.stdout.contains("let in"),
            Self::Enrollment => result(traced) == Some(code::SUCCESS),
            Self::Command(..) => false,
        }
    }
}

#[test]
fn r43_a_stopped_process_holds_up_no_other() {
    let machine = logins::machine();
    add_stack(&machine, SERVICE, "");
    for user in ["alice", "dave"] {
        enroll_token(&machine, user);
    }
    for user in ["bob", "carol", "erin", "frank"] {
        add_account(&machine, user);
    }
    machine.write_file("/etc/login.defs", "FAIL_DELAY 0\n", 0o644);
    set_state("dave", |state| state.failures = 3);
    let kept = KeptFiles::look();
    let (mut rows, mut taken_over) = (Vec::new(), 0);
    for scene in &SCENES {
        rows.push(sweep(&machine, scene, &kept, Halt::Signal, &mut taken_over));
        // The freezer stops at the same places; what it is about is seen at those that wait for the disk or a lock.
        if freezer::is_there() {
            rows.push(sweep(
                &machine,
                scene,
                &kept,
                Halt::Freezer,
                &mut taken_over,
            ));
        }
    }
    if !freezer::is_there() {
        println!("no control group can be made here: nothing was frozen, only stopped");
    }
    println!("{taken_over} states were taken over");
    print("processes that are stopped", &rows);
    assert!(taken_over > 0);
}

/// The places after which it is stopped: each for a whole sweep by signals; else some at which something is locked, written or
/// waited for.
fn places(calls: &[Call], halt: Halt) -> Vec<usize> {
    let all = 0..calls.len();
    if cfg!(feature = "whole-sweeps") && halt == Halt::Signal {
        return all.step_by(stride(1)).collect();
    }
    let touches = [
        "flock",
        "pwrite64",
        "fsync",
        "fdatasync",
        "linkat",
        "symlinkat",
        "unlinkat",
        "renameat",
    ];
    let concerned: Vec<usize> = all
        .filter(|place| touches.contains(&calls[*place].name().as_str()))
        .collect();
    if cfg!(feature = "whole-sweeps") {
        return concerned.into_iter().step_by(stride(1)).collect();
    }
    let part = match halt {
        Halt::Signal => [concerned.len() / 3, concerned.len() * 2 / 3].to_vec(),
        Halt::Freezer => [concerned.len() / 2].to_vec(),
    };
    // After the last look at the state, before the record goes.
    let removes = |place: &usize| calls[*place].name() == "unlinkat";
    let removal = concerned.iter().copied().find(removes);
    let part = part.into_iter().map(|place| concerned[place]);
    part.chain(removal).collect()
}

fn sweep(
    machine: &Machine,
    scene: &Scene,
    kept: &KeptFiles,
    halt: Halt,
    taken_over: &mut usize,
) -> TableRow {
    let begin = || {
        kept.restore();
        machine.policy(POLICY);
        machine.forget_log();
    };
    let kind = if halt == Halt::Signal {
        "stopped"
    } else {
        "frozen"
    };
    let mut row = TableRow::new(&format!("{}, {kind}", scene.name()));
    begin();
    let whole = scene.run(machine, None, &mut || {});
    assert_eq!(whole.run.code, Some(0), "{whole:?}");
    assert_eq!(
        scene.is_let_in(&whole),
        matches!(scene, Scene::Su),
        "{whole:?}"
    );
    if let Scene::Enrollment = scene {
        let enrolled = in_force("erin").unwrap();
        assert!(enrolled.is_some(), "{whole:?} {:?}", machine.log());
    }
    for place in places(&whole.calls, halt) {
        begin();
        let call = whole.calls[place].name();
        let before = &whole.calls[..=place];
        let nth = before.iter().filter(|other| other.name() == call).count();
        let mut seen = Vec::new();
        let mut used = None;
        let traced = scene.run(machine, Some((place, halt)), &mut || {
            used = Some(meanwhile(machine, scene, &mut |column, why| {
                seen.push((column, why))
            }));
        });
        row.count(&whole.calls[place], traced.struck);
        *taken_over += usize::from(used.is_some_and(|used: Used| used.taken_over));
        afterwards(machine, scene, &traced, used, &mut |column, why| {
            seen.push((column, why))
        });
        for (column, why) in seen {
            row.found(column, format!("behind {call} number {nth}: {why}"));
        }
    }
    begin();
    row
}

/// Use of a code: whether a code of the user was accepted while the process was stopped.
#[derive(Clone, Copy)]
struct Used {
    /// A code that the process itself judged.
    same: bool,
    /// Any.
    any: bool,
    /// True if the state was taken over for it.
    taken_over: bool,
}

fn meanwhile(machine: &Machine, scene: &Scene, found: &mut dyn FnMut(Column, String)) -> Used {
    let mut used = Used {
        same: false,
        any: false,
        taken_over: false,
    };
    let is_on = machine
        .read(twofactor_core::POLICY_FILE)
        .contains("enabled = true");
    let expected = if is_on { code::SUCCESS } else { IGNORED };
    let dave = in_turn(machine, login("dave"), &[Token::new("dave").code_at(0)]);
    if dave != [Some(expected)] {
        found(Column::Stuck, format!("dave: {dave:?}"));
    }
    if matches!(scene, Scene::Su) {
        let same = in_turn(machine, login("alice"), &[Token::new("alice").code_at(0)]);
        used.same = same == [Some(code::SUCCESS)];
    }
    match own_login(machine, scene.user(), is_on) {
        Ok(is_accepted) => used.any = is_accepted,
        Err((column, why)) => found(column, format!("meanwhile, {}: {why}", scene.user())),
    }
    used.taken_over = state_path(&format!("{}+", scene.user())).exists();
    for words in MEANWHILE {
        let run = machine.command(words);
        if run.code != Some(0) {
            found(Column::Stuck, format!("{words:?}: {run:?}"));
        }
    }
    if !scene.changes_policy() {
        machine.policy(POLICY);
    }
    used
}

/// A login of the user with a right code where there is a record, and with nothing where it is proven that there is none.
/// Tells whether a code was accepted.
fn own_login(machine: &Machine, user: &str, is_on: bool) -> Result<bool, (Column, String)> {
    let (answer, expected) = match in_force(user).map_err(|why| (Column::Lost, why))? {
        Some((record, state)) if is_on => (right_code(&record, &state), code::SUCCESS),
        // Enter skips the offer to enroll.
        _ => (String::new(), IGNORED),
    };
    let results = in_turn(machine, login(user), &[&answer]);
    if results == [Some(expected)] {
        Ok(expected == code::SUCCESS)
    } else {
        Err((Column::Stuck, format!("{results:?} instead of {expected}")))
    }
}

/// The record with a device and its state, without their lock; `None` where it is proven that there is none.
fn in_force(user: &str) -> Result<Option<(UserRecord, UserState)>, String> {
    let account = account(user);
    let Some(record) = holder(&account)?.record.filter(UserRecord::is_enrolled) else {
        return Ok(None);
    };
    let state = open_store()
        .peek(&account)
        .map_err(|error| error.to_string())?;
    let state = state.ok_or("there is no state")?;
    Ok(Some((record, state)))
}

/// A code that no login has used: the next one of a token, and of a phone that of the next step.
fn right_code(record: &UserRecord, state: &UserState) -> String {
    let device = &record.devices[0];
    let secret = device.secret.to_base32();
    match device.kind {
        OtpKind::Hotp => hotp(&secret, state.device(device.id).unwrap().next, 6),
        OtpKind::Totp { .. } => Totp::new(&secret).code_after(1),
    }
}

fn afterwards(
    machine: &Machine,
    scene: &Scene,
    traced: &Traced,
    used: Option<Used>,
    found: &mut dyn FnMut(Column, String),
) {
    let user = scene.user();
    let Some(used) = used else { return };
    if traced.run.signal.is_some() || traced.run.code == Some(101) {
        found(Column::Stuck, format!("it died: {:?}", traced.run));
    }
    if scene.is_let_in(traced) && used.same {
        found(Column::LetIn, "a code worked twice".to_owned());
    }
    let Scene::Command(words, _) = scene else {
        // The code of a phone's next step may be used, and the one after it is not valid yet.
        if matches!(scene, Scene::Enrollment) && used.any {
            return in_force(user).map_or_else(|why| found(Column::Lost, why), drop);
        }
        if let Err((column, why)) = own_login(machine, user, true) {
            found(column, format!("afterwards: {why}"));
        }
        return;
    };
    if let Err(why) = in_force(user) {
        found(Column::Lost, format!("afterwards: {why}"));
    }
    // If it could not do its work, it does so when it is given again; if it did, it may say that there is nothing to
    // do.
    if traced.run.code != Some(0) {
        let again = machine.command(words);
        if again.code != Some(0) {
            found(
                Column::Stuck,
                format!("after {:?}, again: {again:?}", traced.run),
            );
        }
    }
    machine.policy(POLICY);
    if let Err((column, why)) = own_login(machine, user, true) {
        found(column, format!("afterwards: {why}"));
    }
}
