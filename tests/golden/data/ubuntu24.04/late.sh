#!/bin/sh
# Runs in the live system, from the seed, when the target is installed and still mounted on /target.
set -eu
exec >/run/imgpipe-late.log 2>&1

seed=$(dirname "$0")
work=/target/var/lib/imgpipe
install -d -m 0755 "$work"
install -m 0600 "$seed/target.sh" "$work/target.sh"
curtin in-target --target=/target -- /bin/sh /var/lib/imgpipe/target.sh
rm -f "$work/target.sh"
