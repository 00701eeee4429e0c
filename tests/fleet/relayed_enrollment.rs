//! Devices that users set up at a login on one host of a fleet, with an invitation and without.

use harness::enrolled::{add_account, login, record_path, run};
use harness::logins::ASK_CODE;
use harness::pam::code;
use harness::{Session, Totp};
use serde_json::Value;
use twofactor_core::STATE_DIR;
use twofactor_fleet::etcd::deadline::WorkDeadline;
use twofactor_fleet::host::fleet_host::FleetHost;

use super::app::{ANOTHER, BEGIN, CODE_OF_LAST_KEY, CODE_OR_SKIP, INVITATION, OFFER, Person};
use super::host_machines::{LIMIT, MemberHost, settings};
use super::outages::until_noted;
use super::service_tap::{ServiceTap, TappedAnswer};
use super::{policy, renewed, totp, two_members, until_met};
use harness::etcd::cluster::EtcdCluster;

/// A policy with these keys, and a verdict that a busy machine gives in time.
fn policy_with(keys: &str) -> String {
    format!("{keys}\n{}", policy("deadline_ms = 4000\n"))
}

/// Two hosts with bob, who has no device.
fn newcomers(cluster: &EtcdCluster, keys: &str) -> [MemberHost; 2] {
    let hosts = two_members(cluster, totp(), &policy_with(keys));
    for host in &hosts {
        host.run(|host| add_account(&host.machine, "bob"));
        host.serve();
        until_met(host, 1);
    }
    hosts.iter().for_each(until_noted);
    hosts
}

