//! A lost phone: after a login with a recovery code, or with a bypass code for that, a new device in the same dialogue.

use harness::logins::{
    ASK_CODE, ASK_NEW_CODES as CODES, ASK_NEW_DEVICE as NEW, ASK_PASSWORD, Phone, enroll, enrolled,
    logged, machine,
};
use harness::screen::assert_fits;
use harness::{Machine, PASSWORD, Session, Sshd, Totp};
use twofactor_store::FactorStore;

use crate::app::{CODE_OR_SKIP, Person, key};
use crate::sshd::{questions, runs};

/// The question for the only old device.
pub const REMOVE_PHONE: &str = "Remove phone? Type yes, or press Enter to keep it: ";
/// The question for several.
const REMOVE_ONE: &str = "Name of a lost one to remove it, or press Enter to keep all: ";
/// The question where there is no room.
const REPLACE: &str = "Name of the lost one, or press Enter to skip: ";
const SEEN: &str = "Written down? Type yes to use them, or press Enter to keep the old ones: ";

/// A login that begins with a recovery or bypass code, and goes on with these answers.
pub fn recovers<'a>(
    sshd: &Sshd<'_>,
    typed: &'a str,
    answers: &[(&'a str, &'a str)],
) -> (Session, Vec<String>) {
    let all: Vec<_> = [(ASK_CODE, typed)].iter().chain(answers).copied().collect();
    let mut person = Person::new(&all);
    let session = runs(sshd.login("alice"), &mut person);
    (session, person.keys)
}

/// The names of a user's devices, and the number of recovery codes left.
pub fn factor(machine: &Machine, user: &str) -> (Vec<String>, u64) {
    let run = machine.command(&["status", user, "--json"]).ok();
    let report: serde_json::Value = serde_json::from_str(&run.stdout).unwrap();
    let user = &report["users"][0];
    let devices = user["devices"].as_array().unwrap();
    let names = devices
        .iter()
        .map(|it| it["name"].as_str().unwrap().to_owned());
    (
        names.collect(),
        user["recovery_codes_left"].as_u64().unwrap(),
    )
}

fn record_of(user: &str) -> twofactor_core::record::UserRecord {
    let store = FactorStore::open(
        twofactor_core::STATE_DIR.as_ref(),
        twofactor_core::POLICY_FILE.as_ref(),
    );
    store.unwrap().record_named(user).unwrap().unwrap()
}

pub fn lets_in(sshd: &Sshd<'_>, code: &str) -> bool {
    sshd.login("alice").answers(&[PASSWORD, code]).run().is_in()
}

pub fn results(machine: &Machine) -> Vec<String> {
    let lines = logged(machine, "sshd:account");
    let result = |line: &String| line.split_once("result=").unwrap().1.to_owned();
    lines.iter().map(result).collect()
}

pub fn desk() -> (Machine, Phone) {
    let machine = machine();
    let phone = enrolled(&machine, "alice");
    (machine, phone)
}

#[test]
fn r49_a_recovery_code_adds_a_device() {
    let (machine, old) = desk();
    let sshd = machine.sshd("");
    let answers = [(NEW, "yes"), (REMOVE_PHONE, "")];
    let (session, keys) = recovers(&sshd, &old.recovery[0], &answers);
    assert!(session.is_in(), "{session:?}");
    assert_eq!(
        questions(&session),
        [ASK_PASSWORD, ASK_CODE, NEW, CODE_OR_SKIP, REMOVE_PHONE]
    );
    assert_eq!(results(&machine), ["enrolled device=phone-2"]);
    assert_eq!(
        factor(&machine, "alice"),
        (vec!["phone".into(), "phone-2".into()], 9)
    );
    // The old one was kept, and codes of both work.
    assert!(lets_in(&sshd, &Totp::new(&keys[0]).code_after(1)));
    assert!(lets_in(&sshd, &old.code()));
}

