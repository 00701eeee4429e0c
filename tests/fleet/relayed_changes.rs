//! Changes that users make without root on one host of a fleet.

use harness::enrolled::{SECRET, Token, record_path};
use harness::logins::ASK_CODE;
use harness::twofactord::DaemonConversation;
use harness::{Machine, PASSWORD, Totp};
use serde_json::{Value, json};
use twofactor_core::device::OtpKind;

use super::host_machines::MemberHost;
use super::{is_in, record, renewed, totp, two_hosts};
use harness::etcd::cluster::EtcdCluster;

const PATIENT: &str = "deadline_ms = 4000\n";
const ASK_PROOF: &str = "A code of one of your devices, or a recovery code (Enter to cancel): ";
const ASK_DEVICE_CODE: &str = "A code of one of your devices (Enter to cancel): ";

/// Puts a call about alice; the word of its result.
pub fn call(talk: &mut DaemonConversation, method: &str, rest: Value) -> Value {
    let mut parameters = json!({"user": "alice"});
    for (key, value) in rest.as_object().unwrap() {
        parameters[key] = value.clone();
    }
    let reply = talk.call(&format!("io.twofactor.{method}"), &parameters);
    reply.unwrap()["change"].clone()
}

/// Talks with the users' daemon of a host, as alice.
pub fn as_alice<T: Send + 'static>(
    host: &MemberHost,
    talk: impl FnOnce(&mut DaemonConversation) -> T + Send + 'static,
) -> T {
    host.run(move |host| {
        let _daemon = host.machine.daemon();
        talk(&mut host.machine.talk_to_daemon("alice"))
    })
}

/// A command of alice's after a login of hers, in one audit session: where it asks for a proof, and the answer.
fn after_login(machine: &Machine, command: &str, typed: [&str; 2], proof: &str) -> String {
    let _daemon = machine.daemon();
    machine.install_stack("su");
    let uid = machine.run("id", &["-u", "alice"]).ok().stdout;
    let uid = uid.trim();
    // pam_loginuid(8) writes there at a login.
    let begin = format!(
        "echo {uid} > /proc/self/loginuid && exec setpriv --reuid={uid} --regid={uid} --clear-groups su alice --session-command '/usr/local/bin/twofactor -y {command}'"
    );
    let mut pty = machine.program("sh").args(&["-c", &begin]).pty();
    pty.answer("Password: ", PASSWORD);
    pty.answer(ASK_CODE, typed[0]);
    pty.answer(proof, typed[1]);
    let ended = pty.end();
    assert_eq!(ended.code, Some(0), "{}", ended.shown);
    ended.shown
}

/// The code of a phone's next step, with time for a login.
fn next_code(key: &str) -> String {
    let phone = Totp::new(key);
    phone.settle(10);
    phone.code_after(1)
}

#[test]
fn a_key_renewed_on_one_host_counts_on_the_other() {
    let cluster = EtcdCluster::start(&[]);
    let hosts = two_hosts(&cluster, totp(), PATIENT);
    let old = record(&hosts[1]);
    // Before the daemon is called, which waits for no message so long.
    Totp::new(SECRET).settle(10);
    let (proof, key) = as_alice(&hosts[0], |talk| {
        let proof = Totp::new(SECRET).code();
        let shown = call(talk, "Renew", json!({"code": proof}));
        let key = shown["secret"].as_str().unwrap().to_owned();
        let typed = json!({"code": Totp::new(&key).code()});
        let stored = call(talk, "Confirm", typed);
        assert_eq!(stored["result"], "stored", "{stored}");
        (proof, key)
    });
    // The other host has the old record yet, and no code of its key counts any more.
    assert!(!is_in(&hosts[1], &proof));
    assert!(!is_in(&hosts[1], &next_code(SECRET)));
    renewed(&hosts[1], move || {
        std::fs::read_to_string(record_path("alice")).unwrap() != old
    });
    let code = next_code(&key);
    assert!(is_in(&hosts[1], &code));
    assert!(!is_in(&hosts[0], &code));
}

/// A proof is used up on all hosts, whatever it was for.
#[test]
fn a_proof_works_on_one_host() {
    let cluster = EtcdCluster::start(&[]);
    let hosts = two_hosts(&cluster, OtpKind::Hotp, PATIENT);
    let token = Token::new("alice");
    let begins = |host: &MemberHost, code: &str| {
        let begin = json!({"device": "tablet", "code": code});
        as_alice(host, |talk| call(talk, "Begin", begin)["result"].clone())
    };
    assert_eq!(begins(&hosts[0], token.code_at(0)), "pending");
    assert_eq!(begins(&hosts[1], token.code_at(0)), "used");
    assert!(!is_in(&hosts[1], token.code_at(0)));
    for wrong in token.wrong_codes().take(5) {
        assert_eq!(begins(&hosts[0], &wrong), "wrong");
    }
    assert_eq!(begins(&hosts[1], token.code_at(1)), "locked");
    // They count against the daemon alone.
    assert!(is_in(&hosts[1], token.code_at(1)));
}

