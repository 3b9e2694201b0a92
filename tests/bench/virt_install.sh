#!/usr/bin/env bash
# The same work by hand: virt-install, virt-sysprep, qemu-img convert. Prints a line 'step seconds' for each step.
#   virt_install.sh FOLDER MEDIUM SEED KERNEL INITRD "ARGUMENTS" ACCELERATOR
set -euo pipefail
folder=$1 medium=$2 seed=$3 kernel=$4 initrd=$5 arguments=$6 accelerator=$7
name=imgpipe-bench-$$
if [ "$accelerator" = kvm ]; then type=kvm cpu=host-passthrough; else type=qemu cpu=mode=maximum; fi
virsh() { command virsh --quiet --connect qemu:///system "$@"; }
pools=$(virsh pool-list --all --name | sort)
# virt-install makes a pool of every folder that it finds a disk in.
clean_up() {
    virsh destroy "$name" || :
    virsh undefine "$name" || :
    for pool in $(virsh pool-list --all --name | sort | comm -13 <(printf '%s\n' "$pools") -); do
        virsh pool-destroy "$pool" || :
        virsh pool-undefine "$pool" || :
    done
}
trap 'clean_up >/dev/null 2>&1' EXIT
printf 'start %s\n' "$(date +%s.%N)"
virt-install --quiet --connect qemu:///system --name "$name" --memory 1536 --vcpus 2 --virt-type "$type" --cpu "$cpu" \
    --machine q35 --osinfo detect=off,require=off \
    --disk "path=$folder/disk.qcow2,size=4,bus=virtio" \
    --disk "path=$medium,device=cdrom" --disk "path=$seed,device=cdrom" \
    --network user,model=virtio --graphics none --noautoconsole --wait 60 --noreboot \
    --install "kernel=$kernel,initrd=$initrd,kernel_args=$arguments,kernel_args_overwrite=yes" >/dev/null
"$(dirname "$0")/finish.sh" "$folder/disk.qcow2" "$folder/golden.qcow2"
