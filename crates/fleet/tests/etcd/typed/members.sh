# The members: the document's commands with the name of each, on a machine with directories and an address of its own, since
# members look for the address of a peer in its certificate. They are restored when the file "restore-all" is there.
cd "$1"
for n in 1 2 3; do
    export n
    sed "s/etcd1/etcd$n/" member > member$n
    sed "s/--name etcd1/--name etcd$n/; s,peer-urls https://192.0.2.11:,peer-urls https://192.0.2.1$n:," restore > restore$n
    unshare --mount --net bash -ec '
        for place in /etc/etcd /etc/default /var/lib/etcd; do mount -t tmpfs tmpfs $place; done
        touch began$n
        until ip link show port > /dev/null 2>&1; do sleep 0.05; done
        ip addr add 192.0.2.1$n/24 dev port
        ip link set port up
        ip link set lo up
        systemctl() {
            if [ "$1" = stop ]; then
                kill $etcd
                wait $etcd || true
            else
                (set -a; . /etc/default/etcd; exec etcd >> etcd$n.log 2>&1) &
                etcd=$!
            fi
        }
        . ./member$n
        until [ -e restore-all ]; do sleep 0.1; done
        . ./stop
        touch stopped$n
        until [ -e stopped1 ] && [ -e stopped2 ] && [ -e stopped3 ]; do sleep 0.1; done
        . ./restore$n
        touch restored$n
        wait' &
    until [ -e began$n ]; do sleep 0.05; done
    ip link add port$n type veth peer name port netns $!
    ip link set port$n master fleet up
done
cd fleet
export ETCDCTL_API=3 ETCDCTL_CACERT=ca.crt ETCDCTL_CERT=web1/tls.crt ETCDCTL_KEY=web1/tls.key
export ETCDCTL_ENDPOINTS=https://192.0.2.11:2379,https://192.0.2.12:2379,https://192.0.2.13:2379
are_healthy() { etcdctl "$@" endpoint health 2> health; }
await health are_healthy
