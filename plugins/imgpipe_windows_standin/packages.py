"""What the stand-in Setup is made of: Debian packages, programs, and the kernel's and GRUB's modules."""

SUITE = "trixie"

PACKAGES = (
    "base-files",
    "busybox-static",
    "dosfstools",
    "fdisk",
    "grub-common",
    "grub-efi-amd64-signed",
    "grub-pc-bin",
    "kmod",
    "libpython3-stdlib",
    "linux-image-cloud-amd64",
    "mtools",
    "ntfs-3g",
    "python3-hivex",
    "python3-minimal",
    "shim-signed",
    "wimtools",
)

# Of the initrd, each with its libraries.
PROGRAMS = (
    "/usr/bin/ntfs-3g",
    "/usr/bin/wimlib-imagex",
    "/usr/sbin/mkfs.fat",
    "/usr/sbin/mkntfs",
    "/usr/sbin/sfdisk",
)
# hivex converts the names of keys by these.
CONVERSIONS = ("gconv-modules", "ISO8859-1.so", "UTF-16.so")
APPLETS = ("cat", "grep", "insmod", "mount", "poweroff", "reboot", "sh", "sleep", "sync", "umount")
MODULES = (
    *("ahci", "sr_mod", "virtio_blk", "virtio_pci", "isofs", "nls_utf8", "fuse", "vfat", "nls_cp437", "nls_ascii"),
    *("evdev", "button"),
)
# The program, and what Python loads only when it is needed.
PYTHON_MODULES = (
    "imgpipe_windows_standin.installer.phases",
    *("encodings.utf_8", "encodings.ascii", "encodings.latin_1", "encodings.utf_16", "encodings.utf_16_le"),
    "encodings.cp437",
)

GRUB_DISK_MODULES = ("biosdisk", "part_msdos", "ntfs", "search", "search_fs_file", "linux", "boot")
GRUB_CD_MODULES = (
    *("biosdisk", "iso9660", "part_msdos", "ntfs", "normal", "configfile", "echo", "loadenv", "test", "linux"),
    *("boot", "minicmd", "ls"),
)
