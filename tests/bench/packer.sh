#!/usr/bin/env bash
# The same work by Packer's QEMU builder, then virt-sysprep and qemu-img convert, which it leaves to its user.
#   packer.sh FOLDER MEDIUM SEED KERNEL INITRD "ARGUMENTS" ACCELERATOR
set -euo pipefail
folder=$1 medium=$2 seed=$3 kernel=$4 initrd=$5 arguments=$6 accelerator=$7
if [ "$accelerator" = kvm ]; then cpu=host; else cpu=max; fi
export HOME=$folder PACKER_CACHE_DIR=$folder/cache CHECKPOINT_DISABLE=1
cat >"$folder/template.json" <<EOF
{"builders": [{
  "type": "qemu", "communicator": "none", "headless": true, "shutdown_timeout": "1h",
  "iso_url": "$medium", "iso_checksum": "none", "output_directory": "$folder/packer", "vm_name": "disk.qcow2",
  "accelerator": "$accelerator", "machine_type": "q35", "cpus": 2, "memory": 1536, "disk_size": "4G",
  "format": "qcow2", "disk_interface": "virtio", "net_device": "virtio-net", "skip_compaction": true, "boot_wait": "1s",
  "qemuargs": [
    ["-cpu", "$cpu"], ["-kernel", "$kernel"], ["-initrd", "$initrd"], ["-append", "$arguments"], ["-no-reboot", ""],
    ["-drive", "file=$folder/packer/disk.qcow2,if=virtio,format=qcow2"],
    ["-drive", "file=$medium,media=cdrom,readonly=on"], ["-drive", "file=$seed,media=cdrom,readonly=on"]
  ]
}]}
EOF
printf 'start %s\n' "$(date +%s.%N)"
packer build "$folder/template.json" >"$folder/packer.log" 2>&1 || { tail -30 "$folder/packer.log" >&2 && exit 1; }
"$(dirname "$0")/finish.sh" "$folder/packer/disk.qcow2" "$folder/golden.qcow2"
