#!/bin/sh
# Gives this machine the identity that its definition carries in SMBIOS OEM strings, and lets its disk's growth reach
# the root file system. Without such strings, and without an identity of before, its NICs ask by DHCP. Runs at every
# boot; what was applied is not applied again. Needs a POSIX shell, coreutils, sed, grep, gzip; $1 is a root folder, for
# tests.
set -u
root=${1:-}
export PATH="$root/usr/sbin:$root/usr/bin:$root/sbin:$root/bin" LC_ALL=C
umask 077
state=$root/var/lib/imgpipe
run=$root/run/imgpipe

problem() {
  printf '%s\n' "$1" >> "$state/problems"
  printf 'imgpipe: %s\n' "$1" >&2
}

give_up() {
  problem "$1"
  exit 1
}

decode() { [ "$1" = - ] || printf %s "$1" | base64 -d; }

# --- reading ----------------------------------------------------------------------------------------------------

oem_strings() {
  table=$root/sys/firmware/dmi/tables/DMI
  [ -r "$table" ] || return 0
  tr '\000' '\n' < "$table" |
    sed -n 's|.*imgpipe:1:\([0-9]*\):\([0-9]*\):\([0-9a-f]*\):\([A-Za-z0-9+/=]*\)$|\1 \2 \3 \4|p' | sort -n
}

unpack() {
  count=0
  : > "$run/packed"
  while read -r index of mark piece; do
    count=$((count + 1)) total=$of check=$mark
    [ "$index" = $count ] || give_up "the OEM strings are not complete: number $count is missing"
    printf %s "$piece" >> "$run/packed"
  done <<END
$strings
END
  [ "$total" = $count ] || give_up "there are $count of $total OEM strings"
  [ "$(sha256sum < "$run/packed" | cut -c 1-16)" = "$check" ] || give_up "the OEM strings are damaged"
  base64 -d < "$run/packed" | gzip -dc > "$run/document" || give_up "the OEM strings cannot be unpacked"
  read -r verb version digest < "$run/document"
  [ "$verb $version" = "imgpipe 1" ] || give_up "the OEM strings are of a version that this image does not know"
}

find_seed() {
  tries=0
  while [ $tries -lt 60 ]; do
    for device in "$root"/dev/sr[0-9]*; do
      [ -e "$device" ] || continue
      [ "$(blkid -p -o value -s LABEL "$device" 2> /dev/null)" != "$1" ] || return 0
    done
    tries=$((tries + 1))
    sleep 0.5
  done
  return 1
}

read_seed() {
  label=$(decode "$1")
  find_seed "$label" || { problem "there is no CD '$label', which has the machine's secrets"; return 1; }
  mkdir -p "$run/seed"
  mount -t iso9660 -o ro,nosuid,nodev,noexec "$device" "$run/seed" ||
    { problem "the CD '$label' cannot be mounted"; return 1; }
  cat "$run/seed/identity" > "$run/secrets"
  umount "$run/seed"
  [ "$(sha256sum < "$run/secrets" | cut -d ' ' -f 1)" = "$2" ] && return 0
  problem "the CD '$label' is not of this machine's definition"
  return 1
}

# --- files ------------------------------------------------------------------------------------------------------

relabel_later() { printf '%s\n' "$1" >> "$run/labels"; }

make_parents() {
  [ ! -d "$1" ] || return 0
  make_parents "$(dirname "$1")" && mkdir -m 0755 "$1" && relabel_later "$1"
}

# Takes the text from stdin; the file is there whole or not at all.
put() { # path mode owner
  target=$root$1
  [ ! -d "$target" ] || { problem "'$1' is a folder"; return 1; }
  make_parents "$(dirname "$target")"
  if cat > "$target.imgpipe-new" && chown "$3" "$target.imgpipe-new" && chmod "$2" "$target.imgpipe-new" &&
    mv -f "$target.imgpipe-new" "$target"; then
    relabel_later "$target"
    return 0
  fi
  rm -f "$target.imgpipe-new"
  problem "'$1' could not be written"
  return 1
}

relabel() {
  if [ -s "$run/labels" ] && command -v restorecon > /dev/null; then
    restorecon -R -f "$run/labels" || problem "SELinux labels could not be set"
  fi
}

# --- host name --------------------------------------------------------------------------------------------------

