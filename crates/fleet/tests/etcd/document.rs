//! The set-up of docs/fleet.md, typed as it stands there, in namespaces of its own.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

/// The machine of the certificates and of the hosts, and the network of the members.
const MACHINE: &str = r#"
set -e
mount -t tmpfs tmpfs "$1"
cd "$1"
for place in etc var/lib; do
    mkdir -p upper/$place work/$place
    mount -t overlay -o lowerdir=/$place,upperdir=upper/$place,workdir=work/$place overlay /$place
done
mkdir -p /etc/etcd /etc/default /var/lib/etcd
ip link set lo up
ip link add fleet type bridge
ip addr add 192.0.2.1/24 dev fleet
ip link set fleet up
"#;

/// The members: the document's commands with the name of each, on a machine with directories and an address of its own, since
/// members look for the address of a peer in its certificate.
const MEMBERS: &str = r#"
cd "$1"
for n in 1 2 3; do
    export n
    sed "s/etcd1/etcd$n/" member > member$n
    unshare --mount --net bash -ec '
        for place in /etc/etcd /etc/default /var/lib/etcd; do mount -t tmpfs tmpfs $place; done
        touch began$n
        until ip link show port > /dev/null 2>&1; do sleep 0.05; done
        ip addr add 192.0.2.1$n/24 dev port
        ip link set port up
        ip link set lo up
        systemctl() { set -a; . /etc/default/etcd; exec etcd > etcd$n.log 2>&1; }
        . ./member$n' &
    until [ -e began$n ]; do sleep 0.05; done
    ip link add port$n type veth peer name port netns $!
    ip link set port$n master fleet up
done
cd fleet
export ETCDCTL_API=3 ETCDCTL_CACERT=ca.crt ETCDCTL_CERT=web1/tls.crt ETCDCTL_KEY=web1/tls.key
export ETCDCTL_ENDPOINTS=https://192.0.2.11:2379,https://192.0.2.12:2379,https://192.0.2.13:2379
tries=0
until etcdctl endpoint health 2> health; do
    tries=$((tries + 1))
    [ $tries -lt 20 ] || { cat health ../etcd1.log >&2; exit 1; }
    sleep 0.2
done
"#;

/// What the users of etcd may do: their own keys, and no others.
const RIGHTS: &str = r#"
for host in web1 web2; do
    password=$(sed -n 's/^password = "\(.*\)"$/\1/p' $host/twofactor-fleet.toml)
    export ETCDCTL_CERT=$host/tls.crt ETCDCTL_KEY=$host/tls.key
    etcdctl --user "$host:$password" put /twofactor/typed $host
    if etcdctl --user "$host:$password" put /other x 2> refused; then exit 1; fi
    grep -q 'permission denied' refused
done
etcdctl --user "root:$(cat root.password)" del /twofactor/typed
"#;

/// Two hosts, each with files of its own: the document's commands with the name of each. Questions are answered with yes.
const HOSTS: &str = r#"
cd "$1"
mount -t tmpfs tmpfs /root
mkdir -p /etc/security /var/lib/twofactor
for host in web1 web2; do
    export host
    sed "s/web1/$host/g" install > install-$host
    unshare --mount bash -ec '
        for place in /etc/security /var/lib/twofactor; do mount -t tmpfs -o mode=0700 tmpfs $place; done
        chmod 0755 /etc/security
        twofactor() { "$COMMAND" --yes "$@"; }
        systemctl() { [ "$*" = "enable --now twofactord-fleet.socket twofactord-fleet.service" ]; }
        install -m 0644 "$POLICY" /etc/security/twofactor.toml
        twofactor init
        . ./install-$host
        if [ $host = web1 ]; then
            . ./found
            cp /etc/security/twofactor-fleet/fleet.key .
        else
            cp fleet.key /root
            . ./join
        fi
        . ./enable
        twofactor policy show | grep -A1 "^.fleet." | grep -q "enabled = true"
        twofactor fleet status > status-$host
        sed -i "0,/^enabled = false/s//enabled = true/" /etc/security/twofactor.toml
        twofactor doctor --json > doctor-$host || true'
done
grep -q "^This host: " status-web2
found() { grep -o '"fleet-[a-z]*"' doctor-web2 | sort -u | tr '\n' ' '; }
# No service runs here, and web1 has said no word since its policy changed.
[ "$(found)" = '"fleet-policy" "fleet-service" ' ] || { cat doctor-web2 >&2; exit 1; }
"#;

/// The indented blocks between a heading and the next one, without their indentation.
fn blocks(document: &str, heading: &str) -> Vec<String> {
    let from = document.find(heading).unwrap() + heading.len();
    let section = &document[from..];
    let section = &section[..section.find("\n#").unwrap_or(section.len())];
    let mut found = vec![String::new()];
    for line in section.lines() {
        match (line.strip_prefix("    "), line.is_empty()) {
            (Some(command), _) => {
                let block = found.last_mut().unwrap();
                block.push_str(command);
                block.push('\n');
            }
            (None, true) if !found.last().unwrap().is_empty() => {
                found.last_mut().unwrap().push('\n');
            }
            (None, true) => {}
            (None, false) => found.push(String::new()),
        }
    }
    found.retain(|block| !block.trim().is_empty());
    found
}

#[test]
fn the_set_up_of_the_document_works() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let document = fs::read_to_string(root.join("docs/fleet.md")).unwrap();
    let target =
        std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root.join("target"), Into::into);
    let command = target.join("release/twofactor");
    assert!(command.exists(), "run `make build` first");
    let one = |heading: &str| match blocks(&document, heading).as_slice() {
        [block] => block.clone(),
        other => panic!("{heading}: {other:?}"),
    };
    let [settings, member] = blocks(&document, "\n### etcd\n").try_into().unwrap();
    let certificates = one("\n### Certificates\n");
    let users = one("\n### Users of etcd\n");
    let [backup, _restore, _after] = blocks(&document, "\n## Backup and restore\n")
        .try_into()
        .unwrap();
    let member = format!("cat > \"$1\"/member <<'MEMBER'\n{member}MEMBER\n");
    let [install, found, join, enable] = blocks(&document, "\n### The hosts\n").try_into().unwrap();
    // doctor looks at much that this machine has not.
    let enable = enable.replace("twofactor doctor\n", "");
    let file = |name: &str, text: &str| format!("cat > \"$1\"/{name} <<'TEXT'\n{text}TEXT\n");
    let hosts = [
        file("install", &install),
        file("found", &found),
        file("join", &join),
        file("enable", &enable),
        HOSTS.to_owned(),
    ]
    .concat();
    let script = [
        MACHINE,
        &certificates,
        &settings,
        &member,
        MEMBERS,
        &users,
        &backup,
        RIGHTS,
        &hosts,
    ]
    .concat();
    let directory = tempfile::tempdir().unwrap();
    // All processes end with the first one of their namespace.
    let done = Command::new("unshare")
        .args(["--mount", "--net", "--pid", "--fork", "--kill-child"])
        .args(["--mount-proc", "bash", "-c", &script, "-"])
        .arg(directory.path())
        .env("COMMAND", command)
        .env("POLICY", root.join("crates/core/src/policy/default.toml"))
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&done.stderr);
    assert!(done.status.success(), "{text}");
}
