//! `twofactor policy edit`: the policy in an editor, as visudo does it.

use harness::desk::{self, give_phone, json};
use harness::screen::{COLUMNS, assert_fits};
use harness::{Machine, Program, Pty};
use serde_json::json as value;

use super::init::STATE;

const POLICY: &str = "/etc/security/twofactor.toml";
const TEXT: &str = "# ours\nenabled = true\nwindow = 1 # narrow\n";
/// The editor of the tests, and how often it was called.
const EDITOR: &str = "/tmp/editor";
const COUNT: &str = "/tmp/editor-calls";
const ASK: &str = "Change the policy? [y/N] ";
const WHAT_NOW: &str = "What now? (e)dit again, (x) discard the changes: ";

/// An editor that runs one of these lines of shell each time it is called, with the file as `$1`.
fn editor(machine: &Machine, lines: &[&str]) -> String {
    machine.write_file(COUNT, "", 0o600);
    let mut script = format!("#!/bin/sh\necho x >>{COUNT}\ncase $(wc -l <{COUNT}) in\n");
    for (number, line) in lines.iter().enumerate() {
        script.push_str(&format!("{}) {line} ;;\n", number + 1));
    }
    machine.write_file(EDITOR, script + "esac\n", 0o755);
    EDITOR.to_owned()
}

fn begin(machine: &Machine, lines: &[&str], arguments: &[&str]) -> Program {
    machine.policy(TEXT);
    let path = editor(machine, lines);
    let arguments = [&["policy", "edit"], arguments].concat();
    machine.twofactor(&arguments).env("EDITOR", path)
}

fn on_terminal(machine: &Machine, lines: &[&str], columns: u16) -> Pty {
    begin(machine, lines, &[]).pty_of(columns, 24)
}

/// A desk without copies of other edits on this machine.
fn desk() -> Machine {
    let machine = desk::desk();
    let remove = "rm -rf /tmp/twofactor-edit-*";
    machine.run("sh", &["-c", remove]).ok();
    machine
}

/// Copies that were left.
fn copies(machine: &Machine) -> String {
    let list = machine.run(
        "sh",
        &["-c", "ls -d /tmp/twofactor-edit-* 2>/dev/null; true"],
    );
    list.ok().stdout
}

#[test]
fn an_edited_policy_is_shown_confirmed_and_swapped_in() {
    let machine = desk();
    give_phone(&machine, "alice");
    for columns in COLUMNS {
        machine.forget_log();
        let mut pty = on_terminal(
            &machine,
            &["ls -l $1; sed -i 's/window = 1/window = 3/' $1"],
            columns,
        );
        let told = pty.expect(ASK);
        let (_, announced) = told.split_once("\nChanges:\n").unwrap();
        assert_fits(announced, columns, &[]);
        assert!(told.starts_with("-rw------- 1 root"), "{told}");
        assert!(told.contains("  window = 3\n"), "{told}");
        assert_eq!(machine.read(POLICY), TEXT, "not before it is confirmed");
        pty.send_line("y");
        assert_eq!(pty.end().code, Some(0));
        assert_eq!(
            machine.read(POLICY),
            TEXT.replace("window = 1", "window = 3")
        );
        assert_eq!(copies(&machine), "");
        let logged = machine.log_with("changed action=policy");
        assert_eq!(logged.len(), 1, "{logged:?}");
        assert!(logged[0].contains("key=window value=3"), "{logged:?}");
    }
}

