//! Names in the policy by which an entry applies to no login: of groups and users that are not there, and other spellings.

use harness::desk::{caller, desk, json};

const IDLE: &str = "enabled = true\n[[exempt]]\ngroups = [\"robots\", \"root\"]\nusers = [\"root\", \"Alice\", \"ghost\", \"ghost\"]\n";
const NO_GROUP: &str = "[[exempt]] names the group robots, which does not exist: its entry exempts no user, and codes are asked for. \
                        Correct the name in the policy, or make the group";
const ALIAS: &str = "[[exempt]] names the user Alice, whose login name is alice: only that one is compared, and codes are asked for. \
                     Write alice in the policy";
const NO_USER: &str = "[[exempt]] names the user ghost, and no account has that name. Correct the name in the policy, or remove it";

#[test]
fn names_that_exempt_no_login_are_told() {
    let machine = desk();
    let uid = machine.add_user("alice");
    let names = machine.name_service();
    names.answers(&format!("passwd Alice found alice {uid} {uid}\n"));
    machine.command(&["enable", "--yes"]).ok();
    machine.policy(IDLE);
    let run = machine.command(&["policy", "check"]).ok();
    let valid = "/etc/security/twofactor.toml is valid. Two-factor login is on in it.\n";
    let told = format!("Warning: {NO_GROUP}\nWarning: {ALIAS}\nWarning: {NO_USER}\n");
    assert_eq!(run.stdout, format!("{valid}{told}"));
    let report = json(machine.command(&["policy", "check", "--json"]));
    assert_eq!(
        report["warnings"],
        serde_json::json!([NO_GROUP, ALIAS, NO_USER])
    );
    machine.policy(&IDLE.replace("true", "false"));
    let enabled = machine.command(&["enable", "--yes"]).ok();
    for warning in [NO_GROUP, ALIAS, NO_USER] {
        assert!(enabled.stdout.contains(warning), "{}", enabled.stdout);
    }
    machine.add_group("robots");
    machine.policy("enabled = true\n[[exempt]]\ngroups = [\"robots\"]\nusers = [\"alice\"]\n");
    let run = machine.command(&["policy", "check"]).ok();
    assert_eq!(run.stdout, valid);
}

/// Lines of the log about the names in [`IDLE`].
fn unusable_names(by: u32) -> Vec<String> {
    let group =
        "hint=\"the group has no members until then, so codes are asked; twofactor policy check\"";
    let user = "hint=\"correct the name in the policy; twofactor policy check\"";
    [
        format!("result=unusable-group group=robots error=\"there is no such group\" {group}"),
        format!(
            "user=Alice result=unusable-user account=alice error=\"only the login name of an account is compared\" {user}"
        ),
        format!("user=ghost result=unusable-user error=\"no account has that name\" {user}"),
    ]
    .map(|line| format!("{line} table=exempt by={by}"))
    .to_vec()
}

#[test]
fn the_log_has_names_that_exempt_no_login() {
    let machine = desk();
    let (by, _) = caller(&machine);
    let uid = machine.add_user("alice");
    let names = machine.name_service();
    names.answers(&format!("passwd Alice found alice {uid} {uid}\n"));
    let logged = |arguments: &[&str]| {
        machine.forget_log();
        machine.command(arguments).ok();
        machine.log_with("result=unusable-")
    };
    machine.policy(&IDLE.replace("true", "false"));
    assert_eq!(logged(&["enable", "--dry-run"]), [""; 0]);
    for arguments in [
        &["enable", "--yes"][..],
        &["enable", "--yes"],
        &["policy", "set", "window", "2", "--yes"],
        &["policy", "check"],
    ] {
        assert_eq!(logged(arguments), unusable_names(by), "{arguments:?}");
    }
    // Drafts are not in use, and switching off looks nothing up.
    let draft = machine.scratch().join("draft.toml");
    std::fs::write(&draft, IDLE).unwrap();
    assert_eq!(
        logged(&["policy", "check", draft.to_str().unwrap()]),
        [""; 0]
    );
    // Neither is another file, which does not go with the records of this one.
    let other = machine.scratch().join("other.toml");
    std::fs::write(&other, IDLE).unwrap();
    machine.forget_log();
    let other = ["--policy", other.to_str().unwrap(), "policy", "check"];
    machine.command(&other).exits(3);
    assert_eq!(machine.log_with("result=unusable-"), [""; 0]);
    names.answers("");
    assert_eq!(logged(&["disable", "--yes"]), [""; 0]);
    let asked = names.asked();
    assert!(
        !asked.iter().any(|name| name.contains("ghost")),
        "{asked:?}"
    );
    machine.policy(
        "enabled = true\n[[require]]\nusers = [\"ghost\", \"alice\"]\ngroups = [\"robots\"]\n",
    );
    let lines = logged(&["policy", "check"]);
    assert_eq!(lines.len(), 2, "{lines:?}");
    assert!(
        lines[0].starts_with("user=ghost result=unusable-user error=\"no account"),
        "{lines:?}"
    );
    assert!(
        lines[1].starts_with("result=unusable-group group=robots error="),
        "{lines:?}"
    );
    assert!(
        lines
            .iter()
            .all(|line| line.ends_with(&format!(" table=require by={by}"))),
        "{lines:?}"
    );
}

#[test]
fn unreadable_groups_keep_no_change_back() {
    let machine = desk();
    let names = machine.name_service();
    names.answers("group robots fails 5\ngroup sudo fails 5\ngroup wheel again 11\n");
    machine.policy("enabled = false\n[[exempt]]\ngroups = [\"robots\"]\n");
    let enabled = machine.command(&["enable", "--yes"]).ok();
    let told = "the group robots, which cannot be looked up (the user and group database cannot be read: Input/output \
                error (os error 5))";
    assert!(enabled.stdout.contains(told), "{}", enabled.stdout);
    let checked = machine.command(&["policy", "check"]).ok();
    assert!(checked.stdout.contains(told), "{}", checked.stdout);
    machine.command(&["status"]).ok();
    machine.command(&["disable", "--yes"]).ok();
}
