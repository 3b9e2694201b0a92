# shellcheck shell=bash disable=SC2154
# Sets a checkout or a host up; sourced by ./imgpipe and tests/run, which set `checkout` to its folder.
#
#   set_up LOCK GROUP...   makes sure that the packages of the groups and the environment of LOCK are there
#   set_host_up            installs what is missing to run, and lets this user use libvirt
#   bash setup.sh --yes    does the latter, by itself and without asking; 'imgpipe host setup' runs it so
#   bash setup.sh --start  starts units of systemd; 'imgpipe host setup' says which serve this host
#
# `packages` says what is done about missing packages: 'ask' (the default; without a terminal they are named and not
# installed), 'install' (without a terminal that needs no answer) or 'skip' (they are named). `assume_yes=1` answers.
#
# The stamp .venv/ready-LOCK says that nothing was missing and that the environment is whole, for exactly these inputs.
# Packages can go at any later time, so that they are looked at in each run, by one query.
#
# bash ignores 'set -e' in whatever stands in '||', '&&' or 'if'. So each command that can fail is run by 'step' or
# 'manage_packages', which end the set-up themselves.

# shellcheck source=package_lists.sh
. "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/package_lists.sh"

# Whoever cannot have one of these can do everything else; `purpose` says what does not work then.
optional_groups=(python tpm uefi guestfs osinfo demo windows)
every_group=(run backports "${optional_groups[@]}")

say() { printf 'imgpipe: %s\n' "$*" >&2; }
die() { say "$@"; exit 3; }

as_root() {
    if [ "$(id -u)" = 0 ]; then
        "$@"
    elif command -v sudo >/dev/null; then
        sudo "$@"
    else
        say "needs root for this, and there is no sudo: $*"
        return 126
    fi
}

# Ends the set-up with the command that failed and its exit code.
failed() {
    local code=$1
    shift
    [ "$code" != 130 ] || exit 130
    [ "$1" != as_root ] || shift
    die "'$*' failed with exit code $code; what it said stands above"
}

# Runs a command; what it prints goes to stderr, and its failure ends the set-up. What it starts must not hold our lock.
step() {
    local code=0
    "$@" >&2 </dev/null 9>&- || code=$?
    [ "$code" = 0 ] || failed "$code" "$@"
}

# What package managers say where another one holds a lock of theirs; LC_ALL keeps it in English.
lock_held="Could not get lock|Unable to acquire the dpkg frontend lock|Unable to lock directory|\
locked by another process|[Cc]an't create transaction lock|Failed to obtain .* lock|[Ll]ock is already held|\
removing the lock file is not a solution"
lock_pause=5
lock_pauses=360

# Says whether the output in a file means that another package manager is at work. dnf has an exit code for it.
lock_is_held() {
    local heard=$1 code=$2
    if grep -qE 'Permission denied|are you root|Read-only file system|No space left' "$heard"; then return 1; fi
    grep -qE "$lock_held" "$heard" || [ "$code" = 200 ]
}

# Runs a package manager as root. Another one may be at work, unattended-upgrades for one: it is waited for, half an hour
# at most. apt has an option for that, but it covers neither the lists' lock nor that of the archives.
manage_packages() {
    local code pauses=0 holder told='' heard
    heard=$(mktemp) || die "no temporary file can be made in '${TMPDIR:-/tmp}'"
    while :; do
        code=0
        as_root env LC_ALL=C.UTF-8 DEBIAN_FRONTEND=noninteractive "$@" </dev/null 2>&1 9>&- |
            tee "$heard" | sed -u -E "/$lock_held/d" >&2 || code=${PIPESTATUS[0]}
        if [ "$code" = 0 ] || ! lock_is_held "$heard" "$code"; then break; fi
        holder=$(grep -m 1 -E "$lock_held" "$heard" | sed 's/^[EW]: //') || true
        if [ "$pauses" = "$lock_pauses" ]; then
            rm -f "$heard"
            die "another package manager did not end within half an hour: ${holder:-its lock is held}"
        fi
        if [ "$holder" != "$told" ] || [ "$pauses" = 0 ]; then
            say "waiting for another package manager: ${holder:-its lock is held}"
        fi
        told=$holder
        pauses=$((pauses + 1))
        sleep "$lock_pause"
    done
    rm -f "$heard"
    [ "$code" = 0 ] || failed "$code" "$@"
}

