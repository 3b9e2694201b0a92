# shellcheck shell=bash disable=SC2154
# Sets a checkout or a host up; sourced by ./imgpipe and tests/run, which set `checkout` to its folder.
#
#   set_up LOCK GROUP...   makes sure that the packages of the groups and the environment of LOCK are there
#   set_host_up            installs what is missing to run, starts libvirt's services, lets this user use them
#   bash setup.sh --yes    does the latter, by itself and without asking; 'imgpipe host setup' runs it so
#
# The stamp .venv/ready-LOCK says that both are, for exactly these inputs; with it this costs a few milliseconds.

lists=$(cd "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")" && pwd)/packages

say() { printf 'imgpipe: %s\n' "$*" >&2; }
die() { say "$@"; exit 3; }

as_root() { if [ "$(id -u)" = 0 ]; then "$@"; else sudo "$@"; fi; }

# As host/distribution.py decides.
family() {
    # shellcheck disable=SC1091
    (. /etc/os-release && case " ${ID,,} ${ID_LIKE:-} " in
        *" ubuntu "*) echo ubuntu ;;
        *" debian "*) echo debian ;;
        *" openeuler "*) echo openeuler ;;
        *" rhel "* | *" fedora "* | *" centos "*) echo el ;;
        *) echo "${ID:-unknown}" ;;
    esac)
}

has_package() {
    case $1 in
        debian | ubuntu) dpkg-query -W -f '${db:Status-Status}\n' "$2" 2>/dev/null | grep -qx installed ;;
        el | openeuler) rpm -q --quiet --whatprovides "$2" ;;
    esac
}

# Prints 'package<TAB>reason' for each package of the groups that is not installed.
missing_packages() {
    local system=$1 groups=" ${*:2} " group package reason release
    # shellcheck disable=SC1091
    release=$(. /etc/os-release && echo "${VERSION_ID:-}")
    while read -r group package reason; do
        # 'package@22.04' is for that release alone.
        case $package in *@*) [ "${package#*@}" = "$release" ] || continue ;; esac
        package=${package%@*}
        case $groups in *" $group "*) has_package "$system" "$package" || printf '%s\t%s\n' "$package" "$reason" ;; esac
    done < <(grep -v '^#' "$lists/$system")
    # The appliance of libguestfs boots the host's own kernel; a container or chroot has none.
    compgen -G '/boot/vmlinuz-*' >/dev/null && return
    case $system in
        debian) package=linux-image-cloud-amd64 ;;
        ubuntu) package=linux-image-virtual ;;
        *) package=kernel ;;
    esac
    printf '%s\tthe kernel of the offline editor; this host has none\n' "$package"
}

# Debian 12 alone: adds its backports as a source, on the mirror that this host already uses.
add_backports() {
    local target
    target=$(apt-get indextargets --format '$(REPO_URI) $(SUITE) $(CODENAME) $(LABEL)' 'Created-By: Packages')
    grep -q ' bookworm-backports ' <<<"$target" && return
    local mirror
    mirror=$(awk '$3 == "bookworm" && $4 == "Debian" { print $1; exit }' <<<"$target")
    [ -n "$mirror" ] || die "cannot tell which Debian mirror this host uses; add bookworm-backports to apt's sources"
    say "adding bookworm-backports to apt's sources (/etc/apt/sources.list.d/imgpipe-backports.sources)"
    printf 'Types: deb\nURIs: %s\nSuites: bookworm-backports\nComponents: main\nSigned-By: %s\n' \
        "$mirror" /usr/share/keyrings/debian-archive-keyring.gpg |
        as_root tee /etc/apt/sources.list.d/imgpipe-backports.sources >/dev/null
}

confirm() {
    [ "${assume_yes:-}" = 1 ] || [ ! -t 0 ] || [ ! -t 2 ] && return
    local answer
    read -r -p "imgpipe: install them now? [Y/n] " answer
    case $answer in [nN]*) die "nothing was changed" ;; esac
}

apt_install() { as_root env DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends "$@" >&2; }

