//! `[[require]]` as the command shows it: preview, status, settings, and names that are not there.

use harness::desk::{desk, desk_on, give, json};
use harness::enrolled::policy_path;
use harness::{Machine, Run};

/// 2099-03-01, 00:00 UTC, 10 days before.
const NOW: u64 = 4_076_006_400 - 10 * 86_400;
const STAFF: &str = "[[require]]\ngroups = [\"staff\"]\nfrom = 2099-03-01\n";

/// alice has a device; bob and carol have none, and bob is one of the staff.
fn with_staff(policy: &str) -> Machine {
    let machine = desk();
    give(&machine, "alice", &[]);
    machine.add_group("staff");
    for user in ["bob", "carol"] {
        machine.add_user(user);
    }
    for user in ["alice", "bob"] {
        machine.add_to_group(user, "staff");
    }
    machine.policy(policy);
    machine.set_clock(NOW);
    machine
}

fn enable(machine: &Machine) -> Run {
    machine.command(&["enable", "--yes"]).ok()
}

#[test]
fn r47_a_preview_tells_of_the_days_left() {
    let machine = with_staff(&format!("enabled = false\n{STAFF}"));
    let shown = enable(&machine).stdout;
    let later = "  Required later   bob, from 2099-03-01 on (10 days left)\n";
    assert!(shown.contains(later), "{shown}");
    assert!(!shown.contains("Refused"), "{shown}");
    machine.policy(&format!("enabled = false\n{STAFF}"));
    let report = json(machine.command(&["enable", "--yes", "--json"]));
    let expected = serde_json::json!([{"from": "2099-03-01", "days_left": 10, "users": ["bob"]}]);
    assert_eq!(report["required_later"], expected, "{report}");
}

#[test]
fn r47_a_preview_tells_who_is_refused_from_the_day_on() {
    let policy = format!("enabled = false\n{STAFF}");
    let machine = with_staff(&policy);
    machine.set_clock(NOW + 10 * 86_400);
    let shown = enable(&machine).stdout;
    let refused = "  Refused          bob, without a device ([[require]])\n";
    assert!(shown.contains(refused), "{shown}");
    machine.policy(&format!("enroll_at_login = \"offer\"\n{policy}"));
    let shown = enable(&machine).stdout;
    let must = "  Must enroll      bob, at the next login with a password ([[require]])\n";
    assert!(shown.contains(must), "{shown}");
}

/// All administrators would need a device, and none has shown that its device gives right codes.
#[test]
fn r47_requirements_that_shut_administrators_out_fail() {
    let machine = desk();
    machine.add_user("alice");
    machine.policy("enabled = false\n[[require]]\nusers = [\"root\"]\n");
    let refused = machine.command(&["enable", "--yes"]).exits(1);
    assert!(
        refused.stderr.contains("no administrator"),
        "{}",
        refused.stderr
    );
    machine.policy("enabled = false\n[[require]]\nusers = [\"alice\"]\n");
    enable(&machine);
}

#[test]
fn r47_status_tells_of_the_day() {
    let machine = with_staff(&format!("enabled = true\n{STAFF}"));
    let of = |user: &str| json(machine.command(&["status", user, "--json"]))["users"][0].clone();
    let told = |user: &str| {
        let user = of(user);
        (
            user["required"].as_bool(),
            user["required_from"].as_str().map(str::to_owned),
        )
    };
    let day = Some("2099-03-01".to_owned());
    assert_eq!(told("bob"), (Some(false), day));
    assert_eq!(told("carol"), (Some(false), None));
    assert_eq!(told("alice"), (Some(false), None), "a user with a device");
    let shown = machine.command(&["status", "bob"]).ok().stdout;
    let note = "not enrolled; required from 2099-03-01 on (10 days left)";
    assert!(shown.contains(note), "{shown}");
    machine.set_clock(NOW + 10 * 86_400);
    assert_eq!(told("bob"), (Some(true), None));
    let shown = machine.command(&["status", "bob"]).ok().stdout;
    assert!(shown.contains("not enrolled; required\n"), "{shown}");
}