backports_source=/etc/apt/sources.list.d/imgpipe-backports.sources

# Prints apt's sources: address, suite, code name and label of each.
apt_sources() {
    # shellcheck disable=SC2016
    apt-get indextargets --format '$(REPO_URI) $(SUITE) $(CODENAME) $(LABEL)' 'Created-By: Packages' ||
        die "'apt-get indextargets' failed: apt's sources cannot be read"
}

# An installation on Debian 12 adds a source to apt: whoever is asked about it must know.
tell_of_backports() {
    local target
    [ "$1" = debian ] && is_bookworm || return 0
    target=$(apt_sources) || exit
    grep -q ' bookworm-backports ' <<<"$target" ||
        say "installing them adds bookworm-backports to apt's sources ($backports_source)"
}

# Debian 12 alone: adds its backports as a source, on the mirror that this host already uses.
add_backports() {
    local target mirror
    target=$(apt_sources) || exit
    ! grep -q ' bookworm-backports ' <<<"$target" || return 0
    mirror=$(awk '$3 == "bookworm" && $4 == "Debian" { print $1; exit }' <<<"$target")
    [ -n "$mirror" ] || die "cannot tell which Debian mirror this host uses; add bookworm-backports to apt's sources"
    say "adding bookworm-backports to apt's sources ($backports_source)"
    # apt reads names that end in .sources: half a file under that name would break it.
    # shellcheck disable=SC2016
    step as_root bash -c 'set -e
        printf "Types: deb\nURIs: %s\nSuites: bookworm-backports\nComponents: main\nSigned-By: %s\n" \
            "$1" /usr/share/keyrings/debian-archive-keyring.gpg >"$2.partial"
        mv "$2.partial" "$2"' bash "$mirror" "$backports_source"
}

# Says whether missing packages may be installed now; asks where there is somebody to ask.
may_install() {
    [ "${packages:-ask}" != skip ] || return 1
    [ "${assume_yes:-}" != 1 ] || return 0
    if [ -t 0 ] && [ -t 2 ]; then
        local answer=n
        read -r -p "imgpipe: install them now? [Y/n] " answer || answer=n
        case $answer in [nN]*) die "nothing was changed" ;; *) return 0 ;; esac
    fi
    [ "${packages:-ask}" = install ]
}

apt_install() { manage_packages apt-get install -q -y --no-install-recommends "$@"; }

is_bookworm() {
    # shellcheck disable=SC1091
    (. /etc/os-release && [ "${VERSION_CODENAME:-}" = bookworm ])
}

# Reads the lists of apt's repositories; Debian 12 gets its backports as one more.
prepare_apt() {
    manage_packages apt-get update -q
    [ "$1" = debian ] && is_bookworm || return 0
    add_backports
    manage_packages apt-get update -q
}

install_debian_packages() {
    local newer=() rest=() package
    if ! is_bookworm; then
        apt_install "$@"
        return
    fi
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

# NetworkManager comes for tests that start one of their own. The system's must take over no NIC of this host, so that
# it is masked once we have installed it; 'systemctl unmask NetworkManager' makes it an ordinary one. Debian starts it
# while it installs it: for that time alone it is masked until the next boot. The marker outlives a kill.
hold_network_manager() {
    case " $* " in *" network-manager "* | *" NetworkManager "*) ;; *) return 0 ;; esac
    [ ! -L /etc/systemd/system/NetworkManager.service ] && [ ! -e /etc/systemd/system/NetworkManager.service ] || return 0
    command -v systemctl >/dev/null || return 0
    : >"$checkout/.setup.network-manager" || die "cannot write in '$checkout'"
    trap 'settle_network_manager "$(family)"' EXIT
    trap 'exit 130' INT
    trap 'exit 143' TERM HUP
    step as_root systemctl -q mask --runtime NetworkManager.service
}

# Half-installed counts: its unit is there.
has_network_manager() {
    local states='installed|unpacked|half-installed|half-configured|triggers-awaited|triggers-pending'
    case $1 in
        el | openeuler) [ -z "$(absent_packages "$1" NetworkManager)" ] ;;
        *) dpkg-query -W -f '${db:Status-Status}\n' network-manager 2>/dev/null | grep -qxE "$states" ;;
    esac
}

