# A new key, which the other host joins with, and then that host is shut out.
on web1 '. ./rotate && cp /etc/security/twofactor-fleet/fleet.key /root'
on web2 'if twofactor fleet status > status-$host; then cat status-$host >&2; exit 1; fi
    . ./rejoin
    twofactor fleet status > status-$host'
cd fleet
. ../shut-out
cd ..
on web2 'if twofactor fleet status > status-$host; then cat status-$host >&2; exit 1; fi'
on web1 'twofactor fleet status > status-$host'
