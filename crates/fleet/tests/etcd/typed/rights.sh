# What the users of etcd may do: their own keys, and no others.
for host in web1 web2; do
    password=$(sed -n 's/^password = "\(.*\)"$/\1/p' $host/twofactor-fleet.toml)
    export ETCDCTL_CERT=$host/tls.crt ETCDCTL_KEY=$host/tls.key
    etcdctl --user "$host:$password" put /twofactor/typed $host
    if etcdctl --user "$host:$password" put /other x 2> refused; then exit 1; fi
    grep -q 'permission denied' refused
done
etcdctl --user "root:$(cat root.password)" del /twofactor/typed
