"""What the core asks of a booted guest."""

import subprocess
from pathlib import Path

import pytest

from imgpipe.checks import core_checks
from imgpipe.recipe import Recipe

RECIPE = Recipe.model_validate(
    {
        "name": "r",
        "os": "rocky9",
        "disk": {"layout": "lvm", "filesystem": "xfs", "swap": "2 GiB"},
        "nics": [{"name": "eth0"}, {"mac": "52:54:00:00:00:01"}],
        "guest": {
            "timezone": "Asia/Shanghai",
            "sysctl": {"net.ipv4.conf.*.rp_filter": 1, "vm.swappiness": 10, "kernel/core_pattern": "|/bin/x '$(id)'"},
            "services": {"enable": ["chronyd.service"], "disable": ["kdump"]},
            "sshd": {"UseDNS": "no", "PermitRootLogin": "prohibit-password"},
            "kernel_arguments": ["x=`id`"],
            "packages": {"add": ["curl", "@core"], "remove": ["plymouth", "*firmware"]},
            "users": [{"name": "op", "groups": ["wheel"]}],
        },
    }
)


def scripts() -> dict[str, str]:
    return {check.name: check.script for check in core_checks(RECIPE)}


def test_every_promise_of_the_recipe_has_a_check():
    names = " | ".join(scripts())
    for promise in (
        "no unit failed", "identity", "host keys", "NIC eth0", "NIC 52:54:00:00:00:01", "Asia/Shanghai", "en_US.UTF-8",
        "vm.swappiness is 10", "chronyd.service is enabled", "kdump is disabled", "serial console", "root is locked",
        "user op", "xfs, lvm", "2048 MiB of swap", "curl: installed", "plymouth: not installed", "UseDNS no",
        "SELinux is permissive", "no firewall runs",
    ):  # fmt: skip
        assert promise in names


def test_names_are_unique():
    checks = core_checks(RECIPE)
    assert len({check.name for check in checks}) == len(checks)


def test_keys_become_files_as_sysctl_reads_them():
    told = scripts()
    assert "/proc/sys/net/ipv4/conf/*/rp_filter" in told["net.ipv4.conf.*.rp_filter is 1"]
    assert "/proc/sys/kernel/core_pattern" in told["kernel/core_pattern is |/bin/x '$(id)'"]


def test_groups_of_packages_are_left_to_the_installer():
    assert not any("@core" in name or "firmware" in name for name in scripts())


@pytest.mark.programs
@pytest.mark.parametrize("name", list(scripts()))
def test_every_script_is_sound_shell(tmp_path: Path, name: str):
    script = tmp_path / "script"
    script.write_text(scripts()[name])
    done = subprocess.run(["sh", "-n", script], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.programs
def test_a_sysctl_check_tells_right_from_wrong():
    has = Path("/proc/sys/kernel/ostype").read_text().strip()
    for value, code in ((has, 0), (f"{has}x", 1), ("$(echo Linux)", 1)):
        recipe = RECIPE.model_copy(
            update={"guest": RECIPE.guest.model_copy(update={"sysctl": {"kernel.ostype": value}})}
        )
        (script,) = (check.script for check in core_checks(recipe) if check.name.startswith("kernel.ostype"))
        assert subprocess.run(["sh", "-c", script], capture_output=True, check=False).returncode == code
