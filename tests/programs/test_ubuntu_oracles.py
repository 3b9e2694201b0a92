"""What the plugin for Ubuntu renders, judged by the programs that will read it."""

from __future__ import annotations

import shutil
import subprocess

import pytest
import yaml

from imgpipe.offline_edits import WriteFile
from imgpipe.os_family import Account, Order
from imgpipe.recipe import Recipe
from imgpipe_ubuntu.options import UbuntuOptions
from imgpipe_ubuntu.prepare import prepare
from imgpipe_ubuntu.systems import NOBLE

pytestmark = pytest.mark.programs

HASH = "$6$saltsaltsalt$" + "a" * 86
GUEST = {
    "hostname": "template.example.org",
    "packages": {"remove": ["plymouth"]},
    "services": {"enable": ["chrony.service"]},
    "sysctl": {"kernel.core_pattern": "|/bin/false '%p' $(x) `y` \\"},
    "limits": {"nofile": 1048576},
    "sshd": {"UseDNS": "no"},
    "firewall": True,
    "users": [{"name": "ops", "comment": "The $HOME; `Operators` & all", "groups": ["sudo"], "password": {"env": "P"}}],
}


def needs(program):
    return pytest.mark.skipif(shutil.which(program) is None, reason=f"{program} is not installed")


@pytest.fixture
def answer():
    recipe = Recipe.model_validate({"name": "r", "os": "ubuntu24.04", "guest": GUEST})
    accounts = {"root": Account(name="root"), "ops": Account(name="ops", password_hash=HASH)}
    return prepare(Order(recipe=recipe, system=NOBLE.system, options=UbuntuOptions(), accounts=accounts))


def run(*command):
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)


@needs("cloud-init")
def test_cloud_init_accepts_every_document_that_it_will_read(answer, tmp_path):
    user_data = answer.seed.files[0].text
    (written,) = (step for step in answer.operations[0].steps if isinstance(step, WriteFile))
    first_boot = yaml.safe_load(user_data)["autoinstall"]["user-data"]
    # cloud-init takes an empty list in its own configuration, and its schema, made for user-data, does not.
    system = {key: value for key, value in yaml.safe_load(written.content).items() if key != "users"}
    documents = (user_data, *("#cloud-config\n" + yaml.safe_dump(part) for part in (first_boot, system)))
    for number, text in enumerate(documents):
        path = tmp_path / f"{number}.yaml"
        path.write_text(text)
        found = run("cloud-init", "schema", "--config-file", str(path))
        assert found.returncode == 0, found.stdout + found.stderr
        assert "Valid" in found.stdout


@needs("shellcheck")
def test_shellcheck_finds_nothing_in_the_scripts(answer, tmp_path):
    scripts = [file for file in answer.seed.files if file.name.endswith(".sh")]
    assert len(scripts) == 2
    for script in scripts:
        path = tmp_path / script.name
        path.write_text(script.text)
        found = run("shellcheck", "--shell=dash", "--severity=warning", str(path))
        assert found.returncode == 0, found.stdout


@needs("dash")
def test_every_word_of_the_recipe_reaches_its_command_whole(answer, tmp_path):
    (script,) = (file.text for file in answer.seed.files if file.name == "target.sh")
    # Only the last lines call for real: what a command would get is written down instead.
    lines = [line for line in script.splitlines() if line.startswith(("put ", "useradd "))]
    show = 'put() { printf "%s\\n" "$@"; }\nuseradd() { printf "%s\\n" "$@"; }\n'
    path = tmp_path / "show.sh"
    path.write_text(show + "\n".join(lines) + "\n")
    said = run("dash", str(path)).stdout.splitlines()
    assert "kernel.core_pattern = |/bin/false '%p' $(x) `y` \\" in said
    assert "The $HOME; `Operators` & all" in said