/// A login of bob's by ssh, who has an app and gives these answers; the keys that the app was given.
fn logs_in(host: &MemberHost, answers: &[(&'static str, &str)]) -> (Session, Vec<String>) {
    let own = |(question, answer): &(&'static str, &str)| (*question, (*answer).to_owned());
    let answers: Vec<(&str, String)> = answers.iter().map(own).collect();
    host.run(move |host| {
        host.machine.install_stack("sshd");
        let sshd = host.machine.sshd("");
        let answers = answers.iter();
        let answers: Vec<_> = answers
            .map(|(question, it)| (*question, it.as_str()))
            .collect();
        let mut person = Person::new(&answers);
        let login = sshd.login("bob");
        let session = login.answer_with(|question| person.types(question)).run();
        (session, person.keys)
    })
}

/// The code of a phone's next step, with time for a login.
fn next_code(key: &str) -> String {
    let phone = Totp::new(key);
    phone.settle(10);
    phone.code_after(1)
}

fn is_in_with(host: &MemberHost, code: &str) -> bool {
    logs_in(host, &[(ASK_CODE, code)]).0.is_in()
}

fn has_record() -> bool {
    record_path("bob").exists()
}

fn has_device() -> bool {
    std::fs::read_to_string(record_path("bob")).is_ok_and(|it| it.contains("[[device]]"))
}

/// True if the store has a record of bob.
fn is_shared(host: &MemberHost) -> bool {
    host.run(|_| {
        let host = FleetHost::open(&settings(), STATE_DIR.as_ref()).unwrap();
        host.user_state("bob", &WorkDeadline::after(LIMIT)).is_ok()
    })
}

#[test]
fn a_device_of_a_login_counts_on_the_other_host() {
    let cluster = EtcdCluster::start(&[]);
    let hosts = newcomers(&cluster, "enroll_at_login = \"require\"");
    let (session, keys) = logs_in(&hosts[0], &[(BEGIN, ""), (ANOTHER, "")]);
    assert!(session.is_in(), "{session:?}");
    assert!(hosts[0].run(|_| has_device()));
    renewed(&hosts[1], has_device);
    let code = next_code(&keys[0]);
    assert!(is_in_with(&hosts[1], &code));
    assert!(!is_in_with(&hosts[0], &code), "it is used up");
}

/// The other host does not know yet that it was used.
#[test]
fn an_invitation_works_on_one_host() {
    let cluster = EtcdCluster::start(&[]);
    let keys = "enroll_at_login = \"require\"\nenroll_needs_invite = true";
    let hosts = newcomers(&cluster, keys);
    let invited = hosts[0].run(|host| {
        let report = host.machine.command(&["invite", "bob", "--json"]).ok();
        let report: Value = serde_json::from_str(&report.stdout).unwrap();
        report["code"].as_str().unwrap().to_owned()
    });
    renewed(&hosts[1], has_record);
    hosts.iter().for_each(until_noted);
    let answers = [(INVITATION, invited.as_str()), (ANOTHER, "")];
    let (session, keys) = logs_in(&hosts[0], &answers);
    assert!(session.is_in(), "{session:?}");
    let (session, more) = logs_in(&hosts[1], &answers);
    assert!(!session.is_in(), "{session:?}");
    assert!(!hosts[1].run(|_| has_device()), "{more:?}");
    hosts[1].run(|host| {
        host.machine
            .wait_for_log("result=enrolled-meanwhile")
            .message
    });
    renewed(&hosts[1], has_device);
    assert!(is_in_with(&hosts[1], &next_code(&keys[0])));
}

/// As on a host whose state directory cannot be written: a user who need not have a device goes on without.
#[test]
fn without_the_store_no_login_enrolls() {
    let cluster = EtcdCluster::start(&[]);
    let hosts = newcomers(&cluster, "enroll_at_login = \"offer\"");
    hosts[0].link.set_cut(true);
    let (session, keys) = logs_in(&hosts[0], &[(OFFER, "yes"), (ANOTHER, "")]);
    assert!(session.is_in() && keys.len() == 1, "{session:?}");
    let is_told = |session: &Session| {
        let shown = session.prompts.concat() + &session.stderr;
        shown.contains("Two-factor login could not be set up")
    };
    assert!(is_told(&session), "{session:?}");
    hosts[0].run(|host| host.machine.wait_for_log("result=enrolment-failed").message);
    hosts[0].run(|host| {
        let require = policy_with("enroll_at_login = \"require\"");
        host.machine.policy(&require);
    });
    let answers = [(BEGIN, ""), (ANOTHER, ""), ("Press Enter to go on: ", "")];
    let (session, _) = logs_in(&hosts[0], &answers);
    assert!(!session.is_in() && is_told(&session), "{session:?}");
    assert!(!hosts[0].run(|_| has_record()) && !is_shared(&hosts[1]));
    hosts[0].link.set_cut(false);
    until_met(&hosts[0], 2);
    let (session, _) = logs_in(&hosts[0], &[(BEGIN, ""), (ANOTHER, "")]);
    assert!(session.is_in(), "{session:?}");
    assert!(is_shared(&hosts[1]));
}

/// bob's login in libpam, which enrolls as far as it comes.
fn enrolls() -> harness::pam::Drive {
    let drive = login("bob").phases("auth,acct").answer("yes");
    drive.answer_shell(CODE_OF_LAST_KEY).answer("")
}

#[test]
fn a_killed_login_leaves_what_the_fleet_has() {
    let cluster = EtcdCluster::start(&[]);
    let hosts = newcomers(&cluster, "enroll_at_login = \"require\"");
    hosts[0].run(|_| {
        let tap = ServiceTap::insert(TappedAnswer::KillsClient);
        let killed = enrolls().raw();
        assert_eq!(killed.code, None, "{killed:?}");
        tap.ends();
        assert!(!has_record());
    });
    // The key was seen, and the device counts: on all hosts, and on this one as soon as it looks.
    assert!(is_shared(&hosts[0]));
    renewed(&hosts[0], has_device);
    let asked = hosts[0].run(|_| run(login("bob")));
    assert_eq!(asked.prompts.len(), 1, "{asked:?}");
}

/// An answer that is lost is no refusal: the device may count, and does here.
#[test]
fn a_lost_answer_is_told_as_unsure() {
    let cluster = EtcdCluster::start(&[]);
    let hosts = newcomers(&cluster, "enroll_at_login = \"require\"");
    let outcome = hosts[0].run(|_| {
        let tap = ServiceTap::insert(TappedAnswer::IsLost);
        let outcome = run(enrolls());
        tap.ends();
        assert!(!has_record());
        outcome
    });
    assert_eq!(outcome.acct, code::PERM_DENIED, "{outcome:?}");
    let last = &outcome.messages.last().unwrap().text;
    assert!(
        last.starts_with("Two-factor login may be set up now"),
        "{outcome:?}"
    );
    renewed(&hosts[0], has_device);
}

/// An enrollment that another host made is not offered again, and a password alone is not enough.
#[test]
fn a_user_enrolled_elsewhere_is_refused() {
    let cluster = EtcdCluster::start(&[]);
    let hosts = newcomers(&cluster, "enroll_at_login = \"offer\"");
    let enrolled = [(OFFER, "yes"), (ANOTHER, "")];
    assert!(logs_in(&hosts[0], &enrolled).0.is_in());
    let (session, keys) = logs_in(&hosts[1], &enrolled);
    assert!(!session.is_in() && keys.len() == 1, "{session:?}");
    assert!(session.prompts.iter().any(|it| it.ends_with(CODE_OR_SKIP)));
    assert!(!hosts[1].run(|_| has_record()));
    hosts[1].run(|host| {
        host.machine
            .wait_for_log("result=enrolled-meanwhile")
            .message
    });
}
