# Two hosts, each with files of its own: the document's commands with the name of each. Questions are answered with yes.
cd "$1"
mount -t tmpfs tmpfs /root
mkdir -p /etc/security /var/lib/twofactor
cat > host <<'HOST'
mount --bind kept/$host/security /etc/security
mount --bind kept/$host/twofactor /var/lib/twofactor
twofactor() { "$COMMAND" --yes "$@"; }
systemctl() { [ "$*" = "enable --now twofactord-fleet.socket twofactord-fleet.service" ]; }
# It notes how many hosts there are just after that.
is_met() { grep -q result=store-met log-$host && [ -e kept/$host/twofactor/fleet/contact ]; }
# The service, until it has written its number, or was refused that twice: at its start, and after it did what an outage leaves to do.
serve() {
    "$DAEMON" --listen-fleet "$PWD/kept/$host/socket" 2> log-$host &
    service=$!
    until is_met || [ "$(grep -c result=outage log-$host)" -ge 2 ]; do
        kill -0 $service || { cat log-$host >&2; exit 1; }
        sleep 0.1
    done
    kill $service
    wait $service || true
}
HOST
# Types commands on a host.
on() {
    mkdir -p kept/$1/security kept/$1/twofactor
    chmod 0755 kept/$1/security
    chmod 0700 kept/$1/twofactor
    host=$1 unshare --mount bash -ec "$(cat host)
$2"
}
for host in web1 web2; do
    sed "s/web1/$host/g" install > install-$host
    on $host '
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
