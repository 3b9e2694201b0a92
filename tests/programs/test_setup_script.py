"""setup.sh with package managers that are played: failing, waiting for a lock, half-failing. The host is not touched.

The script runs in a mount namespace of its own, in which /etc/os-release, /etc/systemd, /etc/apt and /run are others,
and finds programs of this test before those of the host. What they were asked is in a log.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from imgpipe.settings import checkout
from os_releases import OS_RELEASES

HOST = checkout() / "pipeline" / "imgpipe" / "host"

pytestmark = [
    pytest.mark.programs,
    pytest.mark.skipif(
        os.geteuid() != 0 or bool(subprocess.run(["unshare", "--mount", "true"], check=False).returncode),
        reason="namespaces cannot be made here",
    ),
]

RELEASES = {
    "debian12": ("debian 12", ""),
    "debian13": ("debian 13", ""),
    "ubuntu22": ("ubuntu 22.04", ""),
    "ubuntu24": ("ubuntu 24.04", ""),
    "el8": ("rocky 8", "baseos appstream extras powertools"),
    "el9": ("rocky 9", "baseos appstream extras crb crb-debuginfo crb-source epel"),
    "el10": ("rocky 10", "baseos appstream extras crb"),
    "rhel9": ("rhel 9", "rhel-9-for-x86_64-baseos-rpms codeready-builder-for-rhel-9-x86_64-debug-rpms"
        " codeready-builder-for-rhel-9-x86_64-source-rpms codeready-builder-for-rhel-9-x86_64-rpms"),
    "rhel10": ("rhel 10", "rhel-10-for-x86_64-baseos-rpms"),
    "rhel8": ("rhel 8", "codeready-builder-for-rhel-8-rhui-debug-rpms codeready-builder-for-rhel-8-rhui-rpms"
        " codeready-builder-for-rhel-8-rhui-source-rpms rhel-8-baseos-rhui-rpms* rhel-8-appstream-rhui-rpms*"),
    "rhel9eus": ("rhel 9", "codeready-builder-for-rhel-9-x86_64-rhui-rpms"
        " codeready-builder-for-rhel-9-x86_64-eus-rhui-rpms codeready-builder-for-rhel-9-x86_64-eus-rhui-source-rpms"
        " rhel-9-for-x86_64-baseos-eus-rhui-rpms*"),
    "rhel9both": ("rhel 9", "codeready-builder-for-rhel-9-x86_64-eus-rpms codeready-builder-for-rhel-9-x86_64-rpms"
        " rhel-9-for-x86_64-baseos-eus-rpms rhel-9-for-x86_64-baseos-rpms*"),
    "alibaba3": ("alibaba 3", "alinux3-module* alinux3-os* alinux3-plus* alinux3-powertools* alinux3-updates* epel*"),
    "uosa": ("uos 20", "UniontechOS-AppStream UniontechOS-BaseOS"),
    "anolis8": ("anolis 8", "BaseOS AppStream Extras PowerTools"),
    "opencloudos8": ("opencloudos 8", "BaseOS AppStream Extras"),
    "openeuler22": ("openeuler 22.03", "OS everything EPOL update"),
    "openeuler24": ("openeuler 24.03", "OS everything EPOL update"),
    "kylin": ("kylin v10", "ks10-adv-os ks10-adv-updates"),
    "uose": ("uos 20 e", "UniontechOS-20-everything"),
    "anolis23": ("anolis 23", "os updates"),
    "opencloudos9": ("opencloudos 9", "BaseOS AppStream extras"),
}  # fmt: skip
"""The system of tests/os_releases.py that is played, and the ids of its repositories; '*' behind one means enabled."""
APT = ("debian12", "debian13", "ubuntu22")
DNF = ("el9", "openeuler24")
ONE_OF_EACH = ("debian12", "debian13", "ubuntu22", *DNF)
# No page of EPEL shows these two.
LACKED = ("mmdebstrap", "debian-keyring")

# What is installed is a file of names. A package that stands in 'refused' is not installed, though all seems well.
_INSTALL = """
for word; do case $word in
    -* | install | bookworm-backports) ;;
    *) grep -qxF -- "$word" $HERE/refused 2>/dev/null || echo "$word" >>$HERE/installed ;;
esac; done
"""
_APT = f"""
echo "$(basename $0) $*" >>$HERE/log
case "$*" in
    *indextargets*) echo "http://mirror.test/debian stable bookworm Debian"; exit 0 ;;
esac
[ -e $HERE/first ] && . $HERE/first
case " $* " in *" install "*)
    {_INSTALL}
    [ ! -e $HERE/last ] || . $HERE/last ;;
