//! Enrollment by an administrator who is logged in over ssh: what arrives on the screen at home.

use harness::PASSWORD;
use harness::logins::{ASK_PASSWORD, machine};
use harness::screen;
use harness::screen::Background::{Dark, Light};

#[test]
fn r30_an_ssh_client_shows_a_code_to_scan() {
    let machine = machine();
    machine.add_user("alice");
    let sshd = machine.sshd("PermitRootLogin yes");
    let mut terminal = sshd.login("root").shell().pty();
    terminal
        .answer(ASK_PASSWORD, PASSWORD)
        .answer("# ", "twofactor enroll alice");
    // The text that the shell shows before is not of the command.
    terminal.expect("URI: ");
    let text = terminal.expect("now (Enter to cancel): ");
    let uri = text.lines().next().unwrap();
    for background in [Dark, Light] {
        assert_eq!(screen::scan(&machine, &text, background), [uri]);
    }
    let key = uri.split_once("secret=").unwrap().1;
    let key = key.split_once('&').unwrap().0;
    terminal.send_line(&harness::Totp::new(key).code());
    terminal.expect("Stored: device phone of alice.");
}