set_hostname() {
  printf '%s\n' "$1" | put /etc/hostname 0644 root:root
  printf '%s\n' "$1" > "$root/proc/sys/kernel/hostname" || problem "the kernel did not take the host name"
  # Debian and what comes from it find their own name there.
  [ -e "$root/etc/debian_version" ] || return 0
  names=$1
  [ "${1%%.*}" = "$1" ] || names="$1 ${1%%.*}"
  {
    [ ! -e "$root/etc/hosts" ] || grep -v '^127\.0\.1\.1[[:blank:]]' "$root/etc/hosts"
    printf '127.0.1.1\t%s\n' "$names"
  } | put /etc/hosts 0644 root:root
}

# --- network ----------------------------------------------------------------------------------------------------

remove_profiles() {
  tool=$1
  case $tool in
    keyfile|ifcfg)
      rm -f "$root"/etc/NetworkManager/system-connections/*
      for file in "$root"/etc/sysconfig/network-scripts/ifcfg-* "$root"/etc/sysconfig/network-scripts/route*-* \
        "$root"/etc/sysconfig/network-scripts/rule*-* "$root"/etc/sysconfig/network-scripts/keys-*; do
        case $file in */ifcfg-lo) ;; *) rm -f "$file" ;; esac
      done
      ;;
    ifupdown) rm -f "$root"/etc/network/interfaces.d/* ;;
    netplan) rm -f "$root"/etc/netplan/*.yaml ;;
    *) problem "the network tool '$tool' is not known" ;;
  esac
}

find_nic() {
  for file in "$root"/sys/class/net/*/address; do
    folder=${file%/address}
    # Bridges and VLANs have the address of a NIC too.
    if [ -e "$folder/device" ] && [ "$(cat "$file")" = "$1" ]; then
      nic=${folder##*/}
      return 0
    fi
  done
  return 1
}

wait_for_nic() {
  # Before udev is done, a NIC may still be renamed.
  command -v udevadm > /dev/null && udevadm settle --timeout=20
  tries=0
  until find_nic "$1"; do
    tries=$((tries + 1))
    [ $tries -lt 20 ] || return 1
    sleep 0.5
  done
}

write_network_file() { # mode mac path text
  path=$(decode "$3")
  # Of resolvconf or systemd-resolved, which are told of the servers by the network tool.
  [ "$path" != /etc/resolv.conf ] || [ ! -L "$root$path" ] || return 0
  if [ "$2" = - ]; then
    decode "$4" | put "$path" "$1" root:root
  elif wait_for_nic "$2"; then
    decode "$4" | sed "s/@NIC@/$nic/g" | put "$path" "$1" root:root
  else
    problem "there is no NIC $2"
  fi
}

start_netplan() {
  netplan generate || problem "netplan did not accept its configuration"
  # Its generator ran before, maybe without anything to start systemd-networkd for.
  systemctl daemon-reload
}

# --- a machine that nobody gave an identity -----------------------------------------------------------------------

network_tool() {
  if [ -d "$root/etc/netplan" ] && command -v netplan > /dev/null; then
    echo netplan
  elif command -v NetworkManager > /dev/null; then
    echo keyfile
  elif [ -e "$root/etc/network/interfaces" ] && command -v ifup > /dev/null; then
    echo ifupdown
  fi
}

# Without a type it is no NIC of the kernel's; 1 is Ethernet (ARPHRD_ETHER).
is_ethernet() { [ -e "$1/device" ] && [ "$(cat "$1/type" 2> /dev/null)" = 1 ]; }

