"""What builds and deploys ask of the host before they start."""

import struct
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest

from imgpipe.adapters import selinux
from imgpipe.cli import build, context, deploy, doctor, planned, readiness, shop
from imgpipe.cli.plan_text import describe
from imgpipe.cli.planned import plan_for
from imgpipe.deploy.fleet_records import Description
from imgpipe.domain_features import NEWEST
from imgpipe.errors import HostError
from imgpipe.events import Note
from imgpipe.host.distribution import Distribution
from imgpipe.host.doctor import bridges, firmware, folders, guestfs
from imgpipe.host.doctor.checkup import Host, recipe_checks
from imgpipe.host.doctor.finding import Finding
from imgpipe.host.doctor.run import run
from imgpipe.os_family import Hardware
from imgpipe.recipe import Machine
from imgpipe.recipe_files import RecipeFolders
from imgpipe.store import Store

POOL = Path("/nowhere/machines")
DISK = Path(__file__)
EMULATED = replace(NEWEST, accelerator="tcg", own_files=True)


@pytest.fixture
def host(tmp_path, monkeypatch):
    """A host on which everything is as it shall be."""
    found = Host(uri="test:///default", store=Store(tmp_path))
    found.__dict__["versions"] = {"qemu": "10.0.2", "libvirt": "11.3.0"}
    monkeypatch.setattr(readiness, "this_host", lambda: found)
    kernel = guestfs.KernelFile(path=tmp_path, release="6.12.0", readable=True, has_modules=True)
    editor = guestfs.EditorFacts(python="/usr/bin/python3", kernels=(kernel,), has_xfs=True)
    monkeypatch.setattr(guestfs, "gather", lambda: editor)
    set_firmware(monkeypatch, plain=True, secure=True, tpm=True)
    return found


def set_firmware(monkeypatch, **there):
    monkeypatch.setattr(firmware, "gather", lambda: firmware.FirmwareFacts(**there))


@pytest.fixture
def plan(recipes: RecipeFolders, monkeypatch, tmp_path):
    monkeypatch.setattr(context, "store", lambda: Store(tmp_path))
    recipe = recipes.load("rocky10")
    return plan_for(recipe.model_copy(update={"machine": recipe.machine.model_copy(update={"firmware": "uefi"})}))


def test_a_host_that_is_ready_is_not_held_up(host, plan):
    readiness.require_for_build(plan, EMULATED)


def test_a_build_that_would_fail_after_its_install_is_refused_before(host, plan, monkeypatch):
    monkeypatch.setattr(guestfs, "gather", lambda: guestfs.EditorFacts(python="", kernels=(), has_xfs=True))
    set_firmware(monkeypatch, plain=False, secure=False, tpm=True)
    with pytest.raises(HostError) as caught:
        readiness.require_for_build(plan, EMULATED)
    assert [detail.partition(":")[0] for detail in caught.value.details] == ["libguestfs", "appliance kernel", "UEFI"]


def test_an_emulator_without_avx2_does_not_run_enterprise_linux_10(host, plan):
    host.__dict__["versions"] = {"qemu": "6.2.0"}
    with pytest.raises(HostError) as caught:
        readiness.require_for_build(plan, EMULATED)
    assert "x86-64-v3" in caught.value.details[0]


def test_a_windows_build_is_refused_where_its_disk_could_not_be_read(host, recipes, monkeypatch, tmp_path):
    monkeypatch.setattr(context, "store", lambda: Store(tmp_path))
    monkeypatch.setenv("IMGPIPE_ROOT_PASSWORD", "Correct-Horse-9")
    windows = plan_for(recipes.load("win2016"))
    debian = Distribution(family="debian", title="Debian 13", release="13", codename="trixie")
    host.__dict__["distribution"] = debian
    readiness.require_for_build(windows, EMULATED)
    editor = guestfs.gather()
    monkeypatch.setattr(
        guestfs,
        "gather",
        lambda: guestfs.EditorFacts(python=editor.python, kernels=editor.kernels, has_xfs=True, has_ntfs=False),
    )
    with pytest.raises(HostError) as caught:
        readiness.require_for_build(windows, EMULATED)
    assert [detail.partition(":")[0] for detail in caught.value.details] == ["NTFS"]
    readiness.require_for_build(plan_for(recipes.load("rocky9")), EMULATED)


