#!/bin/sh
# Run by debian-installer three times: before its first question (early), before it touches the disk (disk), and
# after all else, while the new system is still mounted on /target (no argument).
# Words of the recipe are quoted: nothing here is a command but what this file says.
set -eu

case ${1:-last} in
early)
    cp "$0" /usr/lib/finish-install.d/94zimgpipe
    chmod 755 /usr/lib/finish-install.d/94zimgpipe
    # By init: a child of this script would keep the installer waiting for its end.
    echo '::respawn:/usr/bin/tail -n +1 -f /var/log/syslog >/dev/ttyS0' >>/etc/inittab
    exit
    ;;
disk)
    # Packages the installer wants for the hardware it saw, and hooks that bring more (laptop-detect,
    # installation-report, popularity-contest). udev comes with the base system.
    sed -i -e '/^eject/d' -e '/^pciutils/d' -e '/^usbutils/d' -e '/^udev/d' /var/lib/apt-install/queue || :
    rm -f /usr/lib/pre-pkgsel.d/10laptop-detect /usr/lib/pre-pkgsel.d/50save-logs /usr/lib/pre-pkgsel.d/90popcon
    # The installer tells dpkg not to sync, but only after the base system; a disk half installed is thrown away.
    hook=/lib/partman/finish.d/99imgpipe
    echo '#!/bin/sh' >$hook
    echo 'mkdir -p /target/etc/dpkg/dpkg.cfg.d' >>$hook
    echo 'echo force-unsafe-io >/target/etc/dpkg/dpkg.cfg.d/force-unsafe-io' >>$hook
    chmod 755 $hook
    exit
    ;;
esac

target=/target
step=start

report() {
    echo "$1" >/dev/ttyS0
    logger -t imgpipe "$1"
}

ended() {
    [ "$1" = 0 ] || report "IMGPIPE-INSTALL-FAIL step '$step' ended with $1"
}
trap 'ended $?' EXIT

in_target() {
    log-output -t imgpipe chroot "$target" "$@"
}

# Each word is a line.
write() {
    file=$target$1 mode=$2
    shift 2
    mkdir -p "${file%/*}"
    printf '%s\n' "$@" >"$file"
    chmod "$mode" "$file"
}

authorize() {
    home=$(chroot "$target" getent passwd "$1" | cut -d: -f6) owner=$1
    shift
    write "$home/.ssh/authorized_keys" 600 "$@"
    chmod 700 "$target$home/.ssh"
    in_target chown -R "$owner:" "$home/.ssh"
}

step=packages
for package in openssh-server curl chrony lsof; do
    step="package $package"
    [ "$(chroot "$target" dpkg-query --show --showformat '${db:Status-Status}' "$package")" = installed ]
done

step=network
cat >"$target/etc/network/interfaces" <<'IMGPIPE'
# See interfaces(5).

auto lo
iface lo inet loopback

allow-hotplug eth0
iface eth0 inet dhcp

allow-hotplug eth1
iface eth1 inet dhcp
IMGPIPE
# What the installer itself was told is of no use to a clone.
printf '%s' '' >"$target/etc/resolv.conf"

step=/etc/ssh/sshd_config.d/00-imgpipe.conf
write /etc/ssh/sshd_config.d/00-imgpipe.conf 600 'UseDNS no' 'GSSAPIAuthentication no'
step=/etc/sysctl.d/90-imgpipe.conf
write /etc/sysctl.d/90-imgpipe.conf 644 'net.ipv4.ip_forward = 0' 'net.ipv4.tcp_syncookies = 1' 'net.ipv4.tcp_tw_reuse = 1' 'net.core.somaxconn = 65535' 'fs.file-max = 2097152' 'vm.swappiness = 10'
step=/etc/security/limits.d/90-imgpipe.conf
write /etc/security/limits.d/90-imgpipe.conf 644 '* - nofile 1048576' 'root - nofile 1048576' '* - nproc 65535' 'root - nproc 65535'
step=services
in_target systemctl enable serial-getty@ttyS0.service
in_target systemctl enable chrony

step=proof
write /var/lib/imgpipe/installed 644 debian13
sync
report 'IMGPIPE-INSTALL-OK debian13'
