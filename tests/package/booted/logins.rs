//! Logins of users in a booted system.

use harness::PASSWORD;
use harness::logins::{ASK_CODE, ASK_PASSWORD};
use harness::pam::code;
use harness::twofactord::SOCKET;

use super::ready::*;

#[test]
fn console_ssh_and_sudo_ask_for_the_code() {
    let (_machine, mut system, mut token) = in_use();
    let code = token.code();
    console_login(system.console(), "alice", Some(&code));
    system.console().send_line("id -un; tty");
    system.console().expect("alice\n/dev/");
    console_logout(system.console());
    // No code, no login.
    let console = system.console();
    console.send_line("alice");
    console.answer(ASK_PASSWORD, PASSWORD);
    for _ in 0..3 {
        console.answer(ASK_CODE, &token.wrong_code());
    }
    console.expect("login: ");

    let mut ssh = ssh(&system, "alice");
    ssh.answer_hidden("assword: ", PASSWORD);
    ssh.answer_hidden(ASK_CODE, &token.wrong_code());
    ssh.answer_hidden(ASK_CODE, &token.code());
    ssh.answer("$ ", "sudo id -un");
    ssh.answer_hidden(" password for alice: ", PASSWORD);
    ssh.answer_hidden(ASK_CODE, &token.code());
    ssh.expect("root\n");
    ssh.answer("$ ", "exit");
    assert_eq!(ssh.end().code, Some(0));
}

/// A program with which a user sets up the first device: the daemon's socket is all it needs. The device counts, so that the next
/// code needs no waiting.
pub(super) const ENROLL: &str = r#"#!/bin/sh -e
mkfifo calls replies
daemonask /run/twofactor/socket talk <calls >replies &
exec 3>calls 4<replies
call() { printf '{"method":"io.twofactor.%s","parameters":{"user":"bob",%s}}\n' "$1" "$2" >&3; read -r reply <&4; }
call Begin '"device":"phone","kind":"hotp"'
secret=$(printf '%s' "$reply" | sed -n 's/.*"secret":"\([A-Z2-7]*\)".*/\1/p')
call Confirm "\"code\":\"$(oathtool --base32 --counter=0 "$secret")\""
printf '%s' "$reply" | grep -o '"result":"[a-z]*"'
oathtool --base32 --counter=1 "$secret" >code
call NewRecoveryCodes "\"code\":\"$(oathtool --base32 --counter=2 "$secret")\""
printf '%s' "$reply" | grep -o '"result":"[a-z_]*"'
"#;

#[test]
fn a_user_enrolls_without_root_after_a_login() {
    let (machine, mut system, mut token) = in_use();
    machine.write_file("/usr/local/bin/enroll", ENROLL, 0o755);
    // bob has no device, and logs in with the password.
    opens(&system, "bob", "");
    console_login(system.console(), "bob", None);
    system.console().send_line("enroll");
    system.console().expect("\"result\":\"stored\"\n");
    // The login was good for one change.
    system.console().expect("\"result\":\"login_required\"\n");
    console_logout(system.console());
    let code = machine.read("/home/bob/code");
    assert_ne!(locker(&system, "bob", "000000").run().auth, code::SUCCESS);
    opens(&system, "bob", code.trim());
    // alice is not told of bob, and is let in as before.
    let status = "{\"method\":\"io.twofactor.Status\",\"parameters\":{\"user\":\"bob\"}}\0";
    let client = system.program_of("alice", "/usr/local/bin/daemonask");
    let told = client.arg(SOCKET).input(status).run().ok().stdout;
    assert!(told.contains("io.twofactor.NotYours"), "{told}");
    opens(&system, "alice", &token.code());
}