@pytest.fixture
def confined(host, monkeypatch):
    """A host whose SELinux keeps machines out of folders by their names, asked as the kernel would be."""
    object.__setattr__(host, "uri", "qemu:///system")

    def keep_out(*folders):
        closed = {str(folder) for folder in folders}
        asked = []
        monkeypatch.setattr(selinux, "enforces", lambda: True)
        monkeypatch.setattr(
            selinux, "type_of", lambda path: asked.append(path) or ("web_t" if str(path) in closed else "virt_image_t")
        )
        answers = {"web_t": ("virtqemud_t: relabelfrom of a file",)}
        monkeypatch.setattr(selinux, "refused_to_machines", lambda kind, keeps_labels: answers.get(kind, ()))
        return asked

    return keep_out


@pytest.mark.parametrize("name", ["work", "images", "media"])
def test_a_build_is_refused_where_selinux_keeps_its_machine_or_its_medium_out(host, plan, confined, tmp_path, name):
    for each in ("work", "images", "media", "others"):
        (tmp_path / each).mkdir()
    medium = SimpleNamespace(path=tmp_path / "media" / "x.iso", further=())
    confined(tmp_path / "others")
    readiness.require_for_build(plan, EMULATED, medium)
    confined(tmp_path / name)
    with pytest.raises(HostError, match="not ready for the build") as caught:
        readiness.require_for_build(plan, EMULATED, medium)
    assert [detail.partition(":")[0] for detail in caught.value.details] == ["SELinux"]


@pytest.mark.parametrize("name", ["pool", "images"])
def test_a_deploy_is_refused_where_selinux_keeps_its_machines_out(host, confined, tmp_path, name):
    for each in ("pool", "images", "work"):
        (tmp_path / each).mkdir()
    confined(tmp_path / "work")
    wanted = fleet(disk=tmp_path / "images" / "disk.qcow2")
    assert readiness.require_for_deploy(wanted, tmp_path / "pool") == ()
    confined(tmp_path / name)
    with pytest.raises(HostError, match="not ready for the fleet 'web'") as caught:
        readiness.require_for_deploy(wanted, tmp_path / "pool")
    assert caught.value.details[0].startswith(f"SELinux: SELinux keeps machines from '{tmp_path / name}'")
    # Where nothing is made nothing can fail.
    wanted.new = ()
    assert readiness.require_for_deploy(wanted, tmp_path / "pool") == ()


def test_a_clone_and_an_import_are_refused_where_selinux_keeps_their_machines_out(host, confined, tmp_path):
    for each in ("pool", "below", "work", "images"):
        (tmp_path / each).mkdir()
    layers = [SimpleNamespace(path=tmp_path / each / "disk.qcow2") for each in ("pool", "below")]
    disk = SimpleNamespace(layers=layers)
    confined(tmp_path / "work")
    readiness.require_for_clone("vm001", disk, tmp_path / "pool")
    with pytest.raises(HostError, match="the import of 'old'"):
        readiness.require_for_import("old")
    confined(tmp_path / "below")
    readiness.require_for_import("old")
    with pytest.raises(HostError, match="clones of 'vm001'"):
        readiness.require_for_clone("vm001", disk, tmp_path / "pool")


def test_a_user_whose_machines_are_a_sessions_own_is_not_held_up(host, confined, tmp_path):
    asked = confined(tmp_path)
    object.__setattr__(host, "uri", "qemu:///session")
    readiness.require_for_import("old")
    assert asked == []


