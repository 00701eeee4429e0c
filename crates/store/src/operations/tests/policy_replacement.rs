//! Changes of the policy.

use super::*;
use crate::files::{LockWait, OtherWriters, PolicyFile};
use twofactor_core::log::policy_event::PolicyEvent;

impl PolicyAudit for AuditLines {
    fn policy_changed(&self, event: &PolicyEvent<'_>) {
        LINES.with_borrow_mut(|lines| lines.push(event.line(0).as_str().to_owned()));
    }
}

const ON: &str = "enabled = true\n";
const OFF: &str = "enabled = false\n";

fn policy(text: &str) -> (ScratchStore, FactorStore, PolicyFile) {
    let (scratch, store) = with(&[]);
    let path = scratch.path().join("twofactor.toml");
    crate::sys::file::write_file(
        fs::File::open(scratch.path()).unwrap(),
        "twofactor.toml",
        text.as_bytes(),
        crate::sys::file::FileAccess::Readable,
    )
    .unwrap();
    (scratch, store, PolicyFile::new(&path))
}

const fn place<'a>(store: &'a FactorStore, file: &'a PolicyFile) -> PolicyPlace<'a> {
    PolicyPlace {
        file,
        store: Some(store),
        audit: &AuditLines,
    }
}

const SETTINGS: [PolicyEvent<'static>; 2] = [
    PolicyEvent::of("enabled", "false"),
    PolicyEvent::of("window", "1"),
];

const fn replacement(shown: Option<&str>) -> PolicyReplacement<'_> {
    PolicyReplacement {
        shown,
        text: OFF,
        settings: &SETTINGS,
        wait: LockWait::Short,
    }
}

#[test]
fn each_setting_of_a_change_is_logged() {
    let (_scratch, store, file) = policy(ON);
    let place = place(&store, &file);
    let done = replace_policy(place, &replacement(Some(ON)), || Ok::<_, ()>(()));
    assert_eq!(done, Ok(OtherWriters::Wait));
    assert_eq!(file.text().unwrap(), OFF);
    assert_eq!(
        LINES.take(),
        [
            "changed action=policy key=enabled value=false by=0",
            "changed action=policy key=window value=1 by=0"
        ]
    );
}

#[test]
fn another_policy_than_shown_is_not_replaced() {
    let (_scratch, store, file) = policy(ON);
    let place = place(&store, &file);
    for shown in [None, Some(OFF)] {
        let done = replace_policy(place, &replacement(shown), || -> Result<(), ()> {
            unreachable!()
        });
        assert_eq!(done, Err(PolicyRefusal::Changed));
    }
    // It changes while the caller looks.
    let done = replace_policy(place, &replacement(Some(ON)), || {
        fs::write(file.path(), "window = 3\n").unwrap();
        Ok::<_, ()>(())
    });
    assert_eq!(done, Err(PolicyRefusal::Changed));
    assert_eq!(file.text().unwrap(), "window = 3\n");
    assert_eq!(LINES.take(), [""; 0]);
}

#[test]
fn a_caller_that_refuses_keeps_the_policy() {
    let (_scratch, store, file) = policy(ON);
    let place = place(&store, &file);
    let done = replace_policy(place, &replacement(Some(ON)), || Err("a danger"));
    assert_eq!(done, Err(PolicyRefusal::Denied("a danger")));
    let invalid = PolicyReplacement {
        text: "window = 99\n",
        ..replacement(Some(ON))
    };
    let done = replace_policy(place, &invalid, || Ok::<_, ()>(()));
    assert!(matches!(done, Err(PolicyRefusal::Failed(_))));
    assert_eq!(file.text().unwrap(), ON);
    assert_eq!(LINES.take(), [""; 0]);
}

/// The text gets its place by another hand, and the failure comes before: the end is that of a last flush that failed.
#[test]
fn a_change_that_fails_at_its_end_is_logged() {
    for (is_in_place, lines) in [(true, 2), (false, 0)] {
        let (scratch, store, file) = policy(ON);
        let done = replace_policy(place(&store, &file), &replacement(Some(ON)), || {
            fs::create_dir(scratch.path().join(".twofactor.toml.new")).unwrap();
            if is_in_place {
                fs::write(file.path(), OFF).unwrap();
            }
            Ok::<_, ()>(())
        });
        assert!(matches!(done, Err(PolicyRefusal::Failed(_))));
        assert_eq!(LINES.take().len(), lines);
    }
}

#[test]
fn an_unusable_policy_is_replaced_by_the_default_one() {
    let (_scratch, store, file) = policy("window = 99\n");
    let place = place(&store, &file);
    let shown = file.unusable().unwrap();
    assert_eq!(replace_unusable_policy(place, &shown), Ok(()));
    assert!(!file.load().unwrap().policy.enabled);
    assert_eq!(fs::read_to_string(shown.kept()).unwrap(), "window = 99\n");
    let line = "changed action=policy key=enabled value=false replaced=invalid by=0";
    assert_eq!(LINES.take(), [line]);
    let again = replace_unusable_policy(place, &shown);
    assert_eq!(again, Err(PolicyRefusal::Changed));
    assert_eq!(LINES.take(), [""; 0]);
}
