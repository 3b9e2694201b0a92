"""The answer to `prepare`: boot, proof, operations, checks, and an operator's own kickstart."""

import re

import pytest
from el_orders import ROOT, answer, kickstart, order, recipe, recipe_file

from imgpipe.errors import RecipeError
from imgpipe.offline_edits import Absent, Remove
from imgpipe_el.prepare import prepare

OWN = """\
cmdline
cdrom
poweroff
timezone UTC --utc
rootpw --lock
zerombr
clearpart --all --initlabel --disklabel=gpt
reqpart --add-boot
part / --size=2048 --grow
%packages
@core
%end
"""


def test_the_kickstart_is_found_by_label_and_nothing_waits():
    boot = answer(recipe()).boot
    assert boot.arguments[:3] == ("inst.ks=hd:LABEL=ks:/ks.cfg", "inst.stage2=hd:LABEL={volume_id}", "inst.cmdline")
    assert {"rd.shell=0", "rd.emergency=poweroff", "net.ifnames=0", "biosdevname=0"} <= set(boot.arguments)
    assert "console=ttyS0,115200n8" in boot.arguments
    assert "inst.nosave=all_ks" in boot.arguments


def test_the_recipes_kernel_arguments_come_last():
    boot = answer(recipe(install={"kernel_arguments": ["mitigations=off"]})).boot
    assert boot.arguments[-1] == "mitigations=off"


def test_new_nic_names_are_not_forbidden_where_the_recipe_wants_them():
    boot = answer(recipe(guest={"classic_nic_names": False})).boot
    assert not any("ifnames" in argument for argument in boot.arguments)


def test_the_seed_is_a_secret_iso_called_ks():
    seed = answer(recipe()).seed
    assert (seed.place, seed.volume_id, [file.name for file in seed.files]) == ("iso", "ks", ["ks.cfg"])
    assert all(file.secret for file in seed.files)


def test_linux_guests_have_no_host_cache():
    hardware = answer(recipe()).hardware
    assert (hardware.cache, hardware.disk_bus, hardware.nic_model) == ("none", "virtio", "virtio")


def test_the_same_order_gives_the_same_answer():
    wanted = recipe_file(ROOT / "recipes" / "rocky9.toml")
    assert prepare(order(wanted)) == prepare(order(wanted))


def test_the_marker_stands_nowhere_in_the_kickstart():
    found = answer(recipe())
    text = found.seed.files[0].text
    assert found.proof.console not in text
    assert found.proof.failure not in text


def test_the_last_section_shows_the_proof():
    found = answer(recipe())
    last = found.seed.files[0].text.rpartition("\n%post --erroronfail\n")[2]
    word = found.proof.console.split()[1]
    assert found.proof.console == f"IMGPIPE-INSTALL-OK {word}"
    assert found.proof.content == f"{found.proof.console}\n"
    assert f"printf '%s-%s %s\\n' IMGPIPE-INSTALL OK {word} >{found.proof.file}\n" in last
    assert f"printf '\\r\\n%s-%s %s\\r\\n' IMGPIPE-INSTALL OK {word} >/dev/ttyS0\n%end\n" in last
    assert "set -x" not in found.seed.files[0].text


def test_another_recipe_has_another_proof():
    assert answer(recipe()).proof != answer(recipe(guest={"timezone": "Asia/Shanghai"})).proof


def test_the_way_of_personalising_follows_the_profiles():
    assert answer(recipe("rocky8")).personalise.network == "ifcfg"
    assert answer(recipe("rocky10")).personalise.network == "keyfile"


def test_what_an_operation_removes_is_asserted_afterwards():
    for operation in answer(recipe_file(ROOT / "recipes" / "rocky9.toml")).operations:
        removed = {pattern for step in operation.steps if isinstance(step, Remove) for pattern in step.patterns}
        absent = {pattern for seal in operation.sealed if isinstance(seal, Absent) for pattern in seal.patterns}
        assert removed == absent != set()


def test_the_proof_does_not_stay():
    found = answer(recipe())
    patterns = {pattern for operation in found.operations for step in operation.steps for pattern in step.patterns}
    assert found.proof.file in patterns


def test_the_checks_cover_what_the_core_does_not_know():
    scripts = {check.name: check.script for check in answer(recipe_file(ROOT / "recipes" / "rocky9.toml")).checks}
    assert scripts["limit 'nofile'"] == '[ "$(systemctl show --property=DefaultLimitNOFILE --value)" = 1048576 ]'
    assert {"limit 'nproc'", "hardware clock in UTC"} <= set(scripts)


def test_checks_have_names_of_their_own():
    names = [check.name for check in answer(recipe_file(ROOT / "recipes" / "rocky9-static.toml")).checks]
    assert len(names) == len(set(names))


def test_the_layout_is_shown_in_the_disks_order():
    lvm = recipe_file(ROOT / "recipes" / "rocky9-lvm.toml")
    assert answer(lvm).disk_layout == (
        "biosboot 2 MiB",
        "/boot xfs 1 GiB",
        "swap 2 GiB",
        "volume group vg0: / xfs, all the rest",
    )


def test_an_own_kickstart_is_used_as_it_is_and_ends_in_the_proof():
    found = answer(recipe(install={"answer_file": "mine.ks"}), own=OWN)
    text = found.seed.files[0].text
    assert text.startswith(OWN)
    rendered = kickstart(recipe())
    appended = re.sub(r"OK [0-9a-f]{16}", "OK", text.removeprefix(OWN))
    assert re.sub(r"OK [0-9a-f]{16}", "OK", rendered).endswith(appended)
    assert found.proof.console.split()[1] in text
    assert found.checks == ()


def test_an_own_kickstart_without_a_last_line_end_stays_readable():
    text = answer(recipe(install={"answer_file": "mine.ks"}), own=OWN.rstrip("\n")).seed.files[0].text
    assert "%end\n\n# How the installation ended" in text


def test_an_own_kickstart_with_errors_is_refused_with_all_of_them():
    broken = OWN.replace("poweroff\n", "reboot\n").replace("@core\n%end", "@core")
    with pytest.raises(RecipeError, match=r"mine\.ks") as refusal:
        answer(recipe(install={"answer_file": "mine.ks"}), own=broken)
    assert [line.split(":")[0] for line in refusal.value.details] == ["line 3", "line 10"]


def test_warnings_do_not_refuse_an_own_kickstart():
    own = OWN.replace("rootpw --lock", "rootpw --plaintext secret")
    assert answer(recipe(install={"answer_file": "mine.ks"}), own=own).seed.files[0].text.startswith(own)