esac
exit 0
"""
# dnf knows its repositories and what is in them; one unknown name of either is an error, and nothing is installed then.
_DNF = f"""
case " $* " in
    *" repolist "*)
        printf 'repo id    repo name    status\\n'
        set -f
        for id in $(cat $HERE/repositories); do
            case $id in *\\*) status=enabled ;; *) status=disabled ;; esac
            printf '%s    %s of the test    %s\\n' "${{id%\\*}}" "${{id%\\*}}" $status
        done
        exit ;;
    *" repoquery "*)
        for word; do :; done
        grep -qxF -- "$word" $HERE/lacked || echo "$word-0:1-1.x86_64"
        exit 0 ;;
esac
echo "dnf $*" >>$HERE/log
[ -e $HERE/first ] && . $HERE/first
for word; do case $word in
    --enablerepo=*)
        if ! tr ' *' '\\n\\n' <$HERE/repositories | grep -qxF "${{word#*=}}"; then
            echo "Error: Unknown repo: '${{word#*=}}'" >&2; exit 1
        fi ;;
    -*) ;;
    *)
        if grep -qxF -- "$word" $HERE/lacked; then
            echo "Error: Unable to find a match: $word" >&2; exit 1
        fi ;;
esac; done
case " $* " in *" install "*)
    {_INSTALL}
    [ ! -e $HERE/last ] || . $HERE/last ;;
esac
exit 0
"""
PROGRAMS = {
    "apt-get": _APT,
    "dnf": _DNF,
    "dpkg-query": """
case $3 in *Package*) shape='installed %s\\n' ;; *) shape='installed%.0s\\n' ;; esac
shift 3
for name; do grep -qxF "$name" $HERE/installed && { printf "$shape" $name; found=1; }; done
[ "${found:-}" ]
""",
    "rpm": """
for name; do
    case $name in -*) ;; *) grep -qxF "$name" $HERE/installed || { echo "no package provides $name"; code=1; } ;; esac
done
exit ${code:-0}
""",
    "systemctl": """