def test_room_is_judged_by_what_the_recipe_needs(host, plan, monkeypatch):
    def state(free):
        facts = folders.FolderFacts(path=host.store.root, free=free, direct_io=True, writable=True)
        monkeypatch.setattr(folders, "gather", lambda *_, **__: facts)
        found = run([check for check in recipe_checks(host, plan, ()) if check.name == "room"])
        return [one.state for one in found]

    disk = plan.machine.disk
    assert state(2**30) == ["fail"]
    assert state(2 * disk - 1) == ["warn"]
    assert state(2 * disk) == ["ok"]


class Connection:
    """A libvirt that is only connected to."""

    def accelerator(self):
        return "tcg"

    def features(self, accelerator):
        return replace(EMULATED, accelerator=accelerator)

    def close(self):
        """Nothing to end."""


def test_the_build_command_asks_the_host_before_it_starts(host, plan, monkeypatch):
    ran = []
    monkeypatch.setattr(planned, "find_medium", lambda *_: None)
    monkeypatch.setattr("imgpipe.build.published", lambda *_: None)
    monkeypatch.setattr(
        "imgpipe.build.build", lambda *_: ran.append("build") or SimpleNamespace(image="image", reused=False)
    )
    monkeypatch.setattr(context, "hypervisor", lambda _notify: Connection())
    assert build._run(plan, [], lambda _event: None) == ("image", "built")
    set_firmware(monkeypatch, plain=False, secure=False, tpm=True)
    with pytest.raises(HostError, match="not ready for the build of 'rocky10'"):
        build._run(plan, [], lambda _event: None)
    assert ran == ["build"]


def test_the_deploy_command_asks_the_host_before_it_starts(host, monkeypatch, tmp_path):
    wanted = fleet(tpm=True)
    options = SimpleNamespace(as_json=False)
    monkeypatch.setattr(context, "store", lambda: Store(tmp_path))
    monkeypatch.setattr(shop, "connected", lambda: nullcontext(Connection()))
    monkeypatch.setattr("imgpipe.deploy.bring_up.fleet_lock", lambda *_: nullcontext())
    monkeypatch.setattr("imgpipe.deploy.bring_up.apply", lambda *_: pytest.fail("something was made"))
    policy, pool = SimpleNamespace(features=EMULATED), SimpleNamespace(path=POOL)
    monkeypatch.setattr(deploy, "_shop", lambda *_: SimpleNamespace(policy=policy, pool=pool))
    monkeypatch.setattr(deploy, "_require_templates", lambda _fleet: None)
    monkeypatch.setattr(deploy, "_plan", lambda *_: (wanted, SimpleNamespace(local=True)))
    monkeypatch.setattr(deploy, "_tell", lambda _plan: None)
    monkeypatch.setattr(deploy, "_require_templates", lambda _fleet: None)
    set_firmware(monkeypatch, plain=True, secure=True, tpm=False)
    with pytest.raises(HostError, match="not ready for the fleet 'web'"):
        deploy._carry_out(wanted.fleet, options, Description())


@pytest.mark.parametrize("local", [True, False])
def test_the_deploy_command_asks_the_libvirt_that_shall_run_the_machines(host, monkeypatch, tmp_path, local):
    wanted, old = fleet(), replace(EMULATED, libvirt=(6, 0, 0))
    policy, pool = SimpleNamespace(features=old), SimpleNamespace(path=POOL)
    monkeypatch.setattr(context, "store", lambda: Store(tmp_path))
    monkeypatch.setattr(shop, "connected", lambda: nullcontext(Connection()))
    monkeypatch.setattr("imgpipe.deploy.bring_up.fleet_lock", lambda *_: nullcontext())
    monkeypatch.setattr("imgpipe.deploy.bring_up.apply", lambda *_: pytest.fail("something was made"))
    monkeypatch.setattr(deploy, "_shop", lambda *_: SimpleNamespace(policy=policy, pool=pool))
    monkeypatch.setattr(deploy, "_require_templates", lambda _fleet: None)
    monkeypatch.setattr(deploy, "_plan", lambda *_: (wanted, SimpleNamespace(local=local)))
    monkeypatch.setattr(deploy, "_tell", lambda _plan: None)
    monkeypatch.setattr(deploy, "_require_templates", lambda _fleet: None)
    with pytest.raises(HostError) as caught:
        deploy._carry_out(wanted.fleet, SimpleNamespace(as_json=False), Description())
    assert len(caught.value.details) == 1
    assert "libvirt 6.0.0 is too old" in caught.value.details[0]


