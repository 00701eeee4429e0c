//! polkit: pkexec on the bus of a clean Debian, and the unit of polkit 127, which checks passwords in a sandbox, under a systemd
//! of its own.

use harness::{Machine, PASSWORD, Pty, Running};

use super::clean::*;
use harness::logins::{ASK_CODE, ASK_PASSWORD, logged};

/// The system bus and polkit, as systemd would start them.
fn polkit(machine: &Machine) -> [Running; 2] {
    machine.run("mkdir", &["-p", "/run/dbus"]).ok();
    let bus = ["--system", "--nofork", "--nopidfile"];
    let bus = machine.program("dbus-daemon").args(&bus).start();
    until(machine, "[ -S /run/dbus/system_bus_socket ]");
    let polkit = machine.program("/usr/lib/polkit-1/polkitd");
    let polkit = polkit.arg("--no-debug").start();
    let owner = "org.freedesktop.DBus / org.freedesktop.DBus.GetNameOwner";
    let name = "string:org.freedesktop.PolicyKit1";
    until(
        machine,
        &format!("dbus-send --system --print-reply --dest={owner} {name}"),
    );
    [bus, polkit]
}

/// Waits until a command of the shell succeeds.
fn until(machine: &Machine, command: &str) {
    let script = format!("until {command}; do sleep 0.02; done");
    machine.run("sh", &["-c", &script]).ok();
}

/// Its own agent takes part in sessions of logind alone, so another one stands by for the shell.
const PKEXEC: &str = "\
cd /home/alice
rm -f agent
mkfifo agent
pkttyagent --process $$ --notify-fd 3 3>agent &
cat agent
exec 2>&1
pkexec --disable-internal-agent id -un
";

/// pkexec on a terminal, after the password of alice, an administrator.
fn pkexec(machine: &Machine, password: &str) -> Pty {
    let program = machine.program("sh");
    let mut pkexec = program.args(&["-c", PKEXEC]).user("alice").pty();
    pkexec.answer_hidden(ASK_PASSWORD, password);
    pkexec
}

#[test]
fn pkexec_asks_for_the_code_after_the_password() {
    let (machine, mut token) = in_use();
    machine.add_to_group("alice", "sudo");
    let _running = polkit(&machine);
    let mut right = pkexec(&machine, PASSWORD);
    right.answer_hidden(ASK_CODE, &token.wrong_code());
    right.expect("Wrong code.");
    right.answer_hidden(ASK_CODE, &token.code());
    let ended = right.end();
    assert!(
        ended.code == Some(0) && ended.shown.contains("root\n"),
        "{ended:?}"
    );
    let wrong = pkexec(&machine, "not it").end();
    assert!(!wrong.shown.contains(ASK_CODE), "{wrong:?}");
    assert!(
        wrong.code == Some(127) && !wrong.shown.contains("root\n"),
        "{wrong:?}"
    );
    let results = logged(&machine, "polkit-1:auth");
    assert!(
        results.len() == 2 && results[1].contains("result=accepted"),
        "{results:?}"
    );
}

/// Settings of polkit 127's unit that decide what a module can do there.
const SANDBOX: &str = "\
DeviceAllow=/dev/null rw
DeviceAllow=/dev/urandom r
DevicePolicy=strict
LimitMEMLOCK=0
LockPersonality=yes
MemoryDenyWriteExecute=yes
NoNewPrivileges=yes
PrivateNetwork=yes
PrivateTmp=yes
ProtectControlGroups=yes
ProtectKernelTunables=yes
ProtectSystem=strict
RestrictAddressFamilies=AF_UNIX
RestrictNamespaces=yes
RestrictSUIDSGID=yes
SystemCallArchitectures=native
SystemCallFilter=@system-service
UMask=0077
";

/// Its helper, with the answers in a file, and systemd's end after it.
const HELPER: &str = "\
[Unit]
DefaultDependencies=no
SuccessAction=exit-force
FailureAction=exit-force
[Service]
Type=oneshot
ExecStart=/usr/lib/polkit-1/polkit-agent-helper-1 alice
StandardInput=file:/run/typed
StandardOutput=null
StandardError=null
";

const DROP_IN: &str = "/usr/lib/systemd/system/polkit-agent-helper@.service.d/twofactor.conf";

/// Runs the unit by a systemd with processes, mounts and a control group of its own. It knows no other unit, so that nothing else
/// can be started, whatever goes wrong.
const SYSTEMD: &str = "\
set -e
rm -rf /run/units
mkdir /run/units
cp -r /usr/lib/systemd/system/polkit-agent-helper@.service.d /run/helper@.service /run/units
mv /run/units/helper@.service /run/units/polkit-agent-helper@.service
mount -t sysfs sysfs /sys
mount -t cgroup2 cgroup2 /sys/fs/cgroup
own=/sys/fs/cgroup/own-$$
mkdir $own
echo $$ >$own/cgroup.procs
unshare --mount --pid --cgroup --ipc --fork --kill-child --mount-proc sh -e -c '
    umount /sys/fs/cgroup
    mount -t cgroup2 cgroup2 /sys/fs/cgroup
    exec env container=private SYSTEMD_UNIT_PATH=/run/units SYSTEMD_GENERATOR_PATH=/run/none \\
        /lib/systemd/systemd --show-status=false --unit=polkit-agent-helper@1.service
' || :
echo $$ >/sys/fs/cgroup/cgroup.procs
find $own -depth -type d -exec rmdir {} +
";

/// The lines of the module after the helper was run in its unit.
fn in_the_sandbox(machine: &Machine, code: &str) -> Vec<String> {
    let typed = format!("cookie\n{PASSWORD}\n{code}\n");
    machine.write_file("/run/typed", typed, 0o600);
    machine.forget_log();
    let own = ["--mount", "--cgroup", "sh", "-c", SYSTEMD];
    machine.run("unshare", &own).ok();
    logged(machine, "polkit-1:auth")
}

#[test]
fn in_polkit_127s_sandbox_the_drop_in_lets_codes_work() {
    let (machine, mut token) = in_use();
    machine.write_file("/run/helper@.service", format!("{HELPER}{SANDBOX}"), 0o644);
    let drop_in = machine.read(DROP_IN);
    let accepted = in_the_sandbox(&machine, &token.code());
    assert!(
        accepted.len() == 1 && accepted[0].contains("result=accepted"),
        "{accepted:?}"
    );
    let again = in_the_sandbox(&machine, &token.wrong_code());
    assert!(again[0].contains("result=wrong"), "{again:?}");
    std::fs::remove_file(DROP_IN).unwrap();
    let refused = in_the_sandbox(&machine, &token.code());
    let cause = refused[0].contains("result=error") && refused[0].contains("Read-only file system");
    assert!(refused.len() == 1 && cause, "{refused:?}");
    // Where the state directory is gone the helper is run all the same, and only because of the dash.
    machine.run("rm", &["-r", "/var/lib/twofactor"]).ok();
    machine.write_file(DROP_IN, &drop_in, 0o644);
    assert_eq!(in_the_sandbox(&machine, "000000").len(), 1);
    machine.write_file(DROP_IN, drop_in.replace("=-", "="), 0o644);
    assert_eq!(in_the_sandbox(&machine, "000000"), [""; 0]);
}