#[test]
fn r49_a_lost_phone_is_replaced_over_ssh_at_80x24() {
    let (machine, old) = desk();
    let sshd = machine.sshd("");
    let mut terminal = sshd.login("alice").shell().pty_of(80, 24);
    terminal
        .answer(ASK_PASSWORD, PASSWORD)
        .answer(ASK_CODE, &old.recovery[0])
        .answer(NEW, "yes");
    let new = Totp::new(&key(&terminal.expect(CODE_OR_SKIP)));
    new.settle(5);
    terminal.send_line(&new.code());
    terminal
        .answer(REMOVE_PHONE, "yes")
        .answer("Recovery code accepted. 9 are left.", "exit");
    let shown = terminal.end().shown;
    assert_fits(&shown, 80, &["URI: ", "Key: "]);
    let confirmed = shown.matches("Done. Codes of phone no longer work.");
    assert_eq!(confirmed.count(), 1, "{shown}");
    // The next login tells of both changes.
    let mut again = sshd.login("alice").shell().pty_of(80, 24);
    again
        .answer(ASK_PASSWORD, PASSWORD)
        .answer(ASK_CODE, &new.code_after(1))
        .answer("tell your administrator.", "exit");
    let told = again.end().shown.replace('\r', "").replace('\n', " ");
    for change in [
        "The device phone-2 was added",
        "The device phone was removed",
    ] {
        let rest = told.split_once(change).expect(change).1;
        let (time, _) = rest
            .split_once(", at a login (sshd) from 127.0.0.1.")
            .unwrap();
        assert_eq!(time.len(), " on 2026-11-29 02:05".len(), "{told}");
    }
}

#[test]
fn r49_the_old_device_goes_by_a_question_of_its_own() {
    let (machine, old) = desk();
    let sshd = machine.sshd("");
    let answers = [(NEW, "yes"), (REMOVE_PHONE, "yes")];
    let (session, keys) = recovers(&sshd, &old.recovery[0], &answers);
    assert!(session.is_in(), "{session:?}");
    assert_eq!(
        results(&machine),
        ["enrolled device=phone-2", "device-removed device=phone"]
    );
    assert_eq!(factor(&machine, "alice"), (vec!["phone-2".into()], 9));
    assert!(!lets_in(&sshd, &old.code()));
    assert!(lets_in(&sshd, &Totp::new(&keys[0]).code_after(1)));
}

#[test]
fn r49_one_of_several_old_devices_is_named() {
    let (machine, old) = desk();
    enroll(&machine, "alice", &["--device", "tablet"]);
    let sshd = machine.sshd("");
    let answers = [
        (NEW, "yes"),
        (REMOVE_ONE, "yes"),
        (REMOVE_ONE, " tablet "),
        (REMOVE_PHONE, "n"),
    ];
    let (session, _) = recovers(&sshd, &old.recovery[0], &answers);
    assert!(session.is_in(), "{session:?}");
    let unknown = format!("\nThere is no device of that name.\n{REMOVE_ONE}");
    assert_eq!(session.prompts[5], unknown);
    assert_eq!(factor(&machine, "alice").0, ["phone", "phone-2"]);
}

#[test]
fn r49_a_full_record_has_one_device_replaced() {
    let (machine, old) = desk();
    for name in ["b", "c", "d", "e", "f", "g"] {
        enroll(&machine, "alice", &["--device", name]);
    }
    let sshd = machine.sshd("");
    let (session, _) = recovers(&sshd, &old.recovery[0], &[(REPLACE, "")]);
    assert!(session.is_in() && session.prompts[2].contains("\n    phone\n    b\n"));
    let (session, keys) = recovers(&sshd, &old.recovery[1], &[(REPLACE, "phone")]);
    assert!(session.is_in(), "{session:?}");
    assert_eq!(
        results(&machine),
        ["enrolment-skipped", "device-replaced device=phone"]
    );
    assert_eq!(
        factor(&machine, "alice").0,
        ["phone", "b", "c", "d", "e", "f", "g"]
    );
    assert!(!lets_in(&sshd, &old.code()));
    assert!(lets_in(&sshd, &Totp::new(&keys[0]).code_after(1)));
}