install_debian_packages() {
    local newer=() rest=() package
    as_root apt-get update -q >&2
    # shellcheck disable=SC1091
    if [ "$(. /etc/os-release && echo "${VERSION_CODENAME:-}")" != bookworm ]; then
        apt_install "$@"
        return
    fi
    add_backports
    as_root apt-get update -q >&2
    for package in "$@"; do
        if grep -qE "^backports +$package " "$lists/debian"; then
            newer+=("$package")
        else
            rest+=("$package")
        fi
    done
    # The release's own first: apt can lift what they share to the backport, but not lower it again.
    [ ${#rest[@]} = 0 ] || apt_install "${rest[@]}"
    [ ${#newer[@]} = 0 ] || apt_install -t bookworm-backports "${newer[@]}"
}

# NetworkManager comes for tests that start one of their own. The system's is masked, so that it takes over no NIC of
# this host; 'systemctl unmask NetworkManager' makes it an ordinary one.
mask_network_manager() {
    local unit=/etc/systemd/system/NetworkManager.service
    case " $* " in
        *" network-manager "*)
            [ -e "$unit" ] || [ -L "$unit" ] && return
            say "masking NetworkManager.service: only tests use it on this host"
            as_root mkdir -p /etc/systemd/system
            as_root ln -s /dev/null "$unit"
            ;;
    esac
}

install_packages() {
    local system=$1 packages=("${@:2}")
    case $system in
        debian)
            mask_network_manager "${packages[@]}"
            install_debian_packages "${packages[@]}"
            ;;
        ubuntu)
            mask_network_manager "${packages[@]}"
            as_root apt-get update -q >&2
            apt_install "${packages[@]}"
            ;;
        openeuler) as_root dnf -y install "${packages[@]}" >&2 ;;
        el)
            as_root dnf -y install epel-release >&2 || say "EPEL could not be enabled; the demo needs it"
            as_root dnf -y --enablerepo=crb install "${packages[@]}" >&2
            ;;
    esac
}

# Asks, and installs what is missing of the groups; says nothing where nothing is.
install_missing() {
    local system missing
    system=$(family)
    if [ ! -f "$lists/$system" ]; then
        say "does not know the packages of '$system'; see $lists for what is needed"
        return
    fi
    missing=$(missing_packages "$system" "$@")
    [ -n "$missing" ] || return 0
    say "these packages are missing on this host:"
    printf '%s\n' "$missing" | sed 's/^/  /' | expand -t 36 >&2
    confirm
    # shellcheck disable=SC2046
    install_packages "$system" $(cut -f1 <<<"$missing") || die "the packages could not be installed"
}

# Starts what serves libvirt's sockets, now and at each boot; without systemd imgpipe starts it when it needs it.
start_services() {
    [ -d /run/systemd/system ] || return 0
    local unit units=(libvirtd virtlogd)
    if systemctl -q cat virtqemud.socket >/dev/null 2>&1 && ! systemctl -q is-enabled libvirtd.socket libvirtd.service; then
        units=(virtqemud virtnetworkd virtstoraged virtlogd)
    fi
    for unit in "${units[@]}"; do
        if ! systemctl -q is-active "$unit.socket"; then
            say "starting '$unit.socket', now and at each boot"
            as_root systemctl -q enable --now "$unit.socket"
        fi
    done
}

# Whoever runs imgpipe as root by sudo is meant, not root.
join_groups() {
    local user=${SUDO_USER:-$(id -un)} group
    [ "$user" != root ] || return 0
    for group in libvirt kvm; do
        if getent group "$group" >/dev/null && ! id -nG "$user" | tr ' ' '\n' | grep -qx "$group"; then
            say "adding '$user' to the group '$group'; it counts from the next login on"
            as_root usermod -aG "$group" "$user"
        fi
    done
}

set_host_up() {
    install_missing run backports
    start_services
    join_groups
}

find_python() {
    local candidate
    for candidate in /usr/bin/python3 /usr/bin/python3.13 /usr/bin/python3.12 /usr/bin/python3.11 python3; do
        if "$candidate" -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
            echo "$candidate"
            return
        fi
    done
    die "needs Python 3.11 or newer with venv; install one and run this again"
}

make_environment() {
    local lock=$1 python
    python=$(find_python)
    say "making the Python environment .venv from $lock.lock (a minute, once)"
    [ -x "$checkout/.venv/bin/python" ] || "$python" -m venv --clear "$checkout/.venv"
    local pip=("$checkout/.venv/bin/python" -m pip --disable-pip-version-check install -q)
    # The build tools come first and are pinned as well, so that nothing is fetched that the locks do not name.
    "${pip[@]}" --require-hashes -r "$checkout/requirements-build.lock" >&2
    "${pip[@]}" --require-hashes --no-build-isolation -r "$checkout/$lock.lock" >&2
    "${pip[@]}" --no-deps --no-build-isolation -e "$checkout" >&2
}

set_up() {
    local lock=$1 groups=("${@:2}") stamp inputs
    inputs=$(cd "$checkout" && cat "$lock.lock" requirements-build.lock pyproject.toml pipeline/imgpipe/host/packages/* |
        sha256sum)
    stamp="$checkout/.venv/ready-$lock"
    [ -x "$checkout/.venv/bin/imgpipe" ] && [ "$(cat "$stamp" 2>/dev/null)" = "$inputs" ] && return
    exec 9>"$checkout/.setup.lock"
    flock 9
    install_missing run backports "${groups[@]}"
    make_environment "$lock"
    printf '%s' "$inputs" >"$stamp"
    exec 9>&-
}

if [ "${BASH_SOURCE[0]}" = "$0" ]; then
    set -euo pipefail
    case ${1:-} in --yes | -y) assume_yes=1 ;; esac
    set_host_up
fi
