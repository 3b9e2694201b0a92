# Runs beside mmdebstrap's new root ("$1"), whose packages are unpacked but not configured: their programs run in it.
# Makes the Setup medium's files; everything of ours lies in /.imgpipe: inputs in "kit", results in "out".
set -eu
root=$1
kit=$root/.imgpipe/kit
out=$root/.imgpipe/out
early=$root/.imgpipe/early
. "$kit/settings"
version=$(basename "$root"/usr/lib/modules/*)
grub=$root/usr/lib/grub
python=usr/lib/python3.$(basename "$root"/usr/bin/python3.*[0-9] | cut -d. -f2)
mkdir -p "$out" "$early/bin" "$early/proc" "$early/sys" "$early/dev" "$early/tmp" \
    "$early/lib/modules" "$early/$python"

# Into the initrd: a program or library with all that the loader would load for it.
take() {
    for path in "$@"; do
        { echo "$path"; chroot "$root" /lib64/ld-linux-x86-64.so.2 --list "$path" 2>/dev/null | grep -o '/[^ ]*' || :; } | while read -r file; do
            place=$early/$file
            [ -e "$place" ] || install -D "$root/$file" "$place"
        done
    done
}

cp -r "$kit/imgpipe_windows_standin" "$kit/imgpipe_demo" "$root/$python/"

# shellcheck disable=SC2086
take $PROGRAMS "/usr/bin/$(basename "$python")"
for file in $CONVERSIONS; do
    install -D -m 644 "$root/usr/lib/x86_64-linux-gnu/gconv/$file" "$early/usr/lib/x86_64-linux-gnu/gconv/$file"
done
ln -s "$(basename "$python")" "$early/usr/bin/python3"
# The Python modules that the program imports, compiled here, because compiling is slow in an emulated guest.
# shellcheck disable=SC2086
chroot "$root" env PYTHONPATH=/usr/lib/python3/dist-packages python3 -P -S /.imgpipe/kit/closure.py $PYTHON_MODULES >"$out/closure"
while read -r file; do
    case $file in *.so) take "$file" ;; *) install -D -m 644 "$root/$file" "$early/$file" ;; esac
done <"$out/closure"
rm "$out/closure"
mkdir -p "$early/$python/lib-dynload"
chroot "$root" python3 -m compileall -q -b --invalidation-mode unchecked-hash -s /.imgpipe/early /.imgpipe/early/usr/lib
find "$early/usr/lib" -name '*.py' -delete

# BusyBox is static; the rest of the initrd's names for it.
install "$root/usr/bin/busybox" "$early/bin/busybox"
for applet in $APPLETS; do ln -s busybox "$early/bin/$applet"; done
install -m 755 "$kit/init" "$early/init"

# shellcheck disable=SC2086
chroot "$root" depmod "$version"
chroot "$root" modprobe --set-version "$version" --show-depends --all $MODULES |
    awk '$1 == "insmod" && !seen[$2]++ { print $2 }' >"$early/lib/modules/list"
while read -r module; do
    cp "$root/$module" "$early/lib/modules/"
    case $module in *.xz) xz --decompress "$early/lib/modules/$(basename "$module")" ;; esac
    basename "${module%.xz}"
done <"$early/lib/modules/list" >"$early/lib/modules/load"
rm "$early/lib/modules/list"

(cd "$early" && find . -print0 | LC_ALL=C sort --zero-terminated |
    cpio --null --create --format=newc --quiet --owner=0:0) >"$out/initrd.img"

# What the installed disk is started with: by BIOS GRUB with disk.cfg in it, by UEFI the signed shim and GRUB of Debian.
# shellcheck disable=SC2086
chroot "$root" grub-mkimage --format=i386-pc --output=/.imgpipe/out/core.img --prefix=/imgpipe-standin \
    --config=/.imgpipe/kit/disk.cfg $GRUB_DISK_MODULES
cp "$grub/i386-pc/boot.img" "$out/boot.img"
cp "$root/usr/lib/shim/shimx64.efi.signed" "$out/bootx64.efi"
cp "$grub/x86_64-efi-signed/grubx64.efi.signed" "$out/grubx64.efi"

# What the CD is started with.
# shellcheck disable=SC2086
chroot "$root" grub-mkimage --format=i386-pc-eltorito --output=/.imgpipe/out/bios.img --prefix=/boot/grub \
    $GRUB_CD_MODULES
image=$out/efi.img
truncate --size=8M "$image"
chroot "$root" mkfs.fat -n STANDIN /.imgpipe/out/efi.img >/dev/null
export MTOOLS_SKIP_CHECK=1
chroot "$root" mmd -i /.imgpipe/out/efi.img ::/EFI ::/EFI/BOOT
chroot "$root" mcopy -i /.imgpipe/out/efi.img /.imgpipe/out/bootx64.efi ::/EFI/BOOT/BOOTX64.EFI
chroot "$root" mcopy -i /.imgpipe/out/efi.img /usr/lib/grub/x86_64-efi-signed/gcdx64.efi.signed ::/EFI/BOOT/grubx64.efi

chroot "$root" python3 -P /.imgpipe/kit/make_images.py /.imgpipe/kit/editions.json /.imgpipe/out/install.wim
cp "$root/boot/vmlinuz-$version" "$out/vmlinuz"
