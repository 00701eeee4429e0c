# The machine of the certificates and of the hosts, and the network of the members.
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

# Waits until a command succeeds, a minute at most; then shows a file.
await() {
    shown=$1
    shift
    tries=0
    until "$@"; do
        tries=$((tries + 1))
        [ $tries -lt 300 ] || { cat "$shown" >&2; exit 1; }
        sleep 0.2
    done
}
