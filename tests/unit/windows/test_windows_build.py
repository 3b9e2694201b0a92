"""From a recipe to what Windows Setup is handed: the plan, the media, the seed, the install's name."""

import json
from dataclasses import replace

import pytest
from windows_orders import PASSWORD

import windows_media as made
from imgpipe.adapters.hypervisor import Hypervisor
from imgpipe.adapters.iso import open_iso
from imgpipe.adapters.seed_iso import write_seed as write_iso
from imgpipe.errors import RecipeError
from imgpipe.media.request import MediaRequest, MediumRequest
from imgpipe.media.several import resolve_all
from imgpipe.passwords import Vault
from imgpipe.plan import show
from imgpipe.planning import Given, make_plan
from imgpipe.recipe import MediumSource, Recipe
from imgpipe.stages.seed import write_seed
from imgpipe.store import Store
from imgpipe.workplace import Workplace
from imgpipe_windows.proof import SEALING, SEALING_FOR_CDS
from imgpipe_windows.systems import VIRTIO_WIN


def plan_of(plugins, system="win2016", password=PASSWORD, **table):
    table.setdefault("guest", {"locale": "zh_CN.UTF-8"})
    recipe = Recipe.model_validate(
        {"name": "r", "os": system, "machine": {"memory": "4 GiB", "disk": "40 GiB"}, **table}
    )
    vault = Vault(environ={"IMGPIPE_ROOT_PASSWORD": password, "KEY": "AAAAA-BBBBB-CCCCC-DDDDD-EEEEE"}, salt=b"salt")
    recipe = vault.with_default(recipe)
    given = Given(accounts=vault.accounts(recipe, clear=True), product_key=vault.product_key(recipe))
    return make_plan(recipe, plugins, given)


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path / "store")


@pytest.fixture
def media(tmp_path):
    windows, virtio = tmp_path / "windows.iso", tmp_path / "virtio.iso"
    write_iso(windows, "SSS_X64FRE", made.windows_medium().files)
    write_iso(virtio, "virtio-win-0.1", made.virtio_tree("2k16"))
    return windows, virtio


def resolved(plan, media, plugins, store, heard):
    family, system = plugins.system("win2016")
    windows, virtio = (
        MediumRequest(system=of, source=MediumSource(), override=str(path))
        for of, path in zip((system, VIRTIO_WIN), media, strict=True)
    )
    request = MediaRequest(
        own=windows, further=(virtio,), inspect=lambda content: family.inspect(system, plan.unattended, content)
    )
    return resolve_all(request, store, heard.append)


def test_the_seed_is_written_from_the_plan_and_both_media(plugins, media, store):
    heard = []
    plan = plan_of(plugins)
    medium = resolved(plan, media, plugins, store, heard)
    place = Workplace(store=store, hypervisor=Hypervisor.__new__(Hypervisor), notify=heard.append)
    seed = write_seed(plan, medium, place)
    assert seed.folder == store.work(plan.install_key(medium.digest))
    assert seed.iso.stat().st_mode & 0o777 == 0o600
    assert (seed.kernel, seed.arguments) == (None, ())
    with open_iso(seed.iso) as iso:
        assert iso.volume_id == "IMGPIPE_SEED"
        assert iso.read("$WinPEDriver$/viostor/viostor.inf") == b"viostor/2k16/amd64 inf"
        assert iso.read("imgpipe/drivers/balloon/balloon.sys") == b"Balloon/2k16/amd64 sys"
        assert iso.read("imgpipe/qemu-ga-x86_64.msi") == b"msi"
        assert iso.read("autounattend.xml") == plan.unattended.seed.files[0].text.encode()
        assert not iso.is_file("$WinPEDriver$/viostor/viostor.pdb")
    assert [event.text for event in heard if "image 2" in getattr(event, "text", "")]
    assert write_seed(plan, medium, place) == seed


def test_a_medium_without_the_edition_stops_the_build_before_it_begins(plugins, media, store):
    plan = plan_of(plugins, options={"edition": "Windows Server 2016 SERVERDATACENTER"})
    with pytest.raises(RecipeError) as raised:
        resolved(plan, media, plugins, store, [])
    assert any("SERVERSTANDARDCORE" in fault for fault in raised.value.details)