#[test]
fn the_last_device_unset_here_is_gone_elsewhere() {
    let cluster = EtcdCluster::start(&[]);
    let hosts = two_hosts(&cluster, OtpKind::Hotp, PATIENT);
    hosts[0].run(|host| {
        let token = Token::new("alice");
        let typed = [token.code_at(0), token.code_at(1)];
        let told = after_login(&host.machine, "unset", typed, ASK_PROOF);
        assert!(
            told.contains("Removed: all devices and recovery codes of alice."),
            "{told}"
        );
        assert!(!record_path("alice").exists());
    });
    // With the old record, too, no code of it counts.
    assert!(!is_in(&hosts[1], Token::new("alice").code_at(2)));
    renewed(&hosts[1], || !record_path("alice").exists());
}

#[test]
fn new_recovery_codes_of_one_host_count_on_the_other() {
    let cluster = EtcdCluster::start(&[]);
    let hosts = two_hosts(&cluster, OtpKind::Hotp, PATIENT);
    let old = record(&hosts[1]);
    let code = hosts[0].run(|host| {
        let token = Token::new("alice");
        let typed = [token.code_at(0), token.code_at(1)];
        let told = after_login(&host.machine, "recovery-codes", typed, ASK_DEVICE_CODE);
        let mut codes = told.split_whitespace().filter(|it| it.len() == 19);
        codes.next().unwrap().to_owned()
    });
    renewed(&hosts[1], move || {
        std::fs::read_to_string(record_path("alice")).unwrap() != old
    });
    assert!(is_in(&hosts[1], &code));
    assert!(!is_in(&hosts[0], &code));
}

/// A change is made from the record that the fleet has, or not at all.
#[test]
fn a_change_of_an_older_record_is_refused() {
    let cluster = EtcdCluster::start(&[]);
    let hosts = two_hosts(&cluster, totp(), PATIENT);
    let old = record(&hosts[1]);
    let renews = |talk: &mut DaemonConversation, meanwhile: &dyn Fn()| {
        let shown = call(talk, "Renew", json!({"code": Totp::new(SECRET).code()}));
        let key = shown["secret"].as_str().unwrap().to_owned();
        meanwhile();
        let typed = json!({"code": Totp::new(&key).code()});
        call(talk, "Confirm", typed)["result"].clone()
    };
    let root = &hosts[0];
    let (begun, waits) = std::sync::mpsc::channel();
    let (go, goes) = std::sync::mpsc::channel();
    std::thread::scope(|scope| {
        scope.spawn(move || {
            waits.recv().unwrap();
            root.run(|host| {
                let codes = ["recovery-codes", "alice", "--yes", "--json"];
                host.machine.command(&codes).ok();
            });
            go.send(()).unwrap();
        });
        // Before the daemon is called, which waits for no message so long.
        Totp::new(SECRET).settle(10);
        let result = as_alice(&hosts[1], move |talk| {
            renews(talk, &|| {
                begun.send(()).unwrap();
                goes.recv().unwrap();
            })
        });
        assert_eq!(result, "changed");
    });
    assert_ne!(record(&hosts[0]), old, "root's change counts");
}

#[test]
fn without_the_store_users_change_nothing() {
    let cluster = EtcdCluster::start(&[]);
    let hosts = two_hosts(&cluster, OtpKind::Hotp, PATIENT);
    let before = record(&hosts[0]);
    hosts[0].link.set_cut(true);
    let begin = json!({"device": "tablet", "code": Token::new("alice").code_at(0)});
    let result = as_alice(&hosts[0], |talk| {
        call(talk, "Begin", begin)["result"].clone()
    });
    assert_eq!(result, "outage");
    hosts[0].run(|host| {
        let _daemon = host.machine.daemon();
        let enroll = host.machine.twofactor(&["enroll", "--device", "tablet"]);
        let typed = format!("{}\n", Token::new("alice").code_at(0));
        let refused = enroll.user("alice").input(typed).run().exits(4);
        let told = "the store of the fleet cannot be used, so nothing was changed\n";
        assert!(refused.stderr.contains(told), "{refused:?}");
    });
    assert_eq!(record(&hosts[0]), before);
    hosts[0].link.set_cut(false);
}

/// The socket is root's: a program of a user's reaches no call of it.
#[test]
fn no_user_reaches_the_service_of_the_fleet() {
    let cluster = EtcdCluster::start(&[]);
    let hosts = two_hosts(&cluster, OtpKind::Hotp, PATIENT);
    hosts[0].run(|host| {
        let socket = harness::twofactord::FLEET_SOCKET;
        let ask = |user: &str| {
            let client = host.machine.program("/usr/local/bin/daemonask");
            let call = "{\"method\":\"org.varlink.service.GetInfo\"}\0";
            client.arg(socket).input(call).user(user).run()
        };
        assert!(ask("root").stdout.contains("io.twofactor.fleet"));
        let refused = ask("alice");
        assert!(
            refused.code != Some(0) && refused.stdout.is_empty(),
            "{refused:?}"
        );
        // Also where its mode were another one.
        let open = std::os::unix::fs::PermissionsExt::from_mode(0o666);
        std::fs::set_permissions(socket, open).unwrap();
        assert_eq!(ask("alice").stdout, "");
        let log = host.daemon.as_ref().unwrap().log();
        assert!(log.contains("result=not-yours"), "{log}");
    });
}
