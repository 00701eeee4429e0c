//! Programs of a user beside a login session with grace (policy `grace_session`): cron's jobs and the user's own services.

use harness::PASSWORD;
use harness::{BootedSystem, Machine};

use super::ready::*;

/// Tries sudo with the password alone, and then with the code `$2`; says in the file `$1` which of them opens it.
fn probe() -> String {
    format!(
        "#!/bin/sh\n\
         try() {{ if printf '%s\\n' '{PASSWORD}' \"$@\" | sudo -S -k true 2>/dev/null; then echo opens; else echo refused; fi; }}\n\
         {{ echo \"alone $(try)\"; [ -z \"$2\" ] || echo \"with code $(try \"$2\")\"; }} >\"$1.new\"\n\
         mv \"$1.new\" \"$1\"\n"
    )
}

/// The answer of a probe, in this file of alice's home directory, once it is there.
fn said(machine: &Machine, system: &BootedSystem, file: &str) -> String {
    let path = format!("/home/alice/{file}");
    let wait = "until [ -e \"$1\" ]; do sleep 0.1; done";
    system.run("sh", &["-c", wait, "sh", &path]).ok();
    machine.read(path)
}

const ASKED: &str = "alone refused\nwith code opens\n";

#[test]
fn cron_and_user_services_have_no_grace() {
    let (machine, mut system, mut token) = in_use();
    machine.write_file("/usr/local/bin/probe", probe(), 0o755);
    let set = ["policy", "set", "grace_session", "3600", "--yes"];
    machine.command(&set).ok();
    console_login(system.console(), "alice", Some(&token.code()));
    system.console().send_line("probe before");
    assert_eq!(said(&machine, &system, "before"), "alone opens\n");

    // The user's manager runs since the login, and begins it from within the session that has the grace.
    let probe = "/usr/local/bin/probe service";
    let service = format!("systemd-run --user --quiet {probe} {}", token.code());
    system.console().send_line(&service);
    assert_eq!(said(&machine, &system, "service"), ASKED);

    // cron runs it as soon as it starts for the first time.
    let table = format!("@reboot probe job {}\n", token.code());
    let install = system.program("crontab").args(&["-u", "alice", "-"]);
    install
        .input(format!("PATH=/usr/local/bin:/usr/bin:/bin\n{table}"))
        .run()
        .ok();
    system.run("rm", &["/run/crond.reboot"]).ok();
    system.run("systemctl", &["restart", "cron"]).ok();
    assert_eq!(said(&machine, &system, "job"), ASKED);

    // The session has it still.
    system.console().send_line("probe after");
    assert_eq!(said(&machine, &system, "after"), "alone opens\n");
    let grace = "pam_twofactor.sudo:auth.*result=grace";
    let used = system.run("journalctl", &["--output=cat", "--grep", grace]);
    assert_eq!(used.ok().stdout.lines().count(), 2);
}
