#!/usr/bin/env bash
# The operators' way to a named clone: virt-clone, virt-sysprep, virt-customize, start (paused).
# virt_clone.sh SOURCE PREFIX COUNT FOLDER URI; prints a mark and the time after each step.
set -euo pipefail
source=$1 prefix=$2 count=$3 folder=$4 uri=$5

mark() { printf '%s %s\n' "$1" "$(date +%s.%N)"; }

mark start
for ((i = 1; i <= count; i++)); do
    name=$prefix-$i
    disk=$folder/$name.qcow2
    virt-clone --connect "$uri" --quiet --original "$source" --name "$name" --file "$disk" >&2
    mark cloned
    # Without 'customize', which would give all clones one machine-id.
    virt-sysprep --quiet --operations defaults,-customize --format qcow2 --add "$disk" >&2
    mark sealed
    virt-customize --quiet --format qcow2 --add "$disk" --hostname "$name" >&2
    mark named
    virsh --connect "$uri" --quiet start --paused "$name" >&2
    mark started
done