def fleet(bridge="br1", firmware_kind="uefi", *, tpm=False, disk=DISK):
    machine = SimpleNamespace(
        machine=Machine(firmware=firmware_kind),
        template=SimpleNamespace(hardware=Hardware(tpm=tpm), foreign=None, disk=disk, reference="rocky9@1"),
        identity=SimpleNamespace(nics=(SimpleNamespace(kind="bridge", source=bridge),)),
    )
    return SimpleNamespace(new=(machine, machine), fleet=SimpleNamespace(name="web"))


def test_machines_that_would_not_start_are_not_made(host, monkeypatch):
    set_firmware(monkeypatch, plain=True, secure=True, tpm=False)
    assert readiness.require_for_deploy(fleet(), POOL) == ()
    with pytest.raises(HostError, match="'web'"):
        readiness.require_for_deploy(fleet(tpm=True), POOL)


def test_a_bridge_that_is_down_is_warned_of_once(host, monkeypatch):
    down = bridges.BridgeFacts(name="br1", kind="bridge", up=False)
    monkeypatch.setattr(bridges, "gather", lambda name: down)
    (warning,) = readiness.require_for_deploy(fleet(), POOL)
    assert "'br1' is down" in warning


def test_a_bridge_that_is_nowhere_is_the_fleets_own_fault(host, monkeypatch):
    monkeypatch.setattr(bridges, "gather", lambda name: bridges.BridgeFacts(name=name, kind="missing"))
    assert readiness.require_for_deploy(fleet(), POOL) == ()


def test_repairs_are_shown_then_done_and_one_that_fails_stops_no_other(monkeypatch, capsys):
    done = []

    def follow(*argv, heard, timeout_s):
        done.append(argv)
        if argv[0] == "false":
            raise HostError("The program 'false' failed.")

    monkeypatch.setattr("imgpipe.adapters.process.follow", follow)
    found = [
        Finding(name="a", state="warn", meaning="", repairs=(("false",), ("imgpipe", "images", "prune"))),
        Finding(name="b", state="warn", meaning="", repairs=(("false",),)),
    ]
    assert doctor._mend(found, yes=True)
    assert done[0] == ("false",)
    assert done[1][-2:] == ("images", "prune")
    assert len(done) == 2
    said = capsys.readouterr().err
    assert said.index("to do: imgpipe images prune") < said.index("doing: false")
    assert "error: The program 'false' failed." in said


def test_where_nothing_can_be_mended_safely_nothing_is_done():
    assert not doctor._mend([Finding(name="a", state="fail", meaning="", commands=("rm -rf /x",))], yes=True)


def test_a_build_is_refused_by_name_where_libvirt_cannot_run_it(host, plan):
    old = replace(EMULATED, libvirt=(6, 0, 0))
    with pytest.raises(HostError) as caught:
        readiness.require_for_build(plan, old)
    assert caught.value.details == (
        "libvirt version: libvirt 6.0.0 is too old: imgpipe's machines need 6.2.0 or newer.",
    )


def test_firmware_that_is_missing_is_told_once(host, plan, monkeypatch):
    set_firmware(monkeypatch, plain=False, secure=False, tpm=True)
    with pytest.raises(HostError) as caught:
        readiness.require_for_build(plan, replace(EMULATED, libvirt=(6, 2, 0)))
    assert [detail.partition(":")[0] for detail in caught.value.details] == ["UEFI"]
    set_firmware(monkeypatch, plain=True, secure=True, tpm=True)
    with pytest.raises(HostError) as caught:
        readiness.require_for_build(plan, replace(EMULATED, libvirt=(6, 2, 0)))
    assert "might take any" in caught.value.details[0]


