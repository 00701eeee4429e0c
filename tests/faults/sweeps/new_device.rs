//! A login with a recovery code that adds a device and removes the old one, with every call going wrong in turn.

use harness::fault::Traced;
use harness::pam::{Drive, code};
use serde_json::Value;

use super::kept::{KeptFiles, holder};
use super::logins::{account, result};
use super::table::{Column, TableRow, described, print, state_path, stride};
use harness::enrolled::{IGNORED, add_recovery_codes, add_stack, enroll_phone, machine};

const POLICY: &str =
    "enabled = true\ntries = 1\n[throttle]\nattempts = 1000\nmax_failures = 0\ndelay = 0\n";
const SERVICE: &str = "login";
/// The code of the key that was shown last.
const CODE: &str = "oathtool --totp -b \"$(sed -n 's/^Key: //p' | tail -n 1 | tr -d ' ')\"";

fn login(answers: &[&str]) -> Drive {
    let login = Drive::installed().service(SERVICE).user("alice");
    let [recovery, rest @ ..] = answers else {
        return login;
    };
    let login = login.phases("auth,acct").answer(recovery);
    match rest {
        [begin, remove] => login.answer(begin).answer_shell(CODE).answer(remove),
        _ => login,
    }
}

/// The names of alice's devices; the reason why they cannot be told.
fn devices() -> Result<Vec<String>, String> {
    let record = holder(&account("alice"))?.record.ok_or("no record")?;
    Ok(record
        .devices
        .iter()
        .map(|it| it.name.to_string())
        .collect())
}

/// Value that the account phase returned.
fn admission(traced: &Traced) -> Option<i32> {
    let report: Value = serde_json::from_str(&traced.run.stdout).ok()?;
    report["acct"].as_i64()?.try_into().ok()
}

#[test]
fn no_fault_in_a_new_device_refuses_or_halves_it() {
    let machine = machine(POLICY);
    enroll_phone(&machine, "alice");
    let recovery = add_recovery_codes("alice");
    add_stack(&machine, SERVICE, "");
    let before = KeptFiles::look();
    let answers = [recovery[0].as_str(), "yes", "yes"];
    let whole = login(&answers).traced(None);
    assert_eq!(result(&whole), Some(code::SUCCESS), "{whole:?}");
    assert_eq!(admission(&whole), Some(IGNORED), "{whole:?}");
    assert_eq!(devices(), Ok(vec!["phone-2".to_owned()]));
    let mut row = TableRow::new("recovery code and new device");
    for (fault, call) in state_path(&whole.calls).iter().step_by(stride(41)) {
        before.restore();
        let traced = login(&answers).traced(Some(*fault));
        row.count(call, traced.struck);
        let what = described(&whole.calls, *fault);
        let mut found = |column, why: String| row.found(column, format!("{what}: {why}"));
        let is_accepted = result(&traced) == Some(code::SUCCESS);
        let admitted = admission(&traced);
        // Killed, or accepted as without the dialogue. libpam itself refuses where it cannot load the module for this phase, or
        // cannot write its audit record.
        let fine = [-1, IGNORED, code::MODULE_UNKNOWN, code::SYSTEM_ERR];
        if is_accepted && admitted.is_some_and(|code| !fine.contains(&code)) {
            found(Column::Stuck, format!("refused: {admitted:?}"));
        }
        match devices() {
            Err(why) => found(Column::Lost, why),
            Ok(names) => {
                let names: Vec<_> = names.iter().map(String::as_str).collect();
                if ![&["phone"][..], &["phone", "phone-2"], &["phone-2"]].contains(&&*names) {
                    found(Column::Lost, format!("{names:?}"));
                }
            }
        }
        let later = |code: &str| result(&login(&[code]).traced(None)) == Some(code::SUCCESS);
        if is_accepted && later(answers[0]) {
            found(Column::LetIn, "the recovery code worked twice".to_owned());
        }
        if !later(&recovery[1]) {
            found(Column::Stuck, "the next recovery code".to_owned());
        }
        machine.forget_log();
    }
    print("a new device after a recovery code", &[row]);
}
