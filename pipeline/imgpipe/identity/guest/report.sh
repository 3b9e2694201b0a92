#!/bin/sh
# Tells the host what this machine is, on a virtio-serial port, for as long as a host listens there. A write to the
# port waits while none does, so this costs nothing then. $1 is a root folder and $2 the number of reports, for tests.
set -u
root=${1:-}
export PATH="$root/usr/sbin:$root/usr/bin:$root/sbin:$root/bin" LC_ALL=C
state=$root/var/lib/imgpipe

find_port() {
  for name in "$root"/sys/class/virtio-ports/*/name; do
    [ "$(cat "$name" 2> /dev/null)" = org.imgpipe.report.0 ] || continue
    port=${name%/name}
    port=$root/dev/${port##*/}
    [ -e "$port" ] && return 0
  done
  return 1
}

# What is left needs no escaping in JSON.
words() { tr -cd 'A-Za-z0-9 ._:/@+=,;()-' | cut -c 1-200; }
lines() { tr -cd 'A-Za-z0-9 ._:/@+=,;()\n-' | cut -c 1-200 | head -n "$1"; }

# Lines of stdin as a JSON array of strings.
array() {
  separator=''
  printf '['
  while IFS= read -r line; do
    [ -n "$line" ] || continue
    printf '%s"%s"' "$separator" "$line"
    separator=,
  done
  printf ']'
}

host_keys() {
  for key in "$root"/etc/ssh/ssh_host_*_key.pub; do
    [ ! -e "$key" ] || ssh-keygen -l -f "$key" 2> /dev/null | sed -n 's/^[0-9]* \(SHA256:[A-Za-z0-9+/]*\) .*/\1/p'
  done
}

nics() {
  between=''
  for folder in "$root"/sys/class/net/*; do
    [ -e "$folder/device" ] || continue
    mac=$(words < "$folder/address")
    [ "${#mac}" = 17 ] || continue
    printf '%s{"name":"%s","mac":"%s","addresses":' "$between" "$(printf %s "${folder##*/}" | words)" "$mac"
    ip -oneline address show dev "${folder##*/}" scope global 2> /dev/null |
      sed -n 's/.* inet6\{0,1\} \([0-9a-f.:]*\/[0-9]*\) .*/\1/p' | lines 20 | array
    printf '}'
    between=,
  done
}

gateways() { ip -oneline -4 route show default 2> /dev/null | sed -n 's/^default via \([0-9.]*\) .*/\1/p'; }
failed() { systemctl list-units --state=failed --no-legend --plain 2> /dev/null | sed 's/ .*//'; }
problems() { [ ! -e "$state/problems" ] || cat "$state/problems"; }
machine_id() { grep -x '[0-9a-f]\{32\}' "$root/etc/machine-id" 2> /dev/null; }
identity() { grep -x '[0-9a-f]\{16\}' "$state/identity" 2> /dev/null; }

report() {
  printf '{"version":1,"hostname":"%s",' "$(uname -n | words)"
  printf '"machine_id":"%s","identity":"%s",' "$(machine_id | head -n 1)" "$(identity | head -n 1)"
  printf '"host_keys":%s,' "$(host_keys | lines 20 | array)"
  printf '"nics":[%s],' "$(nics)"
  printf '"gateways":%s,' "$(gateways | lines 20 | array)"
  printf '"state":"%s",' "$(timeout 10 systemctl is-system-running 2> /dev/null | words)"
  printf '"failed":%s,' "$(failed | lines 20 | array)"
  printf '"problems":%s}' "$(problems | lines 20 | array)"
}

tries=0
until find_port; do
  tries=$((tries + 1))
  # A machine whose definition has no such port will not get one.
  [ $tries -lt 30 ] || exit 0
  sleep 1
done
exec 3> "$port" || exit 1
left=${2:-0}
while :; do
  # Waits for a host, so that what comes next is not from long ago.
  printf '\n' >&3 || exit 1
  told=$(report)
  printf '%s\n' "$told" >&3 || exit 1
  left=$((left - 1))
  [ $left -ne 0 ] || exit 0
  sleep 3
done