#[test]
fn r47_status_requires_nothing_of_exempt_users() {
    let machine = with_staff(
        "enabled = true\n[[require]]\ngroups = [\"staff\"]\n[[exempt]]\nusers = [\"bob\"]\n",
    );
    machine.add_to_group("carol", "staff");
    let required = |user: &str| {
        let status = json(machine.command(&["status", user, "--json"]));
        status["users"][0]["required"].as_bool()
    };
    assert_eq!(required("bob"), Some(false));
    assert_eq!(required("carol"), Some(true));
}

/// The policy file is of the clock's future, so that its days count as reached.
#[test]
fn r47_a_day_that_counts_early_is_reported() {
    let machine = desk_on();
    machine.policy(&format!("enabled = true\n{STAFF}"));
    machine.add_group("staff");
    let check = || json(machine.command(&["policy", "check", "--json"]))["warnings"].clone();
    let findings = || {
        let run = machine.command(&["doctor", "--json"]);
        let report: serde_json::Value = serde_json::from_str(&run.stdout).unwrap();
        report["findings"].to_string().contains("policy-time")
    };
    assert_eq!((check(), findings()), (serde_json::json!([]), false));
    let file = std::fs::File::options()
        .write(true)
        .open(policy_path())
        .unwrap();
    let ahead =
        std::time::UNIX_EPOCH + std::time::Duration::from_secs(harness::otp::unix_time() + 86_400);
    file.set_modified(ahead).unwrap();
    let told = check().to_string();
    assert!(told.contains("in force already"), "{told}");
    assert!(findings());
    machine.set_clock(NOW);
    assert_eq!((check(), findings()), (serde_json::json!([]), false));
}

#[test]
fn r47_settings_show_a_requirement_as_it_is_written() {
    let machine = desk_on();
    machine.policy(&format!("enabled = true\n{STAFF}"));
    let whole = machine.command(&["policy", "show"]).ok().stdout;
    assert!(whole.ends_with(STAFF), "{whole}");
    let shown = json(machine.command(&["policy", "show", "--json"]));
    let expected = serde_json::json!([{"groups": ["staff"], "from": "2099-03-01"}]);
    assert_eq!(shown["require"], expected);
    let one = machine.command(&["policy", "show", "require"]).ok().stdout;
    assert!(one.contains("staff"), "{one}");
    let set = machine.command(&["policy", "set", "require", "[]", "--yes"]);
    let told = "twofactor: require is a list of tables\n";
    assert!(set.exits(2).stderr.starts_with(told));
    machine.policy("enabled = true\n");
    let none = machine.command(&["policy", "show", "require"]).exits(1);
    assert!(
        none.stderr.contains("require is not set"),
        "{}",
        none.stderr
    );
}

#[test]
fn r47_names_that_are_not_there_are_reported() {
    let machine = desk_on();
    machine.add_user("alice");
    let names = machine.name_service();
    let entry = "[[require]]\nusers = [\"alice\", \"ghost\"]\ngroups = [\"robots\", \"root\"]\n";
    machine.policy(&format!("enabled = true\n{entry}"));
    let check = || json(machine.command(&["policy", "check", "--json"]))["warnings"].clone();
    assert_eq!(
        check(),
        serde_json::json!([
            "[[require]] names the user ghost, which does not exist: no user needs a device by it. \
             Correct the name in the policy, or remove it",
            "[[require]] names the group robots, which does not exist: no user needs a device by it. \
             Correct the name in the policy, or remove it"
        ])
    );
    names.answers("group robots fails 5\npasswd ghost fails 5\n");
    let told = check();
    assert_eq!(told.as_array().map(Vec::len), Some(2), "{told}");
    for warning in told.as_array().unwrap() {
        let text = warning.as_str().unwrap();
        assert!(text.contains("cannot be looked up"), "{text}");
        assert!(text.contains("all users without a device"), "{text}");
    }
    assert!(machine.read(policy_path()).contains(entry));
}