#[test]
fn an_invalid_policy_can_be_edited_again_or_discarded() {
    let machine = desk();
    let wrong = "sed -i 's/window/windows/' $1";
    for columns in COLUMNS {
        let mut pty = on_terminal(
            &machine,
            &[wrong, "sed -i 's/windows = 1/window = 2/' $1"],
            columns,
        );
        let told = pty.expect(WHAT_NOW);
        assert_fits(&told, columns, &[]);
        let told = told.replace('\n', " ");
        assert!(
            told.contains("line 3, column 1: unknown key \"windows\" (did you mean window?)"),
            "{told}"
        );
        // No answer takes it all the same.
        pty.send_line("Q");
        pty.answer(WHAT_NOW, "e");
        pty.answer(ASK, "y");
        assert_eq!(pty.end().code, Some(0));
        assert!(machine.read(POLICY).contains("window = 2 # narrow\n"));
        let mut pty = on_terminal(&machine, &[wrong], columns);
        pty.answer(WHAT_NOW, "x");
        assert_eq!(pty.end().code, Some(1));
        assert_eq!(
            (machine.read(POLICY).as_str(), copies(&machine).as_str()),
            (TEXT, "")
        );
    }
    // If no person answers, it ends.
    let run = begin(&machine, &[wrong], &["--yes"]).run().exits(3);
    assert!(run.stderr.contains("did you mean window?"), "{run:?}");
    assert_eq!(machine.read(POLICY), TEXT);
}

#[test]
fn what_was_typed_outlives_an_error() {
    let machine = desk();
    let latin = "printf '# \\374\\n' >>$1";
    let mut pty = on_terminal(
        &machine,
        &[latin, "sed -i '$d; s/window = 1/window = 2/' $1"],
        80,
    );
    pty.answer(WHAT_NOW, "e");
    pty.answer(ASK, "y");
    assert_eq!(pty.end().code, Some(0));
    // Accounts cannot be listed.
    let gone = "sed -i 's/window = 1/window = 3/' $1; mv /etc/passwd /etc/passwd.away";
    let run = begin(&machine, &[gone], &["--yes"]).run();
    machine.run("mv", &["/etc/passwd.away", "/etc/passwd"]).ok();
    assert_ne!(run.code, Some(0));
    let (_, kept) = run.stderr.split_once("Your version is kept: ").unwrap();
    assert!(machine.read(kept.trim()).contains("window = 3"));
}

/// The text of the copy that the command names, and the code of its end.
fn kept(machine: &Machine, pty: Pty) -> (String, Option<i32>) {
    let end = pty.end();
    let told = end.shown.split_whitespace().collect::<Vec<_>>().join(" ");
    let (_, kept) = told
        .split_once("Your version is kept: ")
        .unwrap_or_else(|| panic!("{end:?}"));
    let path = kept.split(' ').next().unwrap();
    (machine.read(path), end.code)
}

/// The directory that the command names, with what the editor has saved beside the copy, and the code of its end.
fn kept_beside(pty: Pty) -> (String, Option<i32>) {
    let end = pty.end();
    let told = end.shown.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(!told.contains("Your version"), "{end:?}");
    let (_, place) = told
        .split_once("What the editor saved is kept in: ")
        .unwrap_or_else(|| panic!("{end:?}"));
    (place.split(' ').next().unwrap().to_owned(), end.code)
}

#[test]
fn an_interrupted_edit_loses_nothing_that_was_typed() {
    let machine = desk();
    let typed = "sed -i 's/window = 1/window = 2/' $1; echo typed";
    // It dies of the key, as one does that catches no signal.
    let mut pty = on_terminal(&machine, &[&format!("{typed}; exec sleep 600")], 80);
    pty.expect("typed");
    pty.send(b"\x03");
    let (text, code) = kept(&machine, pty);
    assert_eq!((text, code), (TEXT.replace("= 1", "= 2"), Some(4)));
    assert_eq!(machine.read(POLICY), TEXT);
    // Nothing was saved, but an editor has a file of its own beside it.
    let swap = "echo unsaved >$1.swp; echo typed; exec sleep 600";
    let mut pty = on_terminal(&machine, &[swap], 80);
    pty.expect("typed");
    pty.send(b"\x03");
    let (place, code) = kept_beside(pty);
    let saved = machine.read(format!("{place}twofactor.toml.swp"));
    assert_eq!((saved.as_str(), code), ("unsaved\n", Some(4)));
    // At the questions.
    for (line, question) in [(typed, ASK), ("sed -i 's/window/windows/' $1", WHAT_NOW)] {
        let mut pty = on_terminal(&machine, &[line], 80);
        pty.expect(question);
        pty.send(b"\x03");
        let (text, code) = kept(&machine, pty);
        assert!(text != TEXT && code == Some(1), "{text}");
        assert_eq!(machine.read(POLICY), TEXT);
    }
}

