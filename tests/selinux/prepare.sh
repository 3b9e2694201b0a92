# Runs beside mmdebstrap's new root ("$1"), as root, after the packages are installed. Puts the checkout with its
# environment there, labels every file as the policy says, and makes the disk from it in the folder "results".
set -eu
root=$1
kit=$root/.imgpipe/kit
. "$kit/settings"

mv "$kit/checkout" "$root/opt/imgpipe"
mv "$kit/wheels" "$root/opt/wheels"
# The checkout's own set-up, of what was fetched before.
chroot "$root" env HOME=/root PIP_NO_INDEX=1 PIP_FIND_LINKS=/opt/wheels checkout=/opt/imgpipe packages=skip \
    bash -euc '. "$checkout/pipeline/imgpipe/host/setup.sh"; set_up requirements'
rm -r "$root/opt/wheels"
mkdir -p "$root/var/lib/libvirt/isos"
chroot "$root" env PYTHONPATH=/opt/imgpipe/tests:/opt/imgpipe/plugins \
    /opt/imgpipe/.venv/bin/python /opt/imgpipe/tests/selinux/tiny_medium.py /var/lib/libvirt/isos/tiny.iso

# Whoever works on the host is root with a login of his own, and that is unconfined; a service would be another domain.
cat >"$root/etc/systemd/system/ring.service" <<'UNIT'
[Unit]
Description=What imgpipe's tests do on this host
After=auditd.service libvirtd.socket virtlogd.socket multi-user.target
SuccessAction=poweroff-force
FailureAction=poweroff-force

[Service]
Type=oneshot
SELinuxContext=unconfined_u:unconfined_r:unconfined_t:s0-s0:c0.c1023
Environment=HOME=/root PYTHONPATH=/opt/imgpipe/tests PYTHONUNBUFFERED=1
WorkingDirectory=/root
ExecStart=/opt/imgpipe/.venv/bin/python /opt/imgpipe/tests/selinux/inside.py
StandardOutput=journal+console
StandardError=journal+console
TimeoutStartSec=infinity

[Install]
WantedBy=ring.target
UNIT
cat >"$root/etc/systemd/system/ring.target" <<'UNIT'
[Unit]
Description=The tests of imgpipe
Requires=multi-user.target
After=multi-user.target
AllowIsolate=yes
UNIT
chroot "$root" systemctl -q enable ring.service
chroot "$root" systemctl -q mask apt-daily.timer apt-daily-upgrade.timer e2scrub_all.timer fstrim.timer \
    libvirt-guests.service systemd-networkd-wait-online.service
chroot "$root" systemctl -q set-default ring.target
chroot "$root" systemd-machine-id-setup
printf 'SELINUX=enforcing\nSELINUXTYPE=default\n' >"$root/etc/selinux/config"
# Debian's policy is made for few machines. It lets libvirt make none of them a /dev of its own, and QEMU boots no
# initrd by it, whoever asks: Enterprise Linux has both in its policy.
printf 'namespaces = []\n' >>"$root/etc/libvirt/qemu.conf"
echo '(allow svirt_t virt_content_t (file (map)))' >"$root/root/initrd.cil"
chroot "$root" semodule -n -i /root/initrd.cil
echo enforcing-host >"$root/etc/hostname"
rm -rf "$root"/var/cache/apt/* "$root"/var/lib/apt/lists/* "$root/.autorelabel"

cp "$root"/boot/vmlinuz-* "$results/vmlinuz"
cp "$root"/boot/initrd.img-* "$results/initrd"
# Here the root is seen without what is mounted in it.
bare=$results/bare
mkdir "$bare"
mount --bind "$root" "$bare"
trap 'umount "$bare"' EXIT
# The kernel here has no SELinux: without -m setfiles would take no file system for one that can have labels.
chroot "$bare" setfiles -m -F /etc/selinux/default/contexts/files/file_contexts /
truncate -s 12G "$results/disk"
mke2fs -q -F -t ext4 -d "$bare" "$results/disk"
