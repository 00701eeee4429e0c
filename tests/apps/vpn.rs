//! openvpn with a static challenge: its plugin answers the question for the code with what was typed for it.

use std::path::Path;

use harness::{Machine, PASSWORD, Running};

use super::{BOTH, ONE_FIELD, REST, happens, two_users, wait_for};
use harness::logins::Phone;

const KEYS: &str = "\
set -e
mkdir -p /dev/net
[ -e /dev/net/tun ] || mknod /dev/net/tun c 10 200
cd /run/vpn
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=server \\
    -keyout key.pem -out cert.pem -addext extendedKeyUsage=serverAuth
";

const SERVER: &str = "\
port 1194
proto tcp-server
local 127.0.0.1
dev tun
server 10.8.0.0 255.255.255.0
ca /run/vpn/cert.pem
cert /run/vpn/cert.pem
key /run/vpn/key.pem
dh none
verify-client-cert none
username-as-common-name
";

const CLIENT: &str = "\
client
remote 127.0.0.1 1194
proto tcp-client
dev tun
nobind
ca /run/vpn/cert.pem
auth-user-pass /run/vpn/login
auth-retry none
connect-retry-max 1
";

/// Answers of the plugin: a question that begins with a word gets what stands after the word here.
const ANSWERS: &str = "openvpn login USERNAME Password PASSWORD Verification OTP";

fn plugin() -> String {
    let directories = std::fs::read_dir("/usr/lib").unwrap().flatten();
    let plugins = directories.map(|entry| {
        entry
            .path()
            .join("openvpn/plugins/openvpn-plugin-auth-pam.so")
    });
    let mut found = plugins.filter(|path| path.exists());
    found.next().unwrap().display().to_string()
}

fn server(machine: &Machine) -> Running {
    std::fs::create_dir_all("/run/vpn").unwrap();
    machine.run("sh", &["-c", KEYS]).ok();
    let config = format!("{SERVER}plugin {} \"{ANSWERS}\"\n", plugin());
    machine.write_file("/run/vpn/server.conf", config, 0o600);
    machine.write_file("/run/vpn/client.conf", CLIENT, 0o600);
    let arguments = [
        "--config",
        "/run/vpn/server.conf",
        "--log",
        "/run/vpn/server.log",
    ];
    let server = machine.program("openvpn").args(&arguments).start();
    wait_for("server", || {
        said("server.log", "Initialization Sequence Completed")
    });
    server
}

fn said(log: &str, text: &str) -> bool {
    let log = std::fs::read(Path::new("/run/vpn").join(log)).unwrap_or_default();
    String::from_utf8_lossy(&log).contains(text)
}

fn base64(machine: &Machine, text: &str) -> String {
    let encode = machine.program("base64").arg("--wrap=0").input(text);
    encode.run().ok().stdout
}

/// True if a client gets in with what it sends as the password.
fn lets_in(machine: &Machine, user: &str, sent: &str) -> bool {
    machine.write_file("/run/vpn/login", format!("{user}\n{sent}\n"), 0o600);
    std::fs::remove_file("/run/vpn/client.log").ok();
    let arguments = [
        "--config",
        "/run/vpn/client.conf",
        "--log",
        "/run/vpn/client.log",
    ];
    let _client = machine.program("openvpn").args(&arguments).start();
    let (yes, no) = ("Initialization Sequence Completed", "AUTH_FAILED");
    let ended = happens(|| said("client.log", yes) || said("client.log", no));
    assert!(ended, "{}", machine.read("/run/vpn/client.log"));
    said("client.log", yes)
}

/// As a client with `static-challenge` sends both.
fn challenge(machine: &Machine, password: &str, code: &str) -> String {
    format!(
        "SCRV1:{}:{}",
        base64(machine, password),
        base64(machine, code)
    )
}

#[test]
fn a_static_challenge_answers_both_questions() {
    let (machine, phone) = two_users();
    machine.stack("openvpn", &format!("{BOTH}{REST}"));
    let _server = server(&machine);
    let sent = |phone: &Phone| challenge(&machine, PASSWORD, &phone.code());
    let right = sent(&phone);
    assert!(!lets_in(
        &machine,
        "alice",
        &challenge(&machine, PASSWORD, &phone.wrong_code())
    ));
    assert!(lets_in(&machine, "alice", &right));
    assert!(!lets_in(&machine, "alice", &right), "a code works once");
    assert!(!lets_in(&machine, "alice", PASSWORD));
    assert!(lets_in(&machine, "bob", PASSWORD));
}

#[test]
fn without_a_challenge_one_field_takes_both() {
    let (machine, phone) = two_users();
    machine.stack("openvpn", &format!("{ONE_FIELD}{REST}"));
    let _server = server(&machine);
    assert!(!lets_in(&machine, "alice", PASSWORD));
    assert!(lets_in(
        &machine,
        "alice",
        &format!("{PASSWORD}{}", phone.code())
    ));
    assert!(lets_in(&machine, "bob", PASSWORD));
}
