"""The order and the judgement of sealing, with a guest that says what a test wants to hear."""

from contextlib import contextmanager
from dataclasses import replace

import pytest
from sealing import Proof, installed, plan, workplace

from imgpipe.adapters.guest import Inspection
from imgpipe.artifacts import OsRelease, Package, PackageList
from imgpipe.errors import GuestError
from imgpipe.events import Note
from imgpipe.offline_edits import Absent, Empty, Operation, Remove, WriteFile
from imgpipe.operations import network
from imgpipe.recipe import Nic
from imgpipe.sealed_secrets import SECRET_PLACES
from imgpipe.stages import sysprep

PROOF = Proof(console="", failure="", file="/root/.proof", content="done")
NO_PROOF = Proof(console="", failure="", file="", content="")
INSPECTION = Inspection(
    kind="linux",
    product="Debian",
    distro="debian",
    version="12.5",
    arch="x86_64",
    package_format="deb",
    hostname="",
    mountpoints=(("/", "/dev/sda1"),),
)


class FakeGuest:
    inspection = INSPECTION

    def __init__(self):
        self.calls = []
        self.left = ()
        self.leaks = ()
        self.machine_id = 0
        self.proof = b"done\n"
        self.listed = PackageList(format="deb", packages=(Package(name="bash", version="5"),))

    def read(self, path):
        self.calls.append(f"read {path}")
        return self.proof

    def packages(self):
        return self.listed

    def release(self):
        return OsRelease(id="debian", version="12", title="Debian GNU/Linux 12 (bookworm)")

    def apply(self, steps):
        self.steps = tuple(steps)
        self.calls.append("apply")

    def relabel(self):
        self.calls.append("relabel")

    def remains(self, claim):
        self.calls.append("remains")
        return tuple(path for path in self.left if path in claim.patterns)

    def size(self, _path):
        return self.machine_id

    def search(self, _patterns, _texts):
        return self.leaks

    def trim(self):
        self.calls.append("trim")
        return ()


@pytest.fixture
def guest(monkeypatch):
    fake = FakeGuest()

    @contextmanager
    def open_disk(path, *, accelerator, log):
        yield fake

    monkeypatch.setattr(sysprep, "open_disk", open_disk)
    monkeypatch.setattr(sysprep.qemu_img, "create_overlay", lambda path, **_: path.write_text("overlay"))
    return fake


def seal(tmp_path, chosen, heard=None):
    return sysprep.seal(
        chosen, installed(tmp_path / "installed.qcow2", "k1"), workplace(tmp_path, [] if heard is None else heard)
    )


def without(chosen, name):
    return replace(chosen, operations=tuple(item for item in chosen.operations if item.name != name))


def test_a_disk_is_edited_labelled_judged_and_then_trimmed(tmp_path, guest):
    sealed = seal(tmp_path, plan("", PROOF))
    assert list(dict.fromkeys(guest.calls)) == ["read /root/.proof", "apply", "relabel", "remains", "trim"]
    assert guest.steps[-1] == Remove(patterns=("/root/.proof",))
    assert sealed.path.read_text() == "overlay"
    assert (sealed.state.product, sealed.state.packages) == ("Debian", (Package(name="bash", version="5"),))


def test_a_system_that_libguestfs_does_not_know_says_itself_what_it_is(tmp_path, guest):
    guest.inspection = replace(INSPECTION, product="", distro="", version="0.0", package_format="")
    state = seal(tmp_path, plan("", PROOF)).state
    assert (state.product, state.distro, state.version) == ("Debian GNU/Linux 12 (bookworm)", "debian", "12")
    assert (state.package_format, len(state.packages)) == ("deb", 1)


def test_an_image_whose_packages_nobody_can_read_is_told_of(tmp_path, guest):
    guest.listed = PackageList()
    heard = []
    assert seal(tmp_path, plan("", PROOF), heard).state.packages == ()
    assert [event.text for event in heard if isinstance(event, Note) and "SBOM" in event.text]


def test_the_second_time_nothing_is_opened(tmp_path, guest):
    chosen = plan("", PROOF)
    first = seal(tmp_path, chosen)
    guest.calls.clear()
    assert seal(tmp_path, chosen) == replace(first, reused=True)
    assert guest.calls == []


def test_a_sealed_disk_without_its_record_is_made_again(tmp_path, guest):
    chosen = plan("", PROOF)
    first = seal(tmp_path, chosen)
    first.path.with_suffix(".json").write_text("{}")
    assert not seal(tmp_path, chosen).reused


