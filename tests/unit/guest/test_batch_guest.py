"""Many disks in few appliances: which launch has which disk, and what becomes of the others when one fails."""

from contextlib import contextmanager
from pathlib import Path

import pytest

from imgpipe.adapters import batch_guest
from imgpipe.adapters.batch_guest import MOST_DISKS, inject
from imgpipe.errors import GuestError, HostError
from imgpipe.offline_edits import Empty, WriteFile
from imgpipe.self_sealing import SystemVolume

STEPS = (WriteFile(path="/etc/hostname", content="x\n"),)


class Appliances:
    """Stands in for the worker; a disk's name says how it behaves."""

    def __init__(self):
        self.launches = []
        self.edited = []
        self.alone = []
        self.closed = 0

    @contextmanager
    def start_worker(self, _log):
        yield self

    def ask(self, call, _timeout_s, **arguments):
        if call == "open_batch":
            self.launches.append([Path(path).stem for path in arguments["paths"]])
        elif call == "mount_in_batch":
            self.current = self.launches[-1][arguments["number"]]
            if self.current.startswith("strange"):
                raise GuestError("No system.")
        elif call == "edit_in_batch":
            assert arguments["steps"] == [{"kind": "WriteFile", "path": "/etc/hostname", "content": "x\n", "mode": 420}]
            assert arguments["claims"] == [{"kind": "Empty", "path": "/etc/machine-id"}]
            self._edit()
            return [f"Look at {self.current}."]
        elif call == "close_batch":
            self.closed += 1
        return None

    def _edit(self):
        if self.current.startswith("deadly"):
            raise HostError("The worker ended.")
        if self.current.startswith("broken"):
            raise GuestError("No.", details=["why"])
        self.edited.append(self.current)

    @contextmanager
    def open_disk(self, path, **_how):
        self.alone.append(path.stem)
        raise GuestError("The disk holds no operating system.")
        yield


@pytest.fixture
def appliances(monkeypatch):
    made = Appliances()
    monkeypatch.setattr(batch_guest, "start_worker", made.start_worker)
    monkeypatch.setattr(batch_guest, "open_disk", made.open_disk)
    return made


def run(*names):
    disks = [(Path(f"/d/{name}.qcow2"), STEPS) for name in names]
    refused = inject(disks, "tcg", claims=(Empty(path="/etc/machine-id"),))
    return {one.path.stem: (one.reason, *one.details) for one in refused}


def test_one_launch_has_many_disks_and_more_disks_have_more(appliances):
    names = [f"d{number}" for number in range(MOST_DISKS + 1)]
    assert run(*names) == {}
    assert [len(launch) for launch in appliances.launches] == [MOST_DISKS, 1]
    assert appliances.edited == names
    assert appliances.closed == 2


def test_no_disks_need_no_appliance(appliances):
    assert run() == {}
    assert appliances.launches == []


def test_a_disk_that_fails_is_named_and_the_others_are_edited(appliances):
    assert run("a", "broken", "b") == {"broken": ("No.", "why")}
    assert appliances.edited == ["a", "b"]
    assert len(appliances.launches) == 1


def test_what_edits_left_to_be_done_is_told_with_its_disk(appliances):
    heard = []
    disks = [(Path(f"/d/{name}.qcow2"), STEPS) for name in ("a", "broken", "b")]
    claims = (Empty(path="/etc/machine-id"),)
    inject(disks, "tcg", claims=claims, remark=lambda path, text: heard.append((path.stem, text)))
    assert heard == [("a", "Look at a."), ("b", "Look at b.")]


def test_a_system_that_is_not_found_is_looked_for_alone(appliances):
    assert run("a", "strange", "b") == {"strange": ("The disk holds no operating system.",)}
    assert (appliances.edited, appliances.alone) == (["a", "b"], ["strange"])


def test_the_volume_of_another_system_is_never_looked_for_in_another_way(appliances, monkeypatch):
    asked = []

    def ask(call, _timeout_s, **arguments):
        asked.append((call, arguments))
        if call == "mount_volume_in_batch" and arguments["number"] == 1:
            raise GuestError("No system.")

    monkeypatch.setattr(appliances, "ask", ask)
    disks = [(Path(f"/d/{name}.qcow2"), STEPS) for name in ("a", "strange", "b")]
    refused = inject(disks, "tcg", volume=SystemVolume(holds=("/SOFTWARE",)))
    assert [(one.path.stem, one.reason) for one in refused] == [("strange", "No system.")]
    mounts = [arguments for call, arguments in asked if call == "mount_volume_in_batch"]
    assert mounts == [{"number": number, "filesystem": "ntfs", "holds": ["/SOFTWARE"]} for number in range(3)]
    assert [call for call, _ in asked].count("edit_in_batch") == 2
    assert appliances.alone == []


def test_after_a_death_only_the_disks_behind_it_are_launched_again(appliances):
    assert run("a", "deadly", "b", "c") == {"deadly": ("The worker ended.",)}
    assert appliances.launches == [["a", "deadly", "b", "c"], ["b", "c"]]
    assert appliances.edited == ["a", "b", "c"]


def test_deaths_without_end_are_the_hosts_fault(appliances):
    with pytest.raises(HostError, match="The worker ended"):
        run("deadly1", "deadly2", "deadly3", "deadly4", "a")
    assert len(appliances.launches) == 3