/// vim and nano do so when the connection is lost: the signal goes to all programs of the session.
#[test]
fn an_editor_that_is_hung_up_loses_nothing() {
    let machine = desk();
    let line = "trap 'echo unsaved >$1.save; exit 1' HUP; kill -HUP $PPID; kill -HUP $$";
    let pty = on_terminal(&machine, &[line], 80);
    let (place, code) = kept_beside(pty);
    let saved = machine.read(format!("{place}twofactor.toml.save"));
    assert_eq!((saved.as_str(), code), ("unsaved\n", Some(4)));
}

/// ed ends by itself when it can read no more, which may be before the signal comes. Here none comes: the session is another one.
#[test]
fn an_editor_without_its_terminal_loses_nothing() {
    let machine = desk();
    machine.policy(TEXT);
    let line = "sed -i 's/window = 1/window = 2/' $1; echo typed; read word; exit 3";
    let path = editor(&machine, &[line]);
    let edit = "twofactor policy edit 2>/run/told; echo $? >/run/part; mv /run/part /run/code";
    let session = machine
        .program("setsid")
        .args(&["--wait", "sh", "-c", edit])
        .env("EDITOR", path);
    let mut pty = session.pty_of(80, 24);
    pty.expect("typed");
    drop(pty);
    while machine.run("test", &["-e", "/run/code"]).code != Some(0) {}
    let told = machine.read("/run/told");
    let (_, kept) = told.split_once("Your version is kept: ").unwrap();
    assert_eq!(machine.read("/run/code"), "4\n", "{told}");
    assert_eq!(machine.read(kept.trim()), TEXT.replace("= 1", "= 2"));
}

#[test]
fn the_interrupt_key_ends_the_wait_for_the_lock() {
    let machine = desk();
    let mut other = machine
        .program("flock")
        .args(&["--exclusive", STATE, "sleep", "600"])
        .start();
    while machine.run("flock", &["--nonblock", STATE, "true"]).code == Some(0) {}
    let line = "echo $PPID >/run/edit; sed -i 's/window = 1/window = 2/' $1";
    let mut pty = on_terminal(&machine, &[line], 80);
    pty.answer(ASK, "y");
    // The key would take back an answer that was not read.
    let waiting = format!("ls -l /proc/$(cat /run/edit)/fd | grep -q ' {STATE}$'");
    while machine.run("sh", &["-c", &waiting]).code != Some(0) {}
    pty.send(b"\x03");
    let (text, code) = kept(&machine, pty);
    assert_eq!((text, code), (TEXT.replace("= 1", "= 2"), Some(1)));
    assert_eq!(machine.read(POLICY), TEXT);
    assert!(other.try_wait().is_none());
    other.kill();
}

#[test]
fn an_editor_may_use_the_interrupt_key_itself() {
    let machine = desk();
    // The key ends a `read` that has begun.
    let line = "trap : INT; echo ready; until [ \"$word\" = on ]; do read word; done; sed -i 's/window = 1/window = 2/' $1";
    let mut pty = on_terminal(&machine, &[line], 80);
    pty.expect("ready");
    pty.send(b"\x03");
    pty.send_line("go");
    pty.send_line("on");
    pty.answer(ASK, "y");
    assert_eq!(pty.end().code, Some(0));
    assert!(machine.read(POLICY).contains("window = 2 # narrow\n"));
}

#[test]
fn without_an_answer_what_was_typed_is_kept() {
    let machine = desk();
    let wrong = "sed -i 's/window/windows/' $1";
    let mut pty = on_terminal(&machine, &[wrong], 80);
    pty.expect(WHAT_NOW);
    pty.send(b"\x04");
    assert!(kept(&machine, pty).0.contains("windows = 1"));
    let run = begin(&machine, &[wrong], &["--yes"]).run().exits(3);
    assert!(run.stderr.contains("Your version is kept: "), "{run:?}");
}