@pytest.mark.parametrize(("content", "reason"), [(None, "is missing"), (b"half", "is not what the answer file")])
def test_without_proof_nothing_is_touched(tmp_path, guest, content, reason):
    guest.proof = content
    with pytest.raises(GuestError, match=reason):
        seal(tmp_path, plan("", PROOF))
    assert guest.calls == ["read /root/.proof"]
    assert not list(tmp_path.rglob("sealed-*"))


def test_a_disk_from_elsewhere_needs_no_proof(tmp_path, guest):
    guest.proof = None
    seal(tmp_path, plan("", NO_PROOF))
    assert "read" not in " ".join(guest.calls)


def test_everything_that_does_not_hold_is_told_at_once(tmp_path, guest):
    guest.left, guest.machine_id, guest.leaks = ("/etc/ssh/ssh_host_*",), 33, ("/etc/shadow", "/root/ks.cfg")
    with pytest.raises(GuestError, match="3 claims do not hold") as caught:
        seal(tmp_path, plan("rootpw --plaintext hunter22\n", PROOF))
    assert set(caught.value.details) == {
        "ssh-hostkeys: '/etc/ssh/ssh_host_*' is still there",
        "machine-id: '/etc/machine-id' is not empty",
        "'/root/ks.cfg' holds a password of the answer file",
    }
    assert not list(tmp_path.rglob("sealed-*"))


@pytest.mark.parametrize("path", ["/etc/shadow-", "/etc/shadow.bak", "/etc/shadow/x", "/var/backups/shadow"])
def test_a_hash_is_at_home_in_etc_shadow_alone(tmp_path, guest, path):
    guest.leaks = ("/etc/shadow", path)
    with pytest.raises(GuestError) as caught:
        seal(tmp_path, plan("rootpw --plaintext hunter22\n", PROOF))
    assert caught.value.details == (f"'{path}' holds a password of the answer file",)
    guest.leaks = ("/etc/shadow",)
    held = seal(tmp_path, plan("rootpw --plaintext hunter22\n", PROOF)).state.asserted
    sentence = "No password of the answer file is where installers leave copies, other than in /etc/shadow."
    assert sentence in held


def test_what_is_searched_are_the_known_places_for_the_plans_passwords(tmp_path, guest):
    asked = []
    guest.search = lambda places, texts: asked.append((places, texts)) or ()
    seal(tmp_path, plan("rootpw --plaintext hunter22\n", PROOF))
    assert asked == [(SECRET_PLACES, ("hunter22",))]


def test_a_site_that_replaces_a_vital_operation_is_still_held_to_its_claims(tmp_path, guest):
    guest.machine_id = None
    own = Operation(name="machine-id", description="Site's own.", steps=(WriteFile(path="/etc/x", content=""),))
    chosen = plan("", PROOF)
    chosen = replace(chosen, operations=(*without(chosen, "machine-id").operations, own))
    with pytest.raises(GuestError) as caught:
        seal(tmp_path, chosen)
    assert caught.value.details == ("machine-id: '/etc/machine-id' is missing",)


def test_leaving_a_vital_operation_out_is_possible_and_warned_of(tmp_path, guest):
    guest.machine_id, heard = 33, []
    place = workplace(tmp_path, heard)
    sysprep.seal(without(plan("", PROOF), "machine-id"), installed(tmp_path / "i.qcow2", "k1"), place)
    assert [event.text for event in heard if isinstance(event, Note) and event.warning] == [
        "Sealed without 'machine-id', as the recipe says: clones will share it."
    ]


@pytest.mark.parametrize(
    ("claim", "sentence"),
    [
        (Absent(patterns=("/etc/a", "/etc/b/*")), "x: nothing matches /etc/a, /etc/b/*."),
        (Absent(patterns=("/etc/b/*",), files_only=True), "x: no file matches /etc/b/*."),
        (
            Absent(patterns=("/etc/b/*",), keep=("/etc/b/c",)),
            "x: nothing matches /etc/b/*, but what matches /etc/b/c is kept.",
        ),
        (Empty(path="/etc/machine-id"), "x: /etc/machine-id is an empty file."),
    ],
)
def test_no_more_is_asserted_than_was_looked_for(tmp_path, guest, claim, sentence):
    sealed = seal(tmp_path, plan("", NO_PROOF, (Operation(name="x", description="x", steps=(), sealed=(claim,)),)))
    assert sentence in sealed.state.asserted


def test_a_profile_that_is_kept_is_not_said_to_be_absent(tmp_path, guest):
    (operation,) = (one for one in network.operations((Nic(name="eth0"),)) if one.name == "nic-profiles")
    (told,) = (one for one in seal(tmp_path, plan("", NO_PROOF, (operation,))).state.asserted if "nic-profiles" in one)
    assert "/system-connections/*" in told
    assert "is kept" in told
    assert "/system-connections/eth0.nmconnection" in told.partition(", but what matches ")[2]