# A name that stands anywhere counts, so that parts of bonds and bridges are left alone.
is_configured() { # tool nic
  case $1 in
    netplan) grep -qw -e match -e "$2" "$root"/etc/netplan/*.yaml ;;
    keyfile)
      grep -qwF -e "$2" "$root"/etc/NetworkManager/system-connections/* \
        "$root"/etc/sysconfig/network-scripts/ifcfg-* "$root/etc/network/interfaces"
      ;;
    ifupdown) grep -qwF -e "$2" "$root/etc/network/interfaces" "$root"/etc/network/interfaces.d/* ;;
  esac 2> /dev/null
}

# NetworkManager makes such profiles itself, but not where 'no-auto-default' or a profile for any NIC keeps it from it.
dhcp_keyfile() {
  printf '[connection]\nid=%s\ntype=ethernet\ninterface-name=%s\nautoconnect-priority=-1\n\n' "$1" "$1"
  printf '[ipv4]\nmethod=auto\n\n[ipv6]\nmethod=auto\n'
}

ask_by_dhcp() { # tool nics
  tool=$1
  shift
  case $tool in
    netplan)
      {
        printf 'network:\n  version: 2\n  ethernets:\n'
        printf '    %s: {dhcp4: true, optional: true}\n' "$@"
      } | put /etc/netplan/60-imgpipe-dhcp.yaml 0600 root:root
      ;;
    keyfile)
      for nic in "$@"; do
        dhcp_keyfile "$nic" | put "/etc/NetworkManager/system-connections/imgpipe-$nic.nmconnection" 0600 root:root
      done
      ;;
    ifupdown)
      {
        cat "$root/etc/network/interfaces"
        for nic in "$@"; do printf '\nauto %s\niface %s inet dhcp\n' "$nic" "$nic"; done
      } | put /etc/network/interfaces 0644 root:root
      ;;
  esac
}

# Whoever starts an image by hand may give it more NICs than its template had, or others. Once: what is changed
# afterwards is its owner's.
connect_all_nics() {
  [ ! -e "$state/identity" ] && [ ! -e "$state/without-identity" ] || return 0
  # Before udev is done, a NIC may still be renamed.
  ! command -v udevadm > /dev/null || udevadm settle --timeout=20
  tool=$(network_tool)
  set --
  for folder in "$root"/sys/class/net/*; do
    nic=${folder##*/}
    ! is_ethernet "$folder" || is_configured "$tool" "$nic" || set -- "$@" "$nic"
  done
  if [ -n "$tool" ] && [ $# -gt 0 ]; then
    ask_by_dhcp "$tool" "$@"
    relabel
    [ "$tool" != netplan ] || start_netplan
  fi
  : > "$state/without-identity"
}

# --- accounts ---------------------------------------------------------------------------------------------------

account() { # sets ids, home
  entry=$(sed -n "s/^$1:[^:]*:\([0-9]*:[0-9]*\):[^:]*:\([^:]*\):.*/\1 \2/p" "$root/etc/passwd")
  ids=${entry%% *} home=${entry#* }
  [ -n "$entry" ] && return 0
  problem "there is no user '$1'"
  return 1
}

add_user() { # name comment groups
  if ! grep -q "^$1:" "$root/etc/passwd"; then
    set -- "$1" "$2" "$3" useradd --create-home --shell /bin/bash --comment "$2"
    ! grep -q "^$1:" "$root/etc/group" || set -- "$@" --gid "$1"
    name=$1 groups=$3
    shift 3
    "$@" "$name" || { problem "the user '$name' could not be made"; return 1; }
  else
    name=$1 groups=$3
  fi
  for group in $groups; do
    if grep -q "^$group:" "$root/etc/group"; then
      usermod --append --groups "$group" "$name" || problem "'$name' could not be put into the group '$group'"
    else
      problem "the user '$name' is not in the group '$group', which is not there"
    fi
  done
}

# Keys that an earlier identity brought go, those of the template stay.
set_keys() { # name keys
  account "$1" || return 1
  folder=$root$home/.ssh file=$home/.ssh/authorized_keys ours=$state/keys/$1
  decode "$2" > "$run/keys"
  [ -s "$run/keys" ] || [ -s "$ours" ] || return 0
  if [ -L "$folder" ] || [ -L "$root$file" ]; then
    problem "the keys of '$1' are in a symbolic link"
    return 1
  fi
  if [ ! -d "$folder" ]; then
    make_parents "$root$home"
    mkdir -m 0700 "$folder" && chown "$ids" "$folder" && relabel_later "$folder"
  fi
  mkdir -p "$state/keys"
  cat "$ours" "$run/keys" > "$run/known" 2> /dev/null
  {
    [ ! -e "$root$file" ] || grep -vxF -f "$run/known" "$root$file"
    cat "$run/keys"
  } | put "$file" 0600 "$ids" && cat "$run/keys" > "$ours"
}

# In no command's arguments, which everybody can see.
set_password() { # name hash
  account "$1" || return 1
  printf '%s:%s\n' "$1" "$2" | chpasswd -e || problem "the password of '$1' could not be set"
}

apply() {
  while read -r verb a b c d <&3; do
    case $verb in
      imgpipe|seed) ;;
      hostname) set_hostname "$(decode "$a")" ;;
      network) remove_profiles "$a" ;;
      netfile) write_network_file "$a" "$b" "$c" "$d" ;;
      user) add_user "$(decode "$a")" "$(decode "$b")" "$(decode "$c")" ;;
      keys) set_keys "$(decode "$a")" "$b" ;;
      password) set_password "$(decode "$a")" "$(decode "$b")" ;;
      file) decode "$d" | put "$(decode "$c")" "$a" "$(decode "$b")" ;;
      *) problem "this image does not know how to do '$verb'" ;;
    esac
  done 3< "$1"
}