#[test]
fn an_edit_that_locks_all_users_out_is_refused() {
    let machine = desk();
    let line = "echo 'enforcement = \"mandatory\"' >>$1";
    for columns in COLUMNS {
        let mut pty = on_terminal(&machine, &[line], columns);
        let told = pty.expect(WHAT_NOW);
        assert_fits(&told, columns, &["twofactor "]);
        assert!(
            told.contains("not done: ") && told.contains("--force"),
            "{told}"
        );
        pty.send_line("x");
        assert_eq!(pty.end().code, Some(1));
        assert_eq!(machine.read(POLICY), TEXT);
    }
    begin(&machine, &[line], &["--force", "--yes"]).run().ok();
    assert!(
        machine
            .read(POLICY)
            .ends_with("enforcement = \"mandatory\"\n")
    );
}

#[test]
fn a_policy_changed_meanwhile_is_not_overwritten() {
    let machine = desk();
    let line = format!("echo 'tries = 2' >>$1; echo 'tries = 5' >>{POLICY}");
    let run = begin(&machine, &[&line], &["--yes"]).run().exits(1);
    assert_eq!(machine.read(POLICY), format!("{TEXT}tries = 5\n"));
    let (what, kept) = run.stderr.split_once("Your version is kept: ").unwrap();
    assert!(what.contains("the policy was changed meanwhile"), "{run:?}");
    assert_eq!(machine.read(kept.trim()), format!("{TEXT}tries = 2\n"));
    machine
        .run(
            "rm",
            &["-r", kept.trim().trim_end_matches("/twofactor.toml")],
        )
        .ok();
}

#[test]
fn a_broken_policy_is_repaired_in_the_editor() {
    let machine = desk();
    let edit = begin(&machine, &["sed -i 's/windows/window/' $1"], &["--yes"]);
    machine.policy(&TEXT.replace("window", "windows"));
    edit.run().ok();
    assert_eq!(machine.read(POLICY), TEXT);
}

#[test]
fn a_failing_or_idle_editor_changes_nothing() {
    let machine = desk();
    let run = begin(&machine, &["echo x >>$1; exit 3"], &["--yes"]).run();
    assert!(run.exits(4).stderr.contains("Nothing was changed."));
    let run = begin(&machine, &["", ""], &["--yes"]).run().ok();
    assert!(run.stdout.starts_with("Nothing to change in "), "{run:?}");
    let report = json(begin(&machine, &["", ""], &["--yes", "--json"]).run());
    assert_eq!(
        (&report["changed"], &report["written"], &report["done"]),
        (&value!([]), &value!(false), &value!(true))
    );
    assert_eq!(
        (machine.read(POLICY).as_str(), copies(&machine).as_str()),
        (TEXT, "")
    );
}

#[test]
fn the_editor_of_sudo_comes_first() {
    let machine = desk();
    let edit = begin(
        &machine,
        &["sed -i 's/window = 1/window = 4/' $1"],
        &["--yes"],
    );
    let edit = edit.env("EDITOR", "/bin/false").env("VISUAL", "/bin/false");
    edit.env("SUDO_EDITOR", format!("sh {EDITOR}")).run().ok();
    assert!(machine.read(POLICY).contains("window = 4 "));
}

#[test]
fn the_last_administrators_exemption_stays() {
    let machine = desk();
    let exempt = "enabled = true\nenforcement = \"mandatory\"\n[[exempt]]\nusers = [\"root\"]\n";
    machine.policy(exempt);
    let path = editor(&machine, &["sed -i '/exempt/d; /users/d' $1"]);
    let edit = machine.twofactor(&["policy", "edit"]).env("EDITOR", path);
    let mut pty = edit.pty_of(80, 24);
    let told = pty.expect(WHAT_NOW);
    let told = told.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(
        told.contains("no administrator (root, or a member of sudo or wheel) could log in"),
        "{told}"
    );
    pty.send_line("x");
    pty.end();
    assert_eq!(machine.read(POLICY), exempt);
}