echo "systemctl $*" >>$HERE/log
[ ! -e $HERE/systemctl ] || . $HERE/systemctl
""",
    "sleep": 'echo "sleep $*" >>$HERE/log; [ ! -e $HERE/slept ] || . $HERE/slept',
}
# In place of the real Python: makes an environment that has the programs which are asked for.
PYTHON = """
case "$*" in
    *ensurepip*) [ ! -e $HERE/python ] || . $HERE/python ;;
    *"-m venv"*)
        for folder; do :; done
        mkdir -p "$folder/bin"; cp "$0" "$folder/bin/python"
        printf '#!/bin/sh\\nexit 0\\n' >"$folder/bin/pip"; cp "$folder/bin/pip" "$folder/bin/imgpipe"
        chmod +x "$folder"/bin/* ;;
    *"-m pip"*) echo "pip $*" >>$HERE/log; [ ! -e $HERE/pip ] || . $HERE/pip ;;
esac
exit 0
"""


class Site:
    """A checkout and a host of which only the decisions are real."""

    def __init__(self, folder: Path, release: str) -> None:
        self.folder = folder
        self.release = release
        self.checkout = folder / "checkout"
        host = self.checkout / "pipeline" / "imgpipe" / "host"
        shutil.copytree(HOST / "packages", host / "packages")
        for name in ("setup.sh", "package_lists.sh", "distributions"):
            shutil.copy(HOST / name, host)
        for name in ("requirements.lock", "requirements-build.lock", "pyproject.toml"):
            (self.checkout / name).write_text(name)
        (folder / "programs").mkdir()
        (folder / "etc").mkdir()
        system, repositories = RELEASES[release]
        (folder / "etc" / "os-release").write_text(OS_RELEASES[system].text)
        (folder / "repositories").write_text(repositories)
        (folder / "lacked").write_text("".join(f"{name}\n" for name in LACKED))
        for name, body in {**PROGRAMS, "python3": PYTHON}.items():
            (folder / "programs" / name).write_text(f"#!/bin/bash\n{body}\n")
            (folder / "programs" / name).chmod(0o755)
        (folder / "installed").touch()

    def write(self, name: str, text: str) -> None:
        """Make a part of the fakes do something else."""
        (self.folder / name).write_text(text)

    def set_up(self, groups: str = "", before: str = "packages=install") -> subprocess.CompletedProcess[str]:
        """Run set_up of the script, with no terminal."""
        setup = self.checkout / "pipeline" / "imgpipe" / "host" / "setup.sh"
        here = self.folder
        script = f"""
            mount --bind {here}/etc/os-release "$(readlink -f /etc/os-release)"
            mkdir -p {here}/apt {here}/systemd {here}/run/systemd/system
            mkdir -p {here}/apt/sources.list.d
            for pair in apt:/etc/apt systemd:/etc/systemd run:/run; do
                [ ! -d "${{pair#*:}}" ] || mount --bind "{here}/${{pair%%:*}}" "${{pair#*:}}"
            done
            mount --bind {here}/programs/python3 "$(readlink -f /usr/bin/python3)"
            checkout={self.checkout}
            {before}
            . {setup}
            set_up requirements {groups}
        """
        # Not the environment of these tests, which has an imgpipe to type.
        found = (folder for folder in os.environ["PATH"].split(os.pathsep) if not Path(folder, "imgpipe").exists())
        path = os.pathsep.join((f"{here}/programs", *found))
        env = {**os.environ, "PATH": path, "HERE": str(here), "TMPDIR": str(here)}
        return subprocess.run(
            ["unshare", "--mount", "bash", "-euo", "pipefail", "-c", script],
            env=env, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL,
        )  # fmt: skip

    @property
    def asked(self) -> list[str]:
        """What the fakes were asked, in order."""
        log = self.folder / "log"
        return log.read_text().splitlines() if log.exists() else []

    def ready(self) -> bool:
        """Say whether the stamp is there."""
        return (self.checkout / ".venv" / "ready-requirements").exists()


@pytest.fixture
def site(tmp_path: Path, request: pytest.FixtureRequest) -> Site:
    return Site(tmp_path, request.param)


def on(*releases: str):
    return pytest.mark.parametrize("site", releases, indirect=True)


@on(*RELEASES)
def test_what_is_missing_is_installed_and_stamped_and_then_nothing_is_done(site: Site):
    done = site.set_up()
    assert done.returncode == 0, done.stderr
    assert site.ready()
    assert (site.folder / "installed").read_text()
    before = site.asked
    assert site.set_up().returncode == 0
    assert site.asked == before


@on(*ONE_OF_EACH)
def test_a_package_that_goes_later_is_installed_again(site: Site):
    assert site.set_up().returncode == 0
    left = (site.folder / "installed").read_text().splitlines()
    left.remove("cpio")
    site.write("installed", "\n".join(left) + "\n")
    assert site.set_up().returncode == 0
    assert "cpio" in (site.folder / "installed").read_text().splitlines()


@on(*ONE_OF_EACH)
def test_a_failing_package_manager_ends_the_set_up_with_the_command_and_its_exit_code(site: Site):
    site.write("first", 'case " $* " in *" install "*) echo "E: no such package" >&2; exit 37 ;; esac')
    done = site.set_up()
    assert done.returncode == 3
    assert "E: no such package" in done.stderr
    assert "failed with exit code 37" in done.stderr
    assert not site.ready()
    assert not [line for line in site.asked if line.startswith("pip")]


@on(*APT)
def test_a_failing_update_ends_the_set_up(site: Site):
    site.write("first", 'case "$*" in *update*) echo "E: no network" >&2; exit 100 ;; esac')
    done = site.set_up()
    assert done.returncode == 3
    assert "'apt-get update -q' failed with exit code 100" in done.stderr
    assert not site.ready()
    assert not [line for line in site.asked if " install " in line]


@on("debian12")
def test_failing_backports_end_the_set_up_after_the_releases_own_packages(site: Site):
    site.write("first", 'case "$*" in *"-t bookworm-backports"*) exit 100 ;; esac')
    done = site.set_up()
    assert done.returncode == 3
    assert "-t bookworm-backports" in done.stderr
    assert "failed with exit code 100" in done.stderr
    assert not site.ready()
    site.write("first", "")
    assert site.set_up().returncode == 0
    assert site.ready()


@on(*ONE_OF_EACH)
def test_a_package_that_is_not_there_after_a_good_end_is_named(site: Site):
    site.write("refused", "xorriso\ncpio\n")
    done = site.set_up()
    assert done.returncode == 3
    assert "the package manager ended well, but these packages are still missing:" in done.stderr
    assert "cpio" in done.stderr.splitlines()[-1]
    assert not site.ready()


@on(*ONE_OF_EACH)
def test_a_failure_after_some_packages_is_no_success(site: Site):
    site.write("last", "exit 100")
    done = site.set_up()
    assert done.returncode == 3
    assert not site.ready()


BUILDERS = {
    "el8": "powertools", "el9": "crb", "el10": "crb", "rhel9": "codeready-builder-for-rhel-9-x86_64-rpms",
    "rhel10": "", "anolis8": "PowerTools", "opencloudos8": "", "openeuler24": "", "kylin": "",
    "rhel8": "codeready-builder-for-rhel-8-rhui-rpms", "alibaba3": "alinux3-powertools", "uosa": "",
    "rhel9eus": "codeready-builder-for-rhel-9-x86_64-eus-rhui-rpms",
    "rhel9both": "codeready-builder-for-rhel-9-x86_64-rpms",
}  # fmt: skip


@pytest.mark.parametrize(("site", "builder"), BUILDERS.items(), indirect=["site"], ids=BUILDERS)
def test_only_a_repository_that_there_is_is_enabled_and_that_of_the_headers_by_its_name(site: Site, builder: str):
    done = site.set_up()
    assert done.returncode == 0, done.stderr
    installs = [line for line in site.asked if line.startswith("dnf") and " install " in line]
    assert installs
    for line in installs:
        enabled = [word.partition("=")[2] for word in line.split() if word.startswith("--enablerepo")]
        assert enabled == ([builder] if builder else [])
    assert "libvirt-devel" in (site.folder / "installed").read_text().splitlines()


@on("el8", "el9", "el10", "rhel10", "anolis8", "opencloudos8")
def test_what_the_demo_alone_needs_ends_nothing_else_and_is_not_asked_for_again(site: Site):
    done = site.set_up()
    assert done.returncode == 0, done.stderr
    assert "Unable to find a match: mmdebstrap" in done.stderr
    assert "the set-up goes on without these packages: 'build demo' does not work on this host" in done.stderr
    installed = (site.folder / "installed").read_text().splitlines()
    assert {"qemu-kvm", "libvirt-devel", "libguestfs-winsupport"} <= set(installed)
    assert not {"xorriso", *LACKED} & set(installed)
    assert site.ready()
    before = len(site.asked)
    assert site.set_up().stderr == ""
    assert len(site.asked) == before
    # The rest is still looked at.
    site.write("installed", "\n".join(name for name in installed if name != "qemu-img") + "\n")
    assert site.set_up().returncode == 0
    assert "qemu-img" in (site.folder / "installed").read_text().splitlines()


@on("el9", "openeuler24", "debian13")
def test_windows_group_that_cannot_be_had_is_told_and_borne(site: Site):
    site.write("first", 'case " $* " in *ntfs* | *winsupport*) echo "E: not there" >&2; exit 1 ;; esac')
    done = site.set_up()
    assert done.returncode == 0, done.stderr
    assert "the disks of Windows cannot be opened offline on this host" in done.stderr
    assert site.ready()


# What no list or log shows for these releases; the purpose that is told, and what must come all the same.
LACKING = {
    "tpm": ("swtpm swtpm-tools", "machines with a TPM, as Windows wants one, do not start"),
    "uefi": ("edk2-ovmf", "machines with UEFI firmware do not start"),
    "guestfs": ("python3-libguestfs libguestfs-xfs libguestfs", "disks cannot be edited offline"),
    "osinfo": ("libosinfo osinfo-db", "'imgpipe os list --all' does not work"),
}


@pytest.mark.parametrize("group", LACKING)
@on("kylin", "uose", "uosa", "anolis8", "anolis23", "opencloudos9")
def test_what_a_release_does_not_have_is_told_and_the_rest_comes(site: Site, group: str):
    names, told = LACKING[group]
    site.write("lacked", "\n".join((*LACKED, *names.split())) + "\n")
    done = site.set_up()
    assert done.returncode == 0, done.stderr
    assert f"the set-up goes on without these packages: {told}" in done.stderr
    installed = set((site.folder / "installed").read_text().splitlines())
    assert {"qemu-img", "libvirt-devel", "libvirt-client", "cpio"} <= installed
    others = {name for other, (theirs, _) in LACKING.items() if other != group for name in theirs.split()[:1]}
    assert others <= installed
    assert not set(names.split()) & installed
    assert site.ready()
    before = len(site.asked)
    assert site.set_up().stderr == ""
    assert len(site.asked) == before


@on("el9", "el10")
def test_where_a_release_is_known_to_have_a_package_its_absence_ends_the_set_up(site: Site):
    site.write("lacked", "swtpm\n")
    done = site.set_up()
    assert done.returncode == 3
    assert "Unable to find a match: swtpm" in done.stderr
    assert not site.ready()


@on("el10")
def test_epel_comes_before_the_tests_packages_that_are_in_it(site: Site):
    site.write("repositories", "baseos appstream crb")
    site.write("last", 'case "$*" in *epel-release*) echo "baseos appstream crb epel" >$HERE/repositories ;; esac')
    done = site.set_up("test")
    assert done.returncode == 0, done.stderr
    installs = [line for line in site.asked if line.startswith("dnf") and " install " in line]
    first = next(number for number, line in enumerate(installs) if "epel-release" in line)
    assert all("busybox" not in line for line in installs[: first + 1])
    assert any("busybox" in line for line in installs[first:])


@on("el9")
def test_an_interrupted_optional_group_ends_the_set_up(site: Site):
    site.write("first", 'case " $* " in *winsupport*) exit 130 ;; esac')
    assert site.set_up().returncode == 130
    assert not site.ready()


PYTHONS = {
    "el8": ["python3.12", "python3.12-devel"], "el9": ["python3.12", "python3.12-devel"],
    "el10": ["python3", "python3-devel"], "openeuler24": ["python3", "python3-devel"],
    "anolis23": ["python3", "python3-devel"], "debian13": ["python3-venv", "python3-dev"],
    "ubuntu22": ["python3-venv", "python3-dev", "python3.11-venv", "python3.11-dev"],
}  # fmt: skip
# A Python with venv and headers is there once a package with its headers is.
_AS_INSTALLED = "grep -qE '^python3.*-dev(el)?$' $HERE/installed || exit 1"


@pytest.mark.parametrize(("site", "names"), PYTHONS.items(), indirect=["site"], ids=PYTHONS)
def test_a_python_that_can_run_imgpipe_is_installed_by_its_name_in_each_release(site: Site, names: list[str]):
    site.write("python", _AS_INSTALLED)
    done = site.set_up()
    assert done.returncode == 0, done.stderr
    installed = (site.folder / "installed").read_text().splitlines()
    assert [name for name in installed if "python3" in name and "guestfs" not in name] == names


@on("el8", "anolis8")
def test_an_older_python_of_the_repositories_serves_where_the_newest_is_not_there(site: Site):
    site.write("python", _AS_INSTALLED)
    site.write("lacked", "python3.12\npython3.12-devel\n")
    done = site.set_up()
    assert done.returncode == 0, done.stderr
    assert {"python3.11", "python3.11-devel"} <= set((site.folder / "installed").read_text().splitlines())


@on(*ONE_OF_EACH)
@pytest.mark.parametrize("may", ["packages=ask", "packages=skip"])
def test_who_may_not_install_hears_that_the_releases_own_python_serves_and_what_installs_it(site: Site, may: str):
    site.write("python", "exit 1")
    done = site.set_up(before=may)
    assert done.returncode == 3
    assert "'./imgpipe setup' installs them" in done.stderr.splitlines()[-1]
    assert "uv" not in done.stderr.splitlines()[-1]
    assert not [line for line in site.asked if " install " in line]


@on("debian12")
@pytest.mark.parametrize("may", ["packages=ask", "packages=install"])
def test_a_source_that_the_installation_adds_is_told_with_its_packages(site: Site, may: str):
    done = site.set_up(before=may)
    told = done.stderr.splitlines()
    [added] = [place for place, line in enumerate(told) if "installing them adds bookworm-backports" in line]
    assert "/etc/apt/sources.list.d/imgpipe-backports.sources" in told[added]
    assert all(line.startswith("  ") for line in told[1:added]), told


@on("debian13", "ubuntu22")
def test_a_release_that_gets_no_source_hears_of_none(site: Site):
    assert "backports" not in site.set_up(before="packages=ask").stderr


@on("kylin", "uose", "uosa", "openeuler22", "anolis8")
def test_without_a_python_in_the_repositories_the_way_by_uv_is_told(site: Site):
    site.write("python", "exit 1")
    site.write("lacked", "".join(f"python3.1{minor}{end}\n" for minor in (1, 2) for end in ("", "-devel")))
    done = site.set_up()
    assert done.returncode == 3
    assert "uv python install 3.12" in done.stderr.splitlines()[-1]
    assert {"qemu-img", "libvirt-devel"} <= set((site.folder / "installed").read_text().splitlines())
    assert not site.ready()
    uv = site.folder / "programs" / "uv"
    (site.folder / "programs" / "python3.12").write_text(f"#!/bin/bash\n{PYTHON.replace('$HERE/python', '/nowhere')}\n")
    uv.write_text("#!/bin/bash\n[ \"$1 $2\" = 'python find' ] && echo $HERE/programs/python3.12\n")
    uv.chmod(0o755)
    (site.folder / "programs" / "python3.12").chmod(0o755)
    done = site.set_up()
    assert done.returncode == 0, done.stderr
    assert site.ready()


LOCKS = {
    "lists": ("update", "E: Could not get lock /var/lib/apt/lists/lock. It is held by process 4711 (unattended-upgr)"),
    "dpkg": ("install", "E: Could not get lock /var/lib/dpkg/lock-frontend. It is held by process 4711 (dpkg)"),
    "dpkg-old": ("install", "dpkg: error: dpkg frontend lock was locked by another process with pid 4711"),
    "rpm": (
        "install",
        "error: can't create transaction lock on /var/lib/rpm/.rpm.lock (Resource temporarily unavailable)",
    ),
}


def held(command: str, words: str, tries: int) -> str:
    """Return what a package manager does that finds a lock held so many times."""
    return f"""case " $* " in *" {command} "*)
        count=$(cat $HERE/count 2>/dev/null || echo 0)
        echo $((count + 1)) >$HERE/count
        [ "$count" -ge {tries} ] || {{ echo "{words}" >&2; exit 100; }} ;;
    esac"""


@pytest.mark.parametrize(
    ("site", "lock"),
    [(release, lock) for release in ONE_OF_EACH for lock in LOCKS if (lock == "rpm") != (release in APT)],
    indirect=["site"],
)
def test_a_held_lock_is_waited_for_with_a_word(site: Site, lock: str):
    command, words = LOCKS[lock]
    site.write("first", held(command, words, 3))
    done = site.set_up()
    assert done.returncode == 0, done.stderr
    assert site.ready()
    told = [line for line in done.stderr.splitlines() if "waiting for another package manager" in line]
    assert len(told) == 1
    assert words.removeprefix("E: ") in told[0]
    assert site.asked.count("sleep 5") == 3


@on("debian12")
def test_the_wait_for_a_lock_has_an_end(site: Site):
    words = "E: Could not get lock /var/lib/dpkg/lock. It is held by process 1 (x)"
    site.write("first", f'echo "{words}" >&2; exit 100')
    done = site.set_up(before="packages=install")
    assert done.returncode == 3
    assert "another package manager did not end within half an hour" in done.stderr
    assert site.asked.count("sleep 5") >= 360
    assert not site.ready()


@on(*APT)
def test_a_lock_that_may_not_be_taken_is_no_held_lock(site: Site):
    words = "E: Could not open lock file /var/lib/dpkg/lock-frontend - open (13: Permission denied)"
    site.write(
        "first", f'echo "{words}" >&2; echo "E: Unable to acquire the dpkg frontend lock, are you root?"; exit 100'
    )
    done = site.set_up()
    assert done.returncode == 3
    assert "Permission denied" in done.stderr
    assert not [line for line in site.asked if line.startswith("sleep")]


@on(*DNF)
def test_dnf_is_told_to_end_where_a_lock_is_held_and_its_exit_code_is_known(site: Site):
    site.write("first", held("install", "Waiting for process with pid 4711 to finish.", 0))
    site.write("first", (site.folder / "first").read_text() + "\n[ -e $HERE/slept-once ] || exit 200")
    site.write("slept", "touch $HERE/slept-once")
    done = site.set_up()
    assert done.returncode == 0, done.stderr
    assert "waiting for another package manager" in done.stderr
    dnf = [line for line in site.asked if line.startswith("dnf")]
    assert len(dnf) > 1
    assert all("--setopt=exit_on_lock=True" in line for line in dnf)


def masks(site: Site) -> list[str]:
    """Return what was asked of systemd about masks, and the installation of NetworkManager, in order."""
    return [line for line in site.asked if line.startswith("systemctl") or " network-manager" in line]


@on(*APT)
def test_network_manager_is_masked_for_good_only_once_we_have_installed_it(site: Site):
    assert site.set_up("test").returncode == 0
    found = [line if line.startswith("systemctl") else "install" for line in masks(site)]
    assert found == [
        "systemctl -q mask --runtime NetworkManager.service",
        "install",
        "systemctl -q mask NetworkManager.service",
        "systemctl -q unmask --runtime NetworkManager.service",
    ]
    assert not (site.checkout / ".setup.network-manager").exists()


@on(*APT)
def test_a_failed_installation_leaves_no_mask(site: Site):
    site.write("first", 'case " $* " in *" install "*) exit 100 ;; esac')
    assert site.set_up("test").returncode == 3
    found = [line for line in masks(site) if line.startswith("systemctl")]
    assert found == [
        "systemctl -q mask --runtime NetworkManager.service",
        "systemctl -q unmask --runtime NetworkManager.service",
    ]
    assert not (site.checkout / ".setup.network-manager").exists()


@on(*APT)
def test_one_that_was_installed_before_the_failure_is_masked(site: Site):
    site.write("last", "exit 100")
    assert site.set_up("test").returncode == 3
    assert "systemctl -q mask NetworkManager.service" in site.asked


@on(*APT)
def test_a_network_manager_that_was_there_is_left_alone(site: Site):
    site.write("installed", "network-manager\n")
    assert site.set_up("test").returncode == 0
    assert not [line for line in site.asked if "mask" in line]


@on(*APT)
def test_a_kill_while_it_is_installed_is_settled_by_the_next_set_up(site: Site):
    site.write("last", "kill -9 $(cat $HERE/shell); exit 1")
    assert site.set_up("test", before="packages=install; echo $$ >$HERE/shell").returncode != 0
    assert (site.checkout / ".setup.network-manager").exists()
    assert "systemctl -q mask NetworkManager.service" not in site.asked
    (site.folder / "last").unlink()
    left = (site.folder / "installed").read_text().replace("cpio\n", "")
    site.write("installed", left)
    assert site.set_up("test").returncode == 0
    assert "systemctl -q mask NetworkManager.service" in site.asked
    assert not (site.checkout / ".setup.network-manager").exists()


def changing(site: Site) -> list[str]:
    """Return what programs were asked but for apt's sources, whose list changes nothing."""
    return [line for line in site.asked if not line.startswith("apt-get indextargets")]


@pytest.mark.parametrize("policy", ["ask", "skip"])
@on("debian12", "el9")
def test_what_boots_nothing_installs_nothing_unasked(site: Site, policy: str):
    done = site.set_up("test", before=f"packages={policy}")
    assert done.returncode == 0, done.stderr
    assert "these packages are missing on this host" in done.stderr
    assert "xorriso" in done.stderr
    assert "nothing was installed" in done.stderr
    assert not [line for line in changing(site) if not line.startswith("pip")]
    assert not site.ready()
    again = changing(site)
    assert site.set_up("test", before=f"packages={policy}").returncode == 0
    assert changing(site) == again


@on("debian12")
def test_an_answer_that_was_given_beforehand_installs_nothing_that_is_to_be_skipped(site: Site):
    done = site.set_up("test", before="packages=skip assume_yes=1")
    assert done.returncode == 0, done.stderr
    assert "nothing was installed" in done.stderr
    assert not [line for line in changing(site) if not line.startswith("pip")]


@on("debian12")
def test_what_is_fetched_for_the_environment_must_have_the_digests_of_the_locks(site: Site):
    assert site.set_up().returncode == 0
    fetched = [line for line in site.asked if line.startswith("pip") and " -r " in line]
    assert [Path(line.split()[-1]).name for line in fetched] == ["requirements-build.lock", "requirements.lock"]
    assert all("--require-hashes" in line for line in fetched)
    assert "--no-build-isolation" in fetched[1]


@on("debian12")
def test_a_failing_pip_is_told_and_not_stamped(site: Site):
    site.write("pip", 'echo "THESE PACKAGES DO NOT MATCH THE HASHES" >&2; exit 1')
    done = site.set_up()
    assert done.returncode == 3
    assert "DO NOT MATCH THE HASHES" in done.stderr
    assert "failed with exit code 1" in done.stderr
    assert not site.ready()
    (site.folder / "pip").unlink()
    assert site.set_up().returncode == 0
    assert site.ready()


@on("debian12")
def test_half_an_environment_is_made_again(site: Site):
    folder = site.checkout / ".venv" / "bin"
    folder.mkdir(parents=True)
    (folder / "python").write_text("#!/bin/sh\nexit 1\n")
    (folder / "python").chmod(0o755)
    done = site.set_up()
    assert done.returncode == 0, done.stderr
    assert site.ready()


def test_modules_of_the_current_folder_are_not_run(tmp_path: Path):
    # The environment is made with the real Python, wherever the launcher is called from.
    checkout, foreign = tmp_path / "checkout", tmp_path / "foreign"
    checkout.mkdir()
    for name in ("requirements-build.lock", "requirements.lock"):
        (checkout / name).touch()
    for name in ("venv", "ensurepip", "pip"):
        (foreign / name).mkdir(parents=True)
        for part in ("__init__.py", "__main__.py"):
            (foreign / name / part).write_text(f"open({str(tmp_path / f'ran-{name}')!r}, 'w')\n")
    script = f"checkout={checkout}; . {HOST / 'setup.sh'}; make_environment requirements inputs"
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", script], cwd=foreign, capture_output=True, text=True, check=False
    )
    assert (checkout / ".venv" / "bin" / "pip").exists(), done.stderr
    # Its last step fails, because there is nothing to install in this checkout: pip was reached.
    assert "pip" in done.stderr.splitlines()[-1]
    assert [path.name for path in tmp_path.glob("ran-*")] == []


@on("debian12")
def test_a_checkout_that_cannot_be_written_is_a_sentence(site: Site):
    done = site.set_up(before=f"packages=install; mount --bind -o ro {site.checkout} {site.checkout}")
    assert done.returncode == 3
    assert f"cannot write in '{site.checkout}'" in done.stderr


@on("debian12")
def test_two_set_ups_at_once_install_once(site: Site):
    site.write("first", 'case " $* " in *" install "*) while [ ! -e $HERE/second ]; do /bin/sleep 0.1; done ;; esac')
    other = f"(. {HOST}/setup.sh; checkout={site.checkout}; packages=install; set_up requirements) 2>$HERE/told & "
    watch = "(until grep -q 'another set-up' $HERE/told; do /bin/sleep 0.1; done; touch $HERE/second) & "
    tail = "while ! grep -q ' install ' $HERE/log 2>/dev/null; do /bin/sleep 0.1; done; "
    before = f"packages=install; ({tail} {other} {watch} wait) & "
    done = site.set_up(before=before)
    assert done.returncode == 0, done.stderr
    assert len([line for line in site.asked if " install " in line and "cpio" in line]) == 1


RUN = checkout() / "tests" / "run"


@pytest.mark.parametrize(
    ("argument", "policy"),
    [
        ("", "1 "), ("all", "1 "), ("vm", "1 "), ("windows", "1 "), ("bench", "1 "), ("--yes quick", "1 ask"),
        ("quick", " ask"), ("tests/unit/core", " ask"), ("unit", " skip"),
    ],
)  # fmt: skip
def test_the_test_command_installs_unasked_only_what_boots_guests_needs(tmp_path: Path, argument: str, policy: str):
    (tmp_path / "tests").mkdir()
    host = tmp_path / "pipeline" / "imgpipe" / "host"
    host.mkdir(parents=True)
    shutil.copy(RUN, tmp_path / "tests" / "run")
    (host / "setup.sh").write_text('set_up() { echo "${assume_yes:-} ${packages:-}"; exit 0; }\n')
    done = subprocess.run(
        ["bash", tmp_path / "tests" / "run", *argument.split()], capture_output=True, text=True, check=True
    )
    assert done.stdout == f"{policy}\n"


@pytest.mark.parametrize(
    ("arguments", "policy"),
    [
        ("build demo", "install"), ("deploy demo --wait", "install"), ("setup", "install"),
        ("-v build demo", "install"),
        ("plan demo", "ask"), ("lint build", "ask"), ("images list", "ask"), ("deploy x.toml --plan", "ask"),
        ("build --help", "ask"), ("", "ask"), ("build -h", "ask"),
    ],
)  # fmt: skip
def test_the_launcher_installs_unasked_only_for_what_boots(tmp_path: Path, arguments: str, policy: str):
    host = tmp_path / "pipeline" / "imgpipe" / "host"
    host.mkdir(parents=True)
    shutil.copy(checkout() / "imgpipe", tmp_path / "imgpipe")
    (host / "setup.sh").write_text('set_up() { echo "$packages"; exit 0; }\n')
    done = subprocess.run(
        ["bash", tmp_path / "imgpipe", *arguments.split()], capture_output=True, text=True, check=True
    )
    assert done.stdout == f"{policy}\n"


def launcher(folder: Path) -> Path:
    """Copy the launcher into a checkout whose set-up and program only say what they were given."""
    host = folder / "pipeline" / "imgpipe" / "host"
    host.mkdir(parents=True)
    (host / "setup.sh").write_text("set_up() { echo set up; }\n")
    program = folder / ".venv" / "bin" / "imgpipe"
    program.parent.mkdir(parents=True)
    program.write_text('#!/bin/sh\necho "$*"\n')
    program.chmod(0o755)
    return Path(shutil.copy(checkout() / "imgpipe", folder / "imgpipe"))


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ("setup", "set up\nhost setup --yes\n"),
        ("setup --yes", "set up\nhost setup --yes\n"),
        ("setup --help", "host setup --help\n"),
        ("setup -h", "host setup -h\n"),
        ("setup --wrong", "set up\nhost setup --wrong --yes\n"),
        ("plan demo", "set up\nplan demo\n"),
    ],
)
def test_setup_is_the_hosts_and_its_help_sets_nothing_up(tmp_path: Path, arguments: str, said: str):
    done = subprocess.run(["bash", launcher(tmp_path), *arguments.split()], capture_output=True, text=True, check=True)
    assert done.stdout == said


def test_help_of_setup_in_a_fresh_clone_is_what_the_launcher_says_itself(tmp_path: Path):
    program = launcher(tmp_path)
    shutil.rmtree(tmp_path / ".venv")
    done = subprocess.run(["bash", program, "setup", "--help"], capture_output=True, text=True, check=True)
    assert "./imgpipe build demo      the first thing to try" in done.stdout
    assert "set up\n" not in done.stdout
    assert "#" not in done.stdout


@on("debian12")
def test_whoever_has_no_imgpipe_to_type_is_told_once_how_to_get_it(site: Site):
    said = site.set_up().stderr
    assert f"ln -s {site.checkout}/imgpipe /usr/local/bin/" in said
    assert "ln -s" not in site.set_up().stderr