#[test]
fn a_new_device_that_is_not_confirmed_is_not_stored() {
    let (machine, old) = desk();
    let sshd = machine.sshd("");
    let wrong = [(CODE_OR_SKIP, "000000"); 5];
    let all: Vec<_> = [(NEW, "yes")].into_iter().chain(wrong).collect();
    for (round, answers) in [
        &[(NEW, "")][..],
        &[(NEW, "no")],
        &[(NEW, "yes"), (CODE_OR_SKIP, "")],
        &all,
    ]
    .into_iter()
    .enumerate()
    {
        let before = record_of("alice").to_toml();
        let (session, _) = recovers(&sshd, &old.recovery[round], answers);
        assert!(session.is_in(), "{session:?}");
        assert_eq!(session.prompts.len(), answers.len() + 2);
        assert_eq!(*record_of("alice").to_toml(), *before);
    }
    assert_eq!(results(&machine), ["enrolment-skipped"; 4]);
}

#[test]
fn r49_recovery_codes_are_offered_when_few_are_left() {
    let (machine, old) = desk();
    let sshd = machine.sshd("");
    for spent in 0..6 {
        let (session, _) = recovers(&sshd, &old.recovery[spent], &[(NEW, "")]);
        assert!(
            session.is_in() && session.prompts.len() == 3,
            "{spent} {session:?}"
        );
    }
    for answers in [
        &[(NEW, ""), (CODES, "")][..],
        &[(NEW, ""), (CODES, "yes"), (SEEN, "")],
    ] {
        let before = record_of("alice").recovery;
        let left = factor(&machine, "alice").1 - 1;
        let (session, _) = recovers(&sshd, &old.recovery[9 - left as usize], answers);
        assert!(session.is_in(), "{session:?}");
        assert!(session.prompts[3].contains(&format!("You have {left} recovery codes left.")));
        assert_eq!(record_of("alice").recovery, before);
    }
    machine.forget_log();
    let (session, _) = recovers(
        &sshd,
        &old.recovery[8],
        &[(NEW, ""), (CODES, "yes"), (SEEN, "yes")],
    );
    assert!(session.is_in(), "{session:?}");
    assert_eq!(results(&machine), ["new-recovery-codes"]);
    assert_eq!(factor(&machine, "alice").1, 10);
    // The line at the beginning of the session is of the old codes, and not said.
    assert!(!session.stderr.contains("One is left"), "{session:?}");
    let is_code = |word: &&str| word.len() == 19 && word.matches('-').count() == 3;
    let shown: Vec<&str> = session.prompts[4]
        .split_whitespace()
        .filter(is_code)
        .collect();
    assert_eq!(shown.len(), 10);
    assert!(recovers(&sshd, shown[3], &[(NEW, "")]).0.is_in());
    assert!(!lets_in(&sshd, &old.recovery[9]));
}

/// A bypass code of alice's.
pub fn bypass(machine: &Machine, options: &[&str]) -> String {
    let arguments = [&["bypass", "alice", "--json"], options].concat();
    let run = machine.command(&arguments).ok();
    let report: serde_json::Value = serde_json::from_str(&run.stdout).unwrap();
    assert_eq!(report["new_device"], !options.is_empty());
    report["code"].as_str().unwrap().to_owned()
}

#[test]
fn r49_a_bypass_code_gives_a_device_if_it_says_so() {
    let (machine, _) = desk();
    let sshd = machine.sshd("");
    let (session, _) = recovers(&sshd, &bypass(&machine, &[]), &[]);
    assert!(session.is_in() && session.prompts.len() == 2, "{session:?}");
    let allowed = bypass(&machine, &["--new-device"]);
    let (session, _) = recovers(&sshd, &allowed, &[(NEW, "yes"), (REMOVE_PHONE, "yes")]);
    assert!(session.is_in(), "{session:?}");
    assert_eq!(factor(&machine, "alice").0, ["phone-2"]);
    assert!(!lets_in(&sshd, &allowed));
}
