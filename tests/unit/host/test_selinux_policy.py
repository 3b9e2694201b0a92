"""The policy is asked about folders; it answers here as the compiled policies of data/selinux.json do."""

import json
from pathlib import Path

import pytest

from imgpipe.adapters import installed, selinux

DATA = json.loads((Path(__file__).parent / "data/selinux.json").read_text())
CLASSES = {"file": ("open", "read", "write", "relabelfrom", "relabelto"), "dir": ("search",)}


@pytest.fixture
def policy(tmp_path, monkeypatch):
    """A selinuxfs whose kernel answers by one of the policies; a further answer may be given."""
    for index, (name, permissions) in enumerate(CLASSES.items(), 1):
        (tmp_path / "class" / name / "perms").mkdir(parents=True)
        (tmp_path / "class" / name / "index").write_text(f"{index}\n")
        for number, permission in enumerate(permissions, 1):
            (tmp_path / "class" / name / "perms" / permission).write_text(f"{number}\n")

    def answering(release, **more):
        def access(question, _files):
            source, target, index = question.split()
            source, target, name = source.split(":")[2], target.split(":")[2], list(CLASSES)[int(index) - 1]
            asked = f"sesearch -A -s {source} -t {target} -c {name} -p"
            answers = [(each, DATA["answers"].get(f"{asked} {each}", {})) for each in CLASSES[name]]
            told = [more.get(each) or answer.get(release) for each, answer in answers]
            bits = sum(1 << number for number, answer in enumerate(told) if answer == "allowed")
            return bits, "permissive" in told

        monkeypatch.setattr(selinux, "_access", access)
        monkeypatch.setattr(selinux, "daemon_type", lambda: DATA["policies"][release]["daemons"][0])
        return tmp_path

    return answering


@pytest.mark.parametrize("release", DATA["policies"])
@pytest.mark.parametrize("kind", DATA["places"]["data root"])
def test_no_folder_of_a_local_disk_keeps_machines_out_as_the_policies_are(policy, release, kind):
    assert selinux.refused_to_machines(kind, keeps_labels=True, files=policy(release)) == ()


def test_a_daemon_that_is_no_longer_permissive_is_kept_out_of_all_but_labelled_folders(policy):
    files = policy("c10s", relabelfrom="denied", relabelto="denied")
    refused = selinux.refused_to_machines("var_lib_t", keeps_labels=True, files=files)
    assert refused == ("virtqemud_t: relabelfrom of a file", "virtqemud_t: relabelto of a file")
    assert selinux.refused_to_machines("virt_image_t", keeps_labels=True, files=policy("c10s")) == ()


def test_without_labels_of_its_own_a_file_must_be_the_machines_as_it_is(policy):
    files = policy("c9s", open="denied", read="denied", write="denied", search="allowed")
    refused = selinux.refused_to_machines("nfs_t", keeps_labels=False, files=files)
    assert refused == ("svirt_t: open of a file", "svirt_t: read of a file", "svirt_t: write of a file")


def test_a_policy_that_cannot_be_asked_refuses_nothing_and_is_told_of(tmp_path):
    assert selinux.refused_to_machines("var_lib_t", keeps_labels=True, files=tmp_path) is None


def test_file_systems_that_keep_labels_are_told_by_the_kernel(tmp_path):
    device = tmp_path.stat().st_dev
    number = f"{device >> 8 & 0xFFF}:{device & 0xFF}"
    mounts = tmp_path / "mountinfo"
    for options, keeps in (("rw,seclabel", True), ("rw", False)):
        mounts.write_text(f"36 35 {number} / / rw,relatime shared:1 - xfs /dev/sda1 {options}\n")
        assert selinux.keeps_labels(tmp_path, mounts) is keeps


@pytest.mark.parametrize(
    ("serving", "kind", "domain"),
    [
        ("virtqemud", "virtqemud_exec_t", "virtqemud_t"),
        ("libvirtd", "virtd_exec_t", "virtd_t"),
        ("libvirtd", "", "virtd_t"),
        ("", "virtqemud_exec_t", "virtd_t"),
    ],
)
def test_the_policy_is_asked_for_the_daemon_that_serves(serving, kind, domain, monkeypatch):
    daemons = installed.Daemons(serving, ()) if serving else None
    monkeypatch.setattr(installed, "daemons", lambda: daemons)
    monkeypatch.setattr(selinux.process, "which", lambda program: f"/usr/sbin/{program}")
    monkeypatch.setattr(selinux, "type_of", lambda path: kind if path.name == serving else "other_exec_t")
    assert selinux.daemon_type() == domain
