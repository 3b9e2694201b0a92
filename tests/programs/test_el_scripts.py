"""The kickstart's scripts, run by a real shell on a made-up root."""

import re
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

from imgpipe.os_family import Account, Order
from imgpipe.recipe import Recipe
from imgpipe_el.lint.source import read_kickstart
from imgpipe_el.options import ElOptions
from imgpipe_el.prepare import prepare_kickstart
from imgpipe_el.systems import RELEASES, release_of

pytestmark = pytest.mark.programs

GUEST = {
    "sysctl": {"vm.swappiness": 10, "kernel.core_pattern": "|/bin/x '$(id)' `id` \\ \"%end"},
    "limits": {"nofile": 1048576, "nproc": 65535},
    "sshd": {"UseDNS": "no", "GSSAPIAuthentication": "no"},
}


@dataclass
class Root:
    """A folder that stands for the installed system, and the scripts that were rendered for it."""

    path: Path
    name: str

    def answer(self, **guest):
        recipe = Recipe.model_validate({"name": "image", "os": self.name, "guest": GUEST | guest})
        release = release_of(self.name)
        accounts = {"root": Account(name="root")}
        asked = Order(recipe=recipe, system=release.system, options=ElOptions(), accounts=accounts)
        return prepare_kickstart(asked, release)

    def run(self, kind, index, answer):
        """Run the script with the system's paths moved into the folder; return it when it has ended."""
        sections = [found for found in read_kickstart(answer.seed.files[0].text).sections if found.name == kind]
        script = "\n".join(line for _, line in sections[index].body)
        script = re.sub(r"/(?:etc|tmp|mnt|root)/|/var/lib/imgpipe|/dev/ttyS0", rf"{self.path}\g<0>", script)
        # A terminal keeps what was written to it before; a file would not.
        script = script.replace(f">{self.path}/dev/ttyS0", f">>{self.path}/dev/ttyS0")
        programs = self.path / "bin"
        environment = {"PATH": f"{programs}:/usr/bin:/bin", "TMPDIR": str(self.path)}
        return subprocess.run(
            ["/bin/bash", "--posix", "-c", script],
            env=environment,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    def read(self, path):
        return (self.path / path.lstrip("/")).read_text(encoding="utf-8")


@pytest.fixture
def root(tmp_path):
    def make(name):
        for folder in ("etc/ssh", "etc/default", "dev", "bin", "root", "tmp"):
            (tmp_path / folder).mkdir(parents=True)
        (tmp_path / "etc/ssh/sshd_config").write_text("GSSAPIAuthentication yes\n", encoding="utf-8")
        (tmp_path / "etc/ssh/sshd_config").chmod(0o600)
        (tmp_path / "etc/default/grub").write_text(
            'GRUB_CMDLINE_LINUX="quiet console=ttyS0,115200n8"\n', encoding="utf-8"
        )
        (tmp_path / "dev/ttyS0").touch()
        (tmp_path / "root/ks-post.log").write_text("what went wrong\n", encoding="utf-8")
        for program in ("systemctl", "restorecon", "grubby"):
            stub = tmp_path / "bin" / program
            stub.write_text(f'#!/bin/sh\necho "{program} $*" >>{tmp_path}/calls\n', encoding="utf-8")
            stub.chmod(0o755)
        return Root(path=tmp_path, name=name)

    return make


@pytest.mark.parametrize("name", [release.system.name for release in RELEASES])
def test_every_releases_settings_arrive(root, name):
    made = root(name)
    ended = made.run("%post", 0, made.answer())
    assert (ended.returncode, ended.stderr) == (0, "")
    assert made.read("/etc/sysctl.d/90-imgpipe.conf") == (
        "vm.swappiness = 10\nkernel.core_pattern = |/bin/x '$(id)' `id` \\ \"%end\n"
    )
    assert "* - nproc 65535\n" in made.read("/etc/security/limits.d/90-imgpipe.conf")
    assert made.read("/etc/systemd/system.conf.d/90-imgpipe.conf") == (
        "[Manager]\nDefaultLimitNOFILE=1048576\nDefaultLimitNPROC=65535\n"
    )
    assert "systemctl enable serial-getty@ttyS0.service\n" in made.read("/calls")


def test_sshd_reads_the_recipes_value_first_in_one_file(root):
    made = root("rocky8")
    made.run("%post", 0, made.answer())
    assert made.read("/etc/ssh/sshd_config") == "UseDNS no\nGSSAPIAuthentication no\nGSSAPIAuthentication yes\n"
    assert (made.path / "etc/ssh/sshd_config").stat().st_mode & 0o777 == 0o600


def test_sshd_reads_the_recipes_value_first_in_a_drop_in(root):
    made = root("rocky10")
    made.run("%post", 0, made.answer())
    drop_in = made.path / "etc/ssh/sshd_config.d/00-imgpipe.conf"
    assert drop_in.read_text(encoding="utf-8") == "UseDNS no\nGSSAPIAuthentication no\n"
    assert drop_in.stat().st_mode & 0o777 == 0o600


def test_the_installers_console_is_taken_out(root):
    made = root("rocky9")
    assert made.run("%post", 0, made.answer(serial_console=False)).returncode == 0
    assert made.read("/etc/default/grub") == 'GRUB_CMDLINE_LINUX="quiet"\n'
    assert "grubby --update-kernel=ALL --remove-args=console=ttyS0,115200n8\n" in made.read("/calls")


def test_a_failing_command_fails_the_script(root):
    made = root("rocky9")
    (made.path / "bin/systemctl").write_text("#!/bin/sh\nexit 1\n", encoding="utf-8")
    answer = made.answer()
    ended = made.run("%post", 0, answer)
    assert ended.returncode != 0
    assert made.read("/dev/ttyS0").replace("\r", "").splitlines()[-1] == answer.proof.failure
    assert "imgpipe: ks-post.log: what went wrong" in made.read("/dev/ttyS0")


def test_a_script_that_ends_well_does_not_speak_of_failure(root):
    made = root("rocky9")
    answer = made.answer()
    for index in (0, 1):
        made.run("%post", index, answer)
    assert answer.proof.failure not in made.read("/dev/ttyS0")


def test_the_last_script_leaves_the_proof(root):
    made = root("rocky9")
    answer = made.answer()
    assert made.run("%post", 1, answer).returncode == 0
    assert answer.proof.console in made.read("/dev/ttyS0").replace("\r", "").splitlines()
    assert made.read(answer.proof.file) == answer.proof.content


def test_without_a_console_there_is_no_proof(root):
    made = root("rocky9")
    (made.path / "dev/ttyS0").unlink()
    (made.path / "dev").rmdir()
    assert made.run("%post", 1, made.answer()).returncode != 0


def test_an_error_shows_the_logs_and_ends_in_the_mark_of_failure(root):
    made = root("rocky9")
    answer = made.answer()
    log = "".join(f"line {number}\n" for number in range(100)) + f"{answer.proof.console}\n" + "x" * 5000 + "\n"
    (made.path / "tmp/anaconda.log").write_text(log, encoding="utf-8")
    made.run("%onerror", 0, answer)
    shown = made.read("/dev/ttyS0").replace("\r", "").splitlines()
    assert shown[-1] == answer.proof.failure
    assert "imgpipe: anaconda.log: line 99" in shown
    assert "imgpipe: anaconda.log: line 0" not in shown
    assert answer.proof.console not in shown
    assert max(len(line) for line in shown) < 500
