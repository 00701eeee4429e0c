# The store goes back to the backup, which was made before the hosts wrote their next numbers.
cd "$1"
for host in web1 web2; do on $host serve; done
grep -q result=store-met log-web1
grep -q result=store-met log-web2
ln -s fleet/fleet.snapshot .
touch restore-all
are_restored() { [ -e restored1 ] && [ -e restored2 ] && [ -e restored3 ]; }
await etcd1.log are_restored
cd fleet
as_root() { are_healthy --user "root:$(cat root.password)"; }
await health as_root
cd ..
for host in web1 web2; do
    on $host 'if twofactor fleet status > status-$host; then cat status-$host >&2; exit 1; fi
        grep -q "went back in time" status-$host'
done
# The other host has not brought what it knows.
on web1 'if . ./after > waiting; then cat waiting >&2; exit 1; fi'
is_after() {
    on web2 serve
    on web1 '. ./after > waiting'
}
await waiting is_after
on web2 serve
for host in web1 web2; do on $host 'twofactor fleet status > status-$host'; done