# Ends what hold_network_manager began: masks what was installed, and leaves nothing behind where nothing was.
settle_network_manager() {
    local code=0
    [ -e "${checkout:-}/.setup.network-manager" ] || return 0
    if has_network_manager "$1"; then
        say "masking NetworkManager.service: only tests use it on this host"
        as_root systemctl -q mask NetworkManager.service >&2 9>&- || code=$?
    fi
    as_root systemctl -q unmask --runtime NetworkManager.service >&2 9>&- || code=$?
    [ "$code" = 0 ] || die "'systemctl mask NetworkManager.service' failed with exit code $code"
    rm -f "$checkout/.setup.network-manager"
    trap - EXIT INT TERM HUP
}

# Prints the repository with headers out of lines 'id status'. 'crb' is Rocky's, AlmaLinux's and CentOS's, and before 9
# 'powertools', written large too; others put a word before it: 'alinux3-powertools', 'rhui-codeready-builder-...'.
# A host that stays on a minor release of RHEL has that release's repositories, and the headers must be of the same kind:
# those of the newest release want its libraries, which such a host does not get.
headers_repository() {
    local listed kept found special='[-_](eus|aus|e4s|tus)[-_]'
    listed=$(cat)
    found=$(grep -iE '^((.*[-_])?(crb|powertools)|.*codeready[-_]builder.*) ' <<<"$listed" | cut -d ' ' -f 1 |
        grep -viE 'debug|source|src|beta') || return 0
    kept=$(grep -i ' enabled$' <<<"$listed" | grep -ioE -- "$special" | head -n 1) || true
    if [ -n "$kept" ]; then grep -iF -m 1 -- "$kept" <<<"$found" && return 0; fi
    grep -viE -m 1 -- "$special" <<<"$found" || true
}

# dnf ends with an error where it is given a repository or a package that it does not know, and installs nothing then.
# So the repositories are looked up: the one with headers, which has another name on each system, and EPEL.
find_repositories() {
    local listed builder
    if [ -n "${repositories:-}" ]; then return; fi
    # Older ones say how many packages there are: 'enabled: 6,001'.
    listed=$(as_root env LC_ALL=C.UTF-8 dnf -q repolist --all </dev/null |
        awk '{ print $1, / enabled(: *[0-9,]+)? *$/ ? "enabled" : "disabled" }') ||
        die "'dnf repolist --all' failed: its repositories cannot be read"
    builder=$(headers_repository <<<"$listed")
    listed=$(cut -d ' ' -f 1 <<<"$listed")
    repositories=(-y --setopt=exit_on_lock=True '--setopt=*.skip_if_unavailable=1' ${builder:+"--enablerepo=$builder"})
    has_epel=$(grep -cix epel <<<"$listed") || true
}

# Prints the names to install for a package of the lists: the first alternative that the repositories have.
choose() {
    local name names found
    while read -ra names; do
        found=1
        for name in "${names[@]}"; do
            case $1 in
                debian | ubuntu) apt-cache show "$name" >/dev/null 2>&1 || found='' ;;
                *)
                    as_root dnf -q "${repositories[@]}" repoquery --whatprovides "$name" </dev/null 2>/dev/null |
                        grep -q . || found=''
                    ;;
            esac
        done
        if [ -n "$found" ]; then break; fi
    done < <(alternatives "$2")
    # Without any, the last one is named, and the package manager says that it has none.
    printf '%s\n' "${names[@]:-}"
}

# Installs packages of the lists; its failure ends the set-up.
install_names() {
    local system=$1 package names=()
    case $system in el | openeuler) find_repositories ;; esac
    for package in "${@:2}"; do
        case $package in
            *[\|+]*) mapfile -t -O ${#names[@]} names < <(choose "$system" "$package") ;;
            *) names+=("$package") ;;
        esac
    done
    case $system in
        debian) install_debian_packages "${names[@]}" ;;
        ubuntu) apt_install "${names[@]}" ;;
        *) manage_packages dnf "${repositories[@]}" install "${names[@]}" ;;
    esac
}

install_packages() {
    settle_network_manager "$1"
    hold_network_manager "${@:2}"
    install_names "$@"
    settle_network_manager "$1"
}

# What a group is for that not every system can have; empty for the others.
purpose() {
    case $1 in
        tpm) echo "machines with a TPM, as Windows wants one, do not start" ;;
        uefi) echo "machines with UEFI firmware do not start" ;;
        guestfs) echo "disks cannot be edited offline, which builds and imports need," ;;
        osinfo) echo "'imgpipe os list --all' does not work" ;;
        demo) echo "'build demo' does not work" ;;
        windows) echo "the disks of Windows cannot be opened offline" ;;
    esac
}

