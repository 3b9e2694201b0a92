"""What the stand-in is made of: the Debian packages and the kernel modules."""

SUITE = "trixie"

# The target's root file system. The installer runs in it as well: its Python and its tools are these.
TARGET = (
    "bash-completion",
    "chrony",
    "curl",
    "dbus",
    "dosfstools",
    "e2fsprogs",
    "fdisk",
    "grub-efi-amd64-bin",
    "grub-pc-bin",
    "grub2-common",
    "initramfs-tools",
    "iproute2",
    "iputils-ping",
    "kmod",
    "libpam-systemd",
    "linux-image-cloud-amd64",
    "login",
    "logrotate",
    "lsof",
    "lvm2",
    "net-tools",
    "network-manager",
    "openssh-client",
    "openssh-server",
    "procps",
    "python3",
    "qemu-guest-agent",
    "rsyslog",
    "sudo",
    "systemd-sysv",
    "tzdata",
    "udev",
    "xfsprogs",
    "zstd",
)

INITRD_APPLETS = (
    *("blkid", "cat", "cp", "dd", "halt", "insmod", "ls", "mkdir", "mount", "poweroff", "printf", "reboot"),
    *("sed", "sh", "sleep", "switch_root", "sync", "umount"),
)
INITRD_MODULES = (
    *("ahci", "ata_piix", "sr_mod", "sd_mod", "virtio_blk", "virtio_scsi", "virtio_pci", "loop"),
    *("isofs", "squashfs", "overlay", "vfat", "nls_cp437", "nls_ascii", "nls_utf8", "xfs", "ext4", "dm_mod"),
)
# Of the target's own initramfs: what may carry its root on any machine of imgpipe.
TARGET_MODULES = ("ahci", "dm_mod", "ext4", "nvme", "sd_mod", "vfat", "virtio_blk", "virtio_scsi", "xfs")
