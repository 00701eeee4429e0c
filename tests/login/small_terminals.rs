//! The messages of sudo, su and sshd on terminals of 24 lines with 80 and with 40 columns.

use harness::logins::{ASK_CODE, ASK_NEW_DEVICE, ASK_PASSWORD, enrolled, machine, policy};
use harness::screen::COLUMNS;
use harness::{Machine, PASSWORD, Pty};

/// A program that alice runs on a terminal.
fn alice(machine: &Machine, command: &str, columns: u16) -> Pty {
    let program = machine.program("bash").args(&["-c", command]);
    program.user("alice").pty_of(columns, 24)
}

#[test]
fn a_wrong_code_leads_to_a_recovery_code() {
    let machine = machine();
    let (phone, bob) = (enrolled(&machine, "alice"), enrolled(&machine, "bob"));
    machine.allow_sudo("alice");
    let hint = "(No phone? Type a recovery code.)";
    for (round, columns) in COLUMNS.into_iter().enumerate() {
        let on_terminal = |command: &str| alice(&machine, command, columns);
        let mut sudo = on_terminal("sudo -k; sudo id -un");
        sudo.answer("[sudo] password for alice: ", PASSWORD);
        sudo.answer("Verification code: ", &phone.wrong_code());
        sudo.expect(hint);
        sudo.answer("Verification code: ", &phone.recovery[round]);
        sudo.expect("root\n");
        let mut su = on_terminal("su bob -c 'echo this is $(id -un)'");
        su.answer("Password: ", PASSWORD);
        su.answer("Verification code: ", &bob.wrong_code());
        su.expect(&format!("Wrong code. {hint}\n"));
        su.answer("Verification code: ", &bob.recovery[round]);
        su.expect("this is bob\n");
    }
    // If nothing may tell who has a device, nothing tells who has recovery codes.
    policy(&machine, "uniform_prompt = true", "");
    let mut sudo = alice(&machine, "sudo -k; sudo id -un", 80);
    sudo.answer("[sudo] password for alice: ", PASSWORD);
    sudo.answer("Verification code: ", &phone.wrong_code());
    sudo.answer("Wrong code.\nVerification code: ", &phone.recovery[5]);
    sudo.expect("root\n");
}

#[test]
fn a_lock_out_is_told_under_sudo_and_su() {
    let machine = machine();
    let (phone, bob) = (enrolled(&machine, "alice"), enrolled(&machine, "bob"));
    machine.allow_sudo("alice");
    for columns in COLUMNS {
        for (command, phone) in [("sudo -k; sudo id -un", &phone), ("su bob -c id", &bob)] {
            let mut program = alice(&machine, command, columns);
            for question in 0..6 {
                // sudo asks for the password again after three codes; su ends.
                if question % 3 == 0 {
                    if question > 0 && command.starts_with("su ") {
                        program.end();
                        program = alice(&machine, command, columns);
                    }
                    program.answer("assword", PASSWORD);
                }
                if question < 5 {
                    program.answer("Verification code: ", &phone.wrong_code());
                }
            }
            program.expect("Too many wrong codes. Try again in ");
        }
        for user in ["alice", "bob"] {
            machine.command(&["unlock", user]).ok();
        }
    }
}

#[test]
fn each_message_comes_once_over_ssh() {
    let machine = machine();
    let phone = enrolled(&machine, "alice");
    let sshd = machine.sshd("");
    for (round, columns) in COLUMNS.into_iter().enumerate() {
        let mut session = sshd.login("alice").shell().pty_of(columns, 24);
        session.answer(ASK_PASSWORD, PASSWORD);
        session.answer(ASK_CODE, &phone.wrong_code());
        session.answer(ASK_CODE, &phone.recovery[round]);
        session.answer(ASK_NEW_DEVICE, "");
        session.expect("Recovery code accepted.");
        session.send_line("exit");
        let shown = session.end().shown;
        for told in [
            "Wrong code. (No phone? Type a recovery code.)\n",
            "Recovery code accepted. ",
            "One wrong code was entered since your last right one.",
        ] {
            assert_eq!(shown.matches(told).count(), 1, "{columns}: {shown}");
        }
    }
}