def test_what_a_build_does_without_is_returned_and_told_by_the_command(host, plan, monkeypatch):
    monkeypatch.setattr(planned, "find_medium", lambda *_: None)
    monkeypatch.setattr("imgpipe.build.published", lambda *_: None)
    monkeypatch.setattr("imgpipe.build.build", lambda *_: SimpleNamespace(image="image", reused=False))
    old = Connection()
    old.features = lambda _: replace(EMULATED, libvirt=(7, 5, 0))
    monkeypatch.setattr(context, "hypervisor", lambda _notify: old)
    told = []
    build._run(plan, [], told.append)
    (without,) = readiness.require_for_build(plan, old.features("tcg"))
    assert "translation cache" in without
    assert without in [event.text for event in told if isinstance(event, Note)]


@pytest.mark.parametrize(
    ("features", "words"),
    [
        (EMULATED, ()),
        (replace(EMULATED, libvirt=(7, 5, 0)), ("translation cache",)),
        (replace(EMULATED, libvirt=(6, 0, 0)), ("no machine of this plan runs here: libvirt 6.0.0 is too old",)),
        (None, ("none runs now",)),
        (HostError("No."), ("libvirt was not asked what it can: No.",)),
    ],
    ids=["newest", "older", "too old", "off", "failing"],
)
def test_a_plan_says_what_this_hosts_libvirt_lacks_where_it_can_be_asked(host, plan, monkeypatch, features, words):
    def features_at(uri, _used):
        assert uri == host.uri
        if isinstance(features, HostError):
            raise features
        return features

    monkeypatch.setattr("imgpipe.host.doctor.daemon.features_at", features_at)
    found = readiness.without_on_this_host(plan)
    assert len(found) == len(words)
    assert all(part in line for part, line in zip(words, found, strict=True))
    assert all(f"this host    {line}" in describe(plan, (), found) for line in found)


def test_doctor_judges_what_a_recipe_needs_of_libvirt(host, plan, monkeypatch):
    def found(features):
        monkeypatch.setattr("imgpipe.host.doctor.daemon.features_at", lambda *_: features)
        checks = [check for check in recipe_checks(host, plan, ()) if check.name == "libvirt features"]
        return [(one.name, one.state) for one in run(checks)]

    assert found(EMULATED) == found(None) == []
    assert found(replace(EMULATED, libvirt=(6, 0, 0))) == [("libvirt version", "fail")]


def test_an_image_that_this_hosts_qemu_does_not_read_is_not_deployed(host, monkeypatch, tmp_path):
    image = tmp_path / "image.qcow2"
    # QEMU's docs/interop/qcow2.rst: version 3, the incompatible feature 'compression type', and zstd.
    head = struct.pack(">4sI", b"QFI\xfb", 3) + bytes(64) + struct.pack(">QQQII", 1 << 3, 0, 0, 4, 112) + b"\1"
    image.write_bytes(head + bytes(512))
    wanted = fleet()
    wanted.new[0].template.disk = image
    monkeypatch.setattr("imgpipe.adapters.qemu_img.best_compression", lambda: "zstd")
    readiness.require_for_deploy(wanted, POOL)
    monkeypatch.setattr("imgpipe.adapters.qemu_img.best_compression", lambda: "zlib")
    with pytest.raises(HostError) as caught:
        readiness.require_for_deploy(wanted, POOL)
    assert "'rocky9@1': compressed with zstd" in caught.value.details[0]
    assert "--compression zlib" in caught.value.details[0]
    image.write_bytes(head[:-1] + bytes(512))
    readiness.require_for_deploy(wanted, POOL)