# Adds EPEL, of which the demo and the tests need packages, to a system of EL's kind that has not got it.
add_epel() {
    find_repositories
    [ "$has_epel" = 0 ] || return 0
    (manage_packages dnf "${repositories[@]}" install epel-release) || return
    repositories=()
}

# Installs a group that not every system can have. In a subshell its failure ends nothing else; Ctrl-C does.
try_to_install() {
    local group=$1 system=$2 code=0
    if [ "$group" = demo ] && [ "$system" = el ]; then add_epel || code=$?; fi
    [ "$code" = 130 ] || { (install_packages "${@:2}") && return 0 || code=$?; }
    case $code in 130 | 143) exit "$code" ;; esac
    # Whether there is a Python that serves is seen when one is needed.
    [ "$group" = python ] || say "the set-up goes on without these packages: $(purpose "$group") on this host"
}

# Prints the packages of one group out of what missing_packages printed.
of_group() { awk -F '\t' -v group="$1" '$1 == group { print $2 }' <<<"$2"; }

# Prints those of all groups that no host may lack.
not_optional() {
    awk -F '\t' -v optional=" ${optional_groups[*]} " '!index(optional, " " $1 " ") { print $2 }' <<<"$1"
}

install_missing_packages() {
    local system=$1 missing=$2 group names
    case $system in debian | ubuntu) prepare_apt "$system" ;; esac
    case $system-$missing in el-*busybox*) add_epel || true ;; esac
    mapfile -t names < <(not_optional "$missing")
    [ ${#names[@]} = 0 ] || install_packages "$system" "${names[@]}"
    for group in "${optional_groups[@]}"; do
        mapfile -t names < <(of_group "$group" "$missing")
        [ ${#names[@]} = 0 ] || try_to_install "$group" "$system" "${names[@]}"
    done
}

# Installs what is missing of the groups where that is allowed; says nothing where nothing is. Sets `lacking` to the
# names of what is missing afterwards, `lacks_python` to those of a Python that were not tried, and `borne` to those that
# this host cannot have, and ends the set-up where an installation left something else out.
install_missing() {
    local system missing group
    lacking='' borne='' lacks_python=''
    system=$(family)
    if [ ! -f "$lists/$system" ]; then
        say "does not know the packages of this system; see '$lists' for what is needed"
        return
    fi
    missing=$(missing_packages "$system" "$@")
    [ -n "$missing" ] || return 0
    say "these packages are missing on this host:"
    cut -f2- <<<"$missing" | sed 's/^/  /' | expand -t 36 >&2
    tell_of_backports "$system"
    if ! may_install; then
        lacking=$(cut -f2 <<<"$missing" | paste -sd ' ')
        lacks_python=$(of_group python "$missing")
        say "nothing was installed; './imgpipe setup --yes' or the same command with --yes installs them"
        return 0
    fi
    install_missing_packages "$system" "$missing"
    missing=$(missing_packages "$system" "$@")
    for group in "${optional_groups[@]}"; do
        [ "$group" = python ] || borne+=$(of_group "$group" "$missing" | sed 's/$/ /' | tr -d '\n')
    done
    missing=$(not_optional "$missing" | paste -sd ' ')
    [ -z "$missing" ] || die "the package manager ended well, but these packages are still missing: $missing"
}

# Starts units of systemd, now and at each boot; without systemd imgpipe starts the daemons when it needs them.
start_units() {
    [ -d /run/systemd/system ] || return 0
    local unit
    for unit; do
        # A daemon that runs without its socket refuses to have it started.
        if ! systemctl -q is-active "$unit" && ! systemctl -q is-active "${unit%.socket}.service"; then
            say "starting '$unit', now and at each boot"
            step as_root systemctl -q enable --now "$unit"
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
            step as_root usermod -aG "$group" "$user"
        fi
    done
}

set_host_up() {
    install_missing "${every_group[@]}"
    find_python >/dev/null
    [ -z "$lacking" ] || die "the host is not set up without these packages: $lacking"
    join_groups
}

find_python() {
    ! usable_python || return 0
    # Nothing was tried yet: only a release whose own packages do not help needs another way.
    [ -z "${lacks_python:-}" ] || die "needs Python 3.11 or newer with venv and its headers, which are among the" \
        "packages above; './imgpipe setup' installs them"
    die "needs Python 3.11 or newer with venv and its headers, and this release has none in its" \
        "repositories. With uv there is one: install uv, run 'uv python install 3.12', then this command again"
}

make_environment() {
    local lock=$1 inputs=$2 python venv="$checkout/.venv"
    [ "$(cat "$venv/environment-$lock" 2>/dev/null)" != "$inputs" ] || return 0
    python=$(find_python)
    say "making the Python environment .venv from $lock.lock (a minute, once)"
    # One that was killed while it was made has a Python but no pip, and one that was moved has a pip that starts none.
    "$venv/bin/pip" --version >/dev/null 2>&1 || step "$python" -I -m venv --clear "$venv"
    local pip=("$venv/bin/python" -I -m pip --disable-pip-version-check install -q)
    # The build tools come first and are pinned as well, so that nothing is fetched that the locks do not name.
    step "${pip[@]}" --require-hashes -r "$checkout/requirements-build.lock"
    step "${pip[@]}" --require-hashes --no-build-isolation -r "$checkout/$lock.lock"
    step "${pip[@]}" --no-deps --no-build-isolation -e "$checkout"
    stamp "$venv/environment-$lock" "$inputs"
    [ "$lock" != requirements ] || tell_of_path
}

# Messages and pages say 'imgpipe'. Said once, when the environment is made; a link to the launcher is found from anywhere.
tell_of_path() {
    local root=sudo
    ! command -v imgpipe >/dev/null || return 0
    [ "$(id -u)" != 0 ] || root=''
    say "where a message says 'imgpipe', type $(printf %q "$checkout/imgpipe"); for the short word, once:" \
        "${root:+$root }ln -s $(printf %q "$checkout/imgpipe") /usr/local/bin/"
}

stamp() {
    # shellcheck disable=SC2016
    step bash -c 'printf %s "$2" >"$1.partial" && mv "$1.partial" "$1"' bash "$1" "$2"
}

# The stamp's first line are the inputs; behind them stands what this host cannot have, which is not asked for again.
is_stamped() {
    local stamped=''
    [ -x "$checkout/.venv/bin/imgpipe" ] || return 1
    { read -r stamped <"$checkout/.venv/ready-$1"; } 2>/dev/null || true
    [ "$stamped" = "$2" ]
}

# Says whether the stamp is there and no package has gone since.
is_ready() {
    local lock=$1 inputs=$2 system missing
    is_stamped "$lock" "$inputs" || return 1
    system=$(family)
    [ -f "$lists/$system" ] || return 0
    missing=$(missing_packages "$system" "${@:3}" | awk -F '\t' '$1 != "python" { print $2 }' |
        grep -vxF -f <(tail -n +2 "$checkout/.venv/ready-$lock")) || true
    [ -z "$missing" ]
}

set_up() {
    local lock=$1 groups=("${every_group[@]}" "${@:2}") inputs
    inputs=$(cd "$checkout" && { pwd && cat "$lock.lock" requirements-build.lock pyproject.toml \
        pipeline/imgpipe/host/packages/* pipeline/imgpipe/host/distributions; } | sha256sum)
    ! is_ready "$lock" "$inputs" "${groups[@]}" || return 0
    { : >>"$checkout/.setup.lock"; } 2>/dev/null || die "cannot write in '$checkout': .venv is made there"
    exec 9>>"$checkout/.setup.lock"
    if ! flock -n 9; then
        say "waiting for another set-up of this checkout"
        flock 9
    fi
    if ! is_ready "$lock" "$inputs" "${groups[@]}"; then
        # Who removed a package from a host that had them all is told, and is not asked in each run.
        if [ "${packages:-ask}" = ask ] && is_stamped "$lock" "$inputs"; then packages=skip; fi
        install_missing "${groups[@]}"
        make_environment "$lock" "$inputs"
        [ -n "$lacking" ] || stamp "$checkout/.venv/ready-$lock" "$(printf '%s\n' "$inputs" $borne)"
    fi
    exec 9>&-
}

if [ "${BASH_SOURCE[0]}" = "$0" ]; then
    set -euo pipefail
    packages=ask
    case ${1:-} in --yes | -y) assume_yes=1 ;; esac
    case ${1:-} in --start) start_units "${@:2}" ;; *) set_host_up ;; esac
fi
