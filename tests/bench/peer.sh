#!/usr/bin/env bash
# The same work by hand: virt-install, virt-sysprep, qemu-img convert.
#   peer.sh FOLDER MEDIUM SEED KERNEL INITRD "ARGUMENTS" VIRT_TYPE
set -euo pipefail
folder=$1 medium=$2 seed=$3 kernel=$4 initrd=$5 arguments=$6 type=$7
name=imgpipe-bench-$$
[ "$type" = kvm ] && cpu=host-passthrough || cpu=maximum
trap 'virsh --quiet --connect qemu:///system destroy "$name" 2>/dev/null; virsh --quiet --connect qemu:///system undefine "$name" 2>/dev/null || :' EXIT
mark() { printf '%s %s\n' "$1" "$(date +%s.%N)"; }
mark start
virt-install --quiet --connect qemu:///system --name "$name" --memory 1536 --vcpus 2 --virt-type "$type" --cpu "$cpu" \
    --machine q35 --osinfo detect=off,require=off \
    --disk "path=$folder/disk.qcow2,size=4,bus=virtio" \
    --disk "path=$medium,device=cdrom" --disk "path=$seed,device=cdrom" \
    --network user,model=virtio --graphics none --noautoconsole --wait 60 --noreboot \
    --install "kernel=$kernel,initrd=$initrd,kernel_args=$arguments,kernel_args_overwrite=yes" >/dev/null
mark installed
virt-sysprep --quiet --operations defaults,-customize --add "$folder/disk.qcow2"
mark sealed
qemu-img convert -c -O qcow2 -o compression_type=zstd "$folder/disk.qcow2" "$folder/golden.qcow2"
mark published