def test_every_medium_is_part_of_the_installs_name(plugins, media, store):
    plan = plan_of(plugins)
    medium = resolved(plan, media, plugins, store, [])
    (virtio,) = medium.further
    other = replace(medium, further=(replace(virtio, sha256="f" * 64),))
    assert plan.install_key(medium.digest) != plan.install_key(other.digest)


def test_nothing_secret_is_in_what_is_shown_of_the_plan(plugins):
    plan = plan_of(plugins, install={"product_key": {"env": "KEY"}})
    assert "AAAAA-BBBBB" in plan.unattended.seed.files[0].text
    shown = json.dumps(show(plan)) + repr(plan)
    for secret in (PASSWORD, "AAAAA-BBBBB", *encoded_in(plan)):
        assert secret not in shown


def encoded_in(plan):
    lines = plan.unattended.seed.files[0].text.splitlines()
    found = [line.strip() for line in lines if "<Value>" in line and "SERVER" not in line]
    assert len(found) == 2
    return found


def test_another_password_is_another_install_and_the_same_one_is_not(plugins):
    keys = [plan_of(plugins, password=word).install_key("m") for word in (PASSWORD, PASSWORD, f"{PASSWORD}2")]
    assert keys[0] == keys[1] != keys[2]


def faults_of(plugins, system="win2016", **table):
    with pytest.raises(RecipeError) as raised:
        plan_of(plugins, system, **table)
    return "\n".join(raised.value.details)


def test_what_a_system_cannot_be_is_said_with_its_key(plugins):
    uefi = {"memory": "4 GiB", "disk": "40 GiB", "firmware": "uefi"}
    assert "machine.firmware: Windows Server 2008 R2 is installed on 'bios'" in faults_of(
        plugins, "win2008r2", machine=uefi
    )
    assert "machine.firmware" in faults_of(plugins, "win11")
    assert "media.drivers: Windows Server 2016 has virtio" in faults_of(plugins, media={"drivers": {"file": "x"}})
    assert "options.edtion" in faults_of(plugins, options={"edtion": "x"})
    assert "options.computer_name" in faults_of(plugins, options={"computer_name": "much-too-long-a-name"})


def test_clones_are_told_by_a_cd_where_the_recipe_prefers_it(plugins):
    panther, disc = plan_of(plugins), plan_of(plugins, options={"clones": "cd"})
    assert (panther.unattended.personalise.way, panther.unattended.sealing) == ("unattend", SEALING)
    assert plan_of(plugins, options={"clones": "panther"}) == panther
    told = disc.unattended.personalise
    assert (told.way, told.volume, told.settings) == ("unattend-cd", None, panther.unattended.personalise.settings)
    assert disc.unattended.sealing == SEALING_FOR_CDS
    assert any("'Unattend.xml' on a CD" in remark for remark in disc.unattended.remarks)
    assert not any("CD of their own" in remark for remark in panther.unattended.remarks)
    scripts = {one.name: one.text for one in disc.unattended.seed.files}
    assert "/v UnattendFile" in scripts["imgpipe/first-logon.cmd"]
    assert disc.install_key("m") != panther.install_key("m")
    assert "imgpipe_windows.proof.judge_for_cds" in json.dumps(show(disc))


def test_what_would_win_over_a_clones_cd_may_not_stay_in_the_template(plugins):
    kept = {"disable": ["windows-answer-files"]}
    assert plan_of(plugins, sysprep=kept)
    assert "sysprep.disable: 'windows-answer-files'" in faults_of(plugins, sysprep=kept, options={"clones": "cd"})
    assert "options.clones" in faults_of(plugins, options={"clones": "floppy"})


def test_a_hash_is_no_password_for_windows(plugins):
    assert "in plain text" in faults_of(plugins, password="$6$abcdefgh$ijklmnopqrst")


def test_a_product_key_that_is_not_there_is_named(plugins):
    with pytest.raises(RecipeError, match="'NOWHERE'"):
        plan_of(plugins, install={"product_key": {"env": "NOWHERE"}})


def test_the_core_seals_nothing_in_what_seals_itself(plugins):
    plan = plan_of(plugins)
    assert all(operation.name.startswith("windows-") for operation in plan.operations)
    assert plan.checks == ()
    assert plan.unattended.sealing
