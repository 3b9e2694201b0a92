"""What the adapters decide by themselves: whom a folder stops, which key has which number, whether KVM works."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from imgpipe.adapters.accelerator import AcceleratorProbe, newest_host_kernel
from imgpipe.adapters.keys import key_code
from imgpipe.adapters.libvirt_errors import blocked_folder
from imgpipe.adapters.records import Recorded
from imgpipe.domain_features import NEWEST, Features
from imgpipe.domain_spec import Accelerator, stable_mac
from imgpipe.errors import HostError, PluginError, RecipeError
from imgpipe.events import Note
from imgpipe.machine_state import MachineState


class FakeMachine:
    def __init__(self, console: Path, text: bytes) -> None:
        console.write_bytes(text)
        self.destroyed = False

    def state(self) -> MachineState:
        return MachineState(situation="ended", ending="powered-off")

    def finish_records(self) -> None:
        """Nothing is left to come."""

    def destroy(self) -> None:
        self.destroyed = True


class FakeHypervisor:
    uri = "qemu:///system"
    local = False

    def __init__(self, *, kvm: bool = True, text: bytes = b"", error: HostError | None = None) -> None:
        self.kvm, self.text, self.error = kvm, text, error
        self.qemu = "10.0.2"
        self.starts = 0

    def offers_kvm(self) -> bool:
        return self.kvm

    def versions(self) -> dict[str, str]:
        return {"qemu": self.qemu}

    def features(self, accelerator: Accelerator) -> Features:
        return replace(NEWEST, accelerator=accelerator)

    def start_transient(self, xml: str, *, recorded: Recorded) -> FakeMachine:
        self.starts += 1
        if self.error:
            raise self.error
        assert recorded.console
        return FakeMachine(recorded.console, self.text)


@pytest.fixture
def kernel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "vmlinuz"
    path.write_bytes(b"kernel")
    monkeypatch.setattr("imgpipe.adapters.accelerator.newest_host_kernel", lambda: path)
    monkeypatch.delenv("IMGPIPE_ACCELERATOR", raising=False)
    return path


def probe(hypervisor: FakeHypervisor, cache: Path, heard: list[object] | None = None) -> str:
    listener = (heard if heard is not None else []).append
    return AcceleratorProbe(hypervisor, listener, cache).accelerator()  # type: ignore[arg-type]


def test_a_kernel_that_speaks_proves_kvm_and_is_asked_once(kernel: Path, tmp_path: Path):
    hypervisor = FakeHypervisor(text=b"[0.0] Linux version 6.1\n")
    assert probe(hypervisor, tmp_path / "cache") == "kvm"
    assert probe(hypervisor, tmp_path / "cache") == "kvm"
    assert hypervisor.starts == 1
    assert list(json.loads((tmp_path / "cache" / "accelerator.json").read_text()).values()) == ["kvm"]
    assert [path.name for path in (tmp_path / "cache").iterdir()] == ["accelerator.json"]


def test_a_kernel_that_says_nothing_means_emulation_and_that_is_told(kernel: Path, tmp_path: Path):
    heard: list[object] = []
    hypervisor = FakeHypervisor(text=b"Probing EDD (edd=off to disable)... ok")
    assert probe(hypervisor, tmp_path, heard) == "tcg"
    assert [note.warning for note in heard if isinstance(note, Note)] == [True]


def test_another_qemu_is_asked_anew(kernel: Path, tmp_path: Path):
    hypervisor = FakeHypervisor(text=b"")
    assert probe(hypervisor, tmp_path) == "tcg"
    hypervisor.qemu, hypervisor.text = "11.0.0", b"Linux version"
    assert probe(hypervisor, tmp_path) == "kvm"
    assert hypervisor.starts == 2


def test_a_host_without_kvm_starts_nothing(kernel: Path, tmp_path: Path):
    hypervisor = FakeHypervisor(kvm=False)
    assert probe(hypervisor, tmp_path) == "tcg"
    assert hypervisor.starts == 0


def test_kvm_that_qemu_cannot_use_is_none_but_another_failure_is_told(kernel: Path, tmp_path: Path):
    broken = HostError("libvirt could not start it.", details=("failed to initialize kvm: Permission denied",))
    assert probe(FakeHypervisor(error=broken), tmp_path) == "tcg"
    other = HostError("QEMU cannot reach '/x'.", details=("Cannot access storage file",))
    with pytest.raises(HostError, match="cannot reach"):
        probe(FakeHypervisor(error=other), tmp_path / "other")


def test_a_qemu_that_aborts_on_kvm_is_not_started_by_libvirt(kernel: Path, tmp_path: Path, monkeypatch):
    monkeypatch.setattr("imgpipe.adapters.accelerator.qemu_aborts", lambda: True)
    hypervisor = FakeHypervisor(text=b"Linux version")
    hypervisor.local = True
    heard: list[Note] = []
    assert probe(hypervisor, tmp_path, heard) == "tcg"
    assert hypervisor.starts == 0
    assert heard[0].text.startswith("libvirt offers KVM, but QEMU cannot use it: machines are emulated")
    hypervisor.local = False
    assert probe(hypervisor, tmp_path / "remote") == "kvm"


def test_the_environment_answers_instead(kernel: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    hypervisor = FakeHypervisor()
    for asked in ("kvm", "tcg"):
        monkeypatch.setenv("IMGPIPE_ACCELERATOR", asked)
        assert probe(hypervisor, tmp_path) == asked
    monkeypatch.setenv("IMGPIPE_ACCELERATOR", "xen")
    with pytest.raises(RecipeError, match="xen"):
        probe(hypervisor, tmp_path)
    assert hypervisor.starts == 0


def test_without_a_kernel_kvm_is_taken_on_trust_with_a_warning(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("imgpipe.adapters.accelerator.newest_host_kernel", lambda: None)
    monkeypatch.delenv("IMGPIPE_ACCELERATOR", raising=False)
    heard: list[object] = []
    assert probe(FakeHypervisor(), tmp_path, heard) == "kvm"
    assert [note.warning for note in heard if isinstance(note, Note)] == [True]
    assert not (tmp_path / "accelerator.json").exists()


def test_a_damaged_memory_is_no_memory(kernel: Path, tmp_path: Path):
    (tmp_path / "accelerator.json").write_text("{")
    assert probe(FakeHypervisor(text=b"Linux version"), tmp_path) == "kvm"


def test_a_folder_without_a_kernel_has_none(tmp_path: Path):
    assert newest_host_kernel(tmp_path) is None


def test_the_outermost_folder_that_stops_a_user_is_named(tmp_path: Path):
    tmp_path.chmod(0o755)
    outer, inner = tmp_path / "outer", tmp_path / "outer" / "inner"
    inner.mkdir(parents=True)
    outer.chmod(0o700)
    inner.chmod(0o700)
    stopped = blocked_folder(inner / "disk", uid=4_000_000, gid=4_000_000)
    assert stopped is not None
    assert not stopped.stat().st_mode & 0o001
    assert stopped in {outer, *outer.parents}
    assert blocked_folder(inner / "disk", uid=0, gid=0) is None
    assert blocked_folder(Path("/disk"), uid=4_000_000, gid=4_000_000) is None


def test_keys_have_the_kernels_numbers():
    numbers = {"KEY_ENTER": 28, "KEY_SPACE": 57, "KEY_ESC": 1, "KEY_A": 30, "KEY_M": 50, "KEY_F12": 88, "KEY_DOWN": 108}
    assert {name: key_code(name) for name in numbers} == numbers
    with pytest.raises(PluginError, match="KEY_ANY"):
        key_code("KEY_ANY")


def test_a_stable_mac_is_qemus_and_always_the_same():
    assert stable_mac("a", "0") == stable_mac("a", "0") != stable_mac("a", "1")
    assert stable_mac("a", "0").startswith("52:54:00:")
