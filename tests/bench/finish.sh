#!/usr/bin/env bash
# What both peers leave to their users: generalize the installed disk, then compress it.
#   finish.sh DISK GOLDEN
set -euo pipefail
mark() { printf '%s %s\n' "$1" "$(date +%s.%N)"; }
mark installed
virt-sysprep --quiet --operations defaults,-customize --add "$1"
mark sealed
qemu-img convert -c -O qcow2 -o compression_type=zstd "$1" "$2"
mark published
