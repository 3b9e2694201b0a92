#!/bin/sh
set -eu
umask 022
export DEBIAN_FRONTEND=noninteractive LC_ALL=C.UTF-8

# put MODE PATH LINE...: write a file of these lines.
put() {
    mode=$1 path=$2
    shift 2
    mkdir -p "$(dirname "$path")"
    printf '%s\n' "$@" >"$path"
    chmod "$mode" "$path"
}

# grant USER KEY...: let the keys log in as the user.
grant() {
    user=$1 home=$(getent passwd "$1" | cut -d: -f6) group=$(id -g "$1")
    shift
    install -d -m 0700 -o "$user" -g "$group" "$home/.ssh"
    put 0600 "$home/.ssh/authorized_keys" "$@"
    chown "$user:$group" "$home/.ssh/authorized_keys"
}

locale-gen en_US.UTF-8
update-locale LANG=en_US.UTF-8
test -f /usr/share/zoneinfo/Asia/Shanghai
ln -sfn /usr/share/zoneinfo/Asia/Shanghai /etc/localtime
put 0644 /etc/timezone Asia/Shanghai
rm -f /etc/netplan/*.yaml
put 0600 /etc/netplan/50-cloud-init.yaml '{' '  "network": {' '    "version": 2,' '    "ethernets": {' '      "eth0": {' '        "dhcp4": true,' '        "optional": true' '      },' '      "eth1": {' '        "dhcp4": true,' '        "optional": true' '      }' '    }' '  }' '}'
printf '%s\n' 'root:$6$rounds=100000$j8A050i6YDI5Mz4J$tI2gkIv029rjzPWZpRgegRlpp3O.keLS8O/bKQeq2eQdMPvrUYQB8Jac5uiEU.BddGf9VExahhMUrq3M69888.' | chpasswd --encrypted
put 0644 /etc/ssh/sshd_config.d/00-imgpipe.conf 'UseDNS no' 'GSSAPIAuthentication no' 'PermitRootLogin yes'
mkdir -p /run/sshd
/usr/sbin/sshd -t
put 0644 /etc/systemd/system/imgpipe-ssh-host-keys.service '[Unit]' 'Description=Make SSH host keys where there are none' 'ConditionPathExistsGlob=!/etc/ssh/ssh_host_*_key' After=cloud-init.service Before=ssh.service '[Service]' Type=oneshot 'ExecStart=/usr/bin/ssh-keygen -A' '[Install]' WantedBy=multi-user.target
systemctl enable imgpipe-ssh-host-keys.service
put 0644 /etc/sysctl.d/90-imgpipe.conf 'net.ipv4.ip_forward = 0' 'net.ipv4.tcp_syncookies = 1' 'net.ipv4.tcp_tw_reuse = 1' 'net.core.somaxconn = 65535' 'fs.file-max = 2097152' 'vm.swappiness = 10'
put 0644 /etc/security/limits.d/90-imgpipe.conf '* - nofile 1048576' 'root - nofile 1048576' '* - nproc 65535' 'root - nproc 65535'
put 0644 /etc/systemd/system.conf.d/90-imgpipe.conf '[Manager]' DefaultLimitNOFILE=1048576 DefaultLimitNPROC=65535
systemctl enable serial-getty@ttyS0.service
rm -f /etc/apt/apt.conf.d/90curtin-aptproxy
put 0644 /etc/default/grub.d/90-imgpipe.cfg 'GRUB_CMDLINE_LINUX='"'"'console=tty0 console=ttyS0,115200n8 net.ifnames=0 biosdevname=0'"'"'' GRUB_CMDLINE_LINUX_DEFAULT= GRUB_TIMEOUT_STYLE=menu GRUB_TIMEOUT=1 GRUB_RECORDFAIL_TIMEOUT=1 GRUB_DISABLE_OS_PROBER=true 'GRUB_TERMINAL="console serial"' 'GRUB_SERIAL_COMMAND="serial --speed=115200 --unit=0"'
update-grub