# --- growth -----------------------------------------------------------------------------------------------------

# Sectors of 512 bytes behind a partition that is the last of its disk, as sysfs counts them. It gives an extended
# partition 2 sectors; a logical one ends with that, not with the disk.
room_behind() {
  place=$(readlink -f "$root/sys/class/block/$1")
  start=$(cat "$place/start")
  for other in "${place%/*}"/*/start; do
    if [ "$(cat "$other")" -gt "$start" ] || [ "$(cat "${other%/*}/size")" -le 2 ]; then
      echo 0
      return
    fi
  done
  echo $(($(cat "${place%/*}/size") - start - $(cat "$place/size")))
}

grow_partition() {
  place=$(readlink -f "$root/sys/class/block/$1")
  disk=${place%/*} number=$(cat "$place/partition") before=$(cat "$place/size")
  # The disk is in use, so the kernel is told of this one partition only.
  printf ', +\n' | sfdisk --force --no-reread --no-tell-kernel --wipe never -N "$number" "/dev/${disk##*/}" >&2 &&
    partx --update --nr "$number" "/dev/${disk##*/}" >&2
  [ "$(cat "$place/size")" -gt "$before" ] || problem "the partition '$1' could not be grown"
}

grow_volume() { # device, then its physical volumes
  volume=$1
  shift
  for part in "$@"; do
    pvresize "/dev/$part" >&2 || problem "the physical volume '$part' could not be grown"
  done
  told=$(lvextend --extents +100%FREE "$volume" 2>&1) && return 0
  case $told in
    *'matches existing'*) ;;
    *) problem "the logical volume of / could not be grown" ;;
  esac
}

grow() {
  command -v findmnt > /dev/null || return 0
  source=$(findmnt --noheadings --output SOURCE --target /) type=$(findmnt --noheadings --output FSTYPE --target /)
  source=${source%%\[*}
  case $type in xfs|ext[234]|btrfs) ;; *) return 0 ;; esac
  name=$(readlink -f "$root$source")
  name=${name##*/} volume=''
  block=$root/sys/class/block/$name
  if [ -e "$block/partition" ]; then
    parts=$name
  else
    case $(cat "$block/dm/uuid" 2> /dev/null) in LVM-*) ;; *) return 0 ;; esac
    volume=$source parts=''
    for part in "$block"/slaves/*; do
      [ ! -e "$part/partition" ] || parts="$parts ${part##*/}"
    done
  fi
  for part in $parts; do
    # Less is alignment, and the copy of the partition table.
    [ "$(room_behind "$part")" -gt 16384 ] || continue
    # If this boot does not come to its end, the next one goes on.
    : > "$state/growing"
    grow_partition "$part"
  done
  [ -e "$state/growing" ] || return 0
  # shellcheck disable=SC2086  # names of the kernel's
  [ -z "$volume" ] || grow_volume "$volume" $parts
  case $type in
    xfs) xfs_growfs / >&2 ;;
    btrfs) btrfs filesystem resize max / >&2 ;;
    *) resize2fs "$source" >&2 ;;
  esac || problem "the file system of / could not be grown"
  rm -f "$state/growing"
}

# --- all of it --------------------------------------------------------------------------------------------------

strings=$(oem_strings)
# cloud-init, where it found what to do, sets up the network and grows the disk itself.
[ -n "$strings" ] || [ ! -e "$root/run/cloud-init/enabled" ] || exit 0
mkdir -p "$state" "$run"
trap 'rm -rf "$run"' EXIT
: > "$run/labels"
rm -f "$state/problems"
if [ -z "$strings" ]; then
  connect_all_nics
  grow
  exit 0
fi
unpack
code=0
if [ "$(cat "$state/identity" 2> /dev/null)" != "$digest" ]; then
  tool='' complete=yes
  seed=$(sed -n 's/^seed //p' "$run/document")
  # shellcheck disable=SC2086  # two fields
  [ -z "$seed" ] || read_seed $seed || complete=''
  apply "$run/document"
  [ -z "$seed" ] || [ -z "$complete" ] || apply "$run/secrets"
  relabel
  [ "$tool" != netplan ] || start_netplan
  sync
  if [ -n "$complete" ]; then
    printf '%s\n' "$digest" > "$run/identity" && mv -f "$run/identity" "$state/identity"
    printf 'imgpipe: this machine is %s (identity %s)\n' "$(cat "$root/etc/hostname")" "$digest" > "$root/dev/console"
  else
    code=1
  fi
fi
grow
exit $code
