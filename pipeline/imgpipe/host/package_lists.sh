# shellcheck shell=bash
# Which packages this host should have for imgpipe, and which of them it has; sourced by setup.sh.
#
# packages/README.md says what stands in the lists, and distributions whose list a system has.

lists=$(cd "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")" && pwd)/packages

# Prints the family and the release of this host, as distribution.py reads them from the same table.
this_system() {
    (
        # shellcheck disable=SC1091
        . /etc/os-release
        local names=" ${ID:-} ${ID_LIKE:-} ${PLATFORM_ID:-} " release=${VERSION_ID:-} platform=${PLATFORM_ID:-} word family kind needs
        while read -r word family kind needs; do
            case ${names,,} in *" $word "*) ;; *) continue ;; esac
            if [ "$needs" != - ] && ! command -v "$needs" >/dev/null; then break; fi
            platform=${platform##*[!0-9]}
            case $kind in
                major) release=${release%%.*} ;;
                platform) release=${platform:-${release%%.*}} ;;
                [0-9]*) release=$kind ;;
            esac
            echo "$family $release"
            return
        done < <(grep -v '^#' "$lists/../distributions")
        echo "unknown $release"
    )
}

family() {
    local system
    read -r system _ < <(this_system)
    echo "$system"
}

has_kernel() { compgen -G '/boot/vmlinuz-*' >/dev/null; }

# Prints those of these packages that are not installed, by one query.
absent_packages() {
    case $1 in
        debian | ubuntu)
            # shellcheck disable=SC2016
            dpkg-query -W -f '${db:Status-Status} ${Package}\n' "${@:2}" 2>/dev/null | awk -v names="${*:2}" '
                $1 == "installed" { there[$2] }
                END { for (n = split(names, name, " "); n > 0; n--) if (!(name[n] in there)) print name[n] }'
            ;;
        *) LC_ALL=C rpm -q --whatprovides "${@:2}" 2>/dev/null | sed -n 's/^no package provides //p' ;;
    esac || true
}

# Prints each alternative of 'a+b|c' in a line: 'a b', 'c'.
alternatives() { tr '|+' '\n ' <<<"$1"; }

# Prints 'group<TAB>package<TAB>reason' for each package of the groups that this release should have.
wanted_packages() {
    local system=$1 groups=" ${*:2} " group package reason release
    read -r _ release < <(this_system)
    while read -r group package reason; do
        # 'package@9,10' is for these releases alone.
        case $package in *@*) case ,${package#*@}, in *,"$release",*) ;; *) continue ;; esac ;; esac
        case $groups in *" $group "*) printf '%s\t%s\t%s\n' "$group" "${package%@*}" "$reason" ;; esac
    done < <(grep -v '^#' "$lists/$system")
}

# Prints 'group<TAB>package<TAB>reason' for each package of the groups that is not installed.
missing_packages() {
    local system=$1 wanted names missing package
    wanted=$(wanted_packages "$@")
    mapfile -t names < <(cut -f2 <<<"$wanted" | tr '|+' '\n\n')
    missing=$(awk -F '\t' -v absent=" $(absent_packages "$system" "${names[@]}" | paste -sd ' ') " '{
        there = 0
        for (ways = split($2, way, "|"); ways > 0; ways--) {
            whole = 1
            for (n = split(way[ways], name, "+"); n > 0; n--) if (index(absent, " " name[n] " ")) whole = 0
            there = there || whole
        }
        if (!there) print
    }' <<<"$wanted")
    if grep -q '^python' <<<"$missing" && usable_python >/dev/null; then missing=$(grep -v '^python' <<<"$missing" || true); fi
    [ -z "$missing" ] || printf '%s\n' "$missing"
    # The appliance of libguestfs boots the host's own kernel; a container or chroot has none.
    ! has_kernel || return 0
    case $system in
        debian) package=linux-image-cloud-amd64 ;;
        ubuntu) package=linux-image-virtual ;;
        *) package=kernel ;;
    esac
    printf 'run\t%s\tthe kernel of the offline editor; this host has none\n' "$package"
}

# Prints the path of a Python that can run imgpipe and build libvirt-python: with venv, and with its headers.
# Isolated (-I): with -c and -m Python would look for its modules in the current folder first, which may be anybody's.
usable_python() {
    local candidate uv
    uv=$(command -v uv || echo "$HOME/.local/bin/uv")
    for candidate in /usr/bin/python3 /usr/bin/python3.1{4,3,2,1} python3 "$uv"; do
        if [ "$candidate" = "$uv" ]; then
            candidate=$("$uv" python find --no-project '>=3.11' 2>/dev/null) || continue
        fi
        if "$candidate" -I -c 'import ensurepip, os, sys, sysconfig, venv
headers = os.path.join(sysconfig.get_path("include"), "Python.h")
sys.exit(sys.version_info < (3, 11) or not os.path.isfile(headers))' 2>/dev/null; then
            echo "$candidate"
            return
        fi
    done
    return 1
}
