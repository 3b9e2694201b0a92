# Runs before the kernel's package is installed: makes the target's initramfs a generic one, so that no
# installation has to make its own.
set -eu
. "$1/.imgpipe/kit/settings"
mkdir -p "$1/etc/initramfs-tools/conf.d" "$1/usr/share/initramfs-tools/modules.d"
printf 'MODULES=list\nCOMPRESS=zstd\nRESUME=none\n' >"$1/etc/initramfs-tools/conf.d/imgpipe"
printf '%s\n' $TARGET_MODULES >"$1/usr/share/initramfs-tools/modules.d/imgpipe"
