# Runs beside mmdebstrap's new root ("$1"), as its (mapped) root user, after the packages are installed.
# Turns it into the target's root file system, and makes the installer's second layer and initrd from it.
# Everything of ours lies in /.imgpipe of the root: inputs in "kit", results in "out".
set -eu
root=$1
kit=$root/.imgpipe/kit
out=$root/.imgpipe/out
layer=$root/.imgpipe/layer
early=$root/.imgpipe/early
mkdir -p "$out" "$layer" "$early"
. "$kit/settings"
version=$(basename "$root"/usr/lib/modules/*)

fetch() { # packages with what they need beyond the target's, unpacked into a folder: $1 folder, rest packages
    folder=$1
    shift
    mkdir -p "$root/.imgpipe/debs/partial"
    APT_CONFIG=$MMDEBSTRAP_APT_CONFIG apt-get --quiet --yes --no-install-recommends --download-only \
        -o Dir::Cache::archives="$root/.imgpipe/debs" -o APT::Sandbox::User=root install "$@"
    for deb in "$root"/.imgpipe/debs/*.deb; do dpkg-deb --extract "$deb" "$folder"; done
    rm -r "$root/.imgpipe/debs"
}

fetch "$early" busybox-static
fetch "$root/.imgpipe/i18n" locales

chroot "$root" env I18NPATH=/.imgpipe/i18n/usr/share/i18n localedef -i en_US -f UTF-8 en_US.UTF-8

# The names of Enterprise Linux, so that a kickstart written for it can enable them.
units=$root/usr/lib/systemd/system
for pair in chrony:chronyd ssh:sshd; do
    debian=${pair%:*} el=${pair#*:}
    chroot "$root" systemctl disable "$debian.service"
    mv "$units/$debian.service" "$units/$el.service"
    ln -s "$el.service" "$units/$debian.service"
    sed -i '/^Alias=/d' "$units/$el.service"
    chroot "$root" systemctl enable "$el.service"
done
# As on Enterprise Linux: whoever removes the host keys, a clone for one, gets new ones at the next boot.
sed -i 's|^ConditionFirstBoot=.*|ConditionPathExists=!/etc/ssh/ssh_host_ed25519_key|' "$units/sshd-keygen.service"
chroot "$root" systemctl set-default multi-user.target
chroot "$root" systemctl disable systemd-pstore.service e2scrub_reap.service e2scrub_all.timer xfs_scrub_all.timer \
    apt-daily.timer apt-daily-upgrade.timer
# It fails where there is no vsock device, as in most machines.
mkdir -p "$root/etc/systemd/system-generators"
ln -s /dev/null "$root/etc/systemd/system-generators/systemd-ssh-generator"

sed -i 's/^PRETTY_NAME=.*/PRETTY_NAME="imgpipe stand-in 1 (Debian GNU\/Linux)"/' "$root/usr/lib/os-release"
printf 'imgpipe stand-in 1 (Debian GNU/Linux) \\n \\l\n\n' >"$root/etc/issue"
printf 'imgpipe stand-in 1 (Debian GNU/Linux)\n' >"$root/etc/issue.net"
rm -f "$root/etc/motd" "$root"/etc/ssh/ssh_host_*

# Nothing of the machine this is made on, nor of its mirror, goes into the medium.
rm -rf "$root"/var/lib/apt/lists/* "$root"/var/cache/apt/* "$root"/var/log/* "$root"/tmp/* \
    "$root"/etc/apt/apt.conf.d/99mmdebstrap "$root"/etc/apt/sources.list.d/* "$root"/var/cache/debconf/*-old \
    "$root"/var/lib/dpkg/*-old "$root"/etc/resolv.conf "$root"/usr/share/locale
mkdir -p "$root/var/cache/apt/archives/partial" "$root/var/log/chrony" "$root/var/log/apt"
chroot "$root" chown _chrony:_chrony /var/log/chrony
printf '# imgpipe stand-in: no package source is set.\n' >"$root/etc/apt/sources.list"
echo localhost >"$root/etc/hostname"
: >"$root/etc/machine-id"

# The layer above it: pykickstart and the installer, compiled here because compiling is slow in an emulated guest.
python=$layer/usr/lib/python3/dist-packages
mkdir -p "$python" "$layer/usr/bin" "$layer/usr/share/imgpipe-standin"
cp -r "$kit/pykickstart" "$kit/requests" "$kit/installer" "$python/"
cp "$early/usr/bin/busybox" "$layer/usr/bin/busybox"
install -m 755 "$kit/start" "$layer/usr/share/imgpipe-standin/start"
chroot "$root" dpkg-query --show --showformat '${Package} ${Architecture} ${Version}\n' \
    >"$layer/usr/share/imgpipe-standin/packages"
# The installer creates files as root's with plain modes, one step each; these need more: mode, owner, path.
(cd "$root" && find . -xdev -path ./.imgpipe -prune -o ! -type l \( ! -uid 0 -o ! -gid 0 -o -perm /7000 \) \
    -printf '%m %U:%G %P\n') | grep -v ' \(dev\|proc\|sys\|run\)/' >"$layer/usr/share/imgpipe-standin/special"
(cd "$root" && du --summarize --apparent-size --block-size=1 --exclude=./.imgpipe --exclude=./proc --exclude=./sys \
    --exclude=./dev .) | cut -f1 >"$layer/usr/share/imgpipe-standin/size"
# Python's own caches are bound to the sources' times otherwise, which the installer does not restore.
chroot "$root" python3 -m compileall -q -f --invalidation-mode unchecked-hash /usr/lib/python3 /usr/lib/python3.* || :
chroot "$root" python3 -m compileall -q -s /.imgpipe/layer --invalidation-mode unchecked-hash \
    /.imgpipe/layer/usr/lib/python3

# The initrd: busybox, our /init, and the modules that lead to the medium, unpacked because that is fastest.
mkdir -p "$early/bin" "$early/proc" "$early/sys" "$early/dev" "$early/run" "$early/sysroot" "$early/lib/modules/$version"
cp "$early/usr/bin/busybox" "$early/bin/busybox"
rm -r "$early/usr"
for applet in $INITRD_APPLETS; do ln -s busybox "$early/bin/$applet"; done
install -m 755 "$kit/init" "$early/init"
# shellcheck disable=SC2086
chroot "$root" modprobe --set-version "$version" --show-depends --all $INITRD_MODULES |
    awk '$1 == "insmod" && !seen[$2]++ { print $2 }' >"$early/modules"
while read -r module; do
    cp "$root/$module" "$early/lib/modules/"
    case $module in *.xz) xz --decompress "$early/lib/modules/$(basename "$module")" ;; esac
    basename "${module%.xz}"
done <"$early/modules" >"$early/load"
mv "$early/load" "$early/modules"
rmdir "$early/lib/modules/$version"
(cd "$early" && find . -print0 | LC_ALL=C sort --zero-terminated |
    cpio --null --create --format=newc --quiet --owner=0:0) >"$out/initrd.img"

cp "$root/boot/vmlinuz-$version" "$out/vmlinuz"
cp "$layer/usr/share/imgpipe-standin/packages" "$out/packages"
# The layer and the root below it, for the installer to run in.
# shellcheck disable=SC2086
mksquashfs "$layer" "$out/install.img" -quiet -no-progress -all-root -noappend $PACKING
# shellcheck disable=SC2086
mksquashfs "$root" "$out/rootfs.img" -quiet -no-progress -noappend $PACKING -wildcards \
    -e .imgpipe "boot/*" "dev/*" "proc/*" "sys/*" "run/*" "tmp/*"
# The root once more, for the target: read as one stream it costs an emulated guest a tenth of the time.
tar --create --directory="$root" --numeric-owner --sort=name --exclude=./.imgpipe \
    --exclude='./dev/*' --exclude='./proc/*' --exclude='./sys/*' --exclude='./run/*' --exclude='./tmp/*' . |
    zstd --quiet -T0 -6 -o "$out/rootfs.tar.zst"
