"""Whether machines run on KVM, or are emulated; whether the CPU and QEMU are enough for what shall run."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from imgpipe.adapters.kvm_device import Device, kvm_device
from imgpipe.domain_spec import Accelerator
from imgpipe.host.doctor.finding import Finding, State

CPUINFO = Path("/proc/cpuinfo")
AGAIN = "imgpipe doctor --deep"
_MODULES = {"vmx": "kvm_intel", "svm": "kvm_amd"}
_SLOW = "machines are emulated (TCG), which is some ten times slower"

# x86-64 psABI, micro-architecture levels, in the words of /proc/cpuinfo (lzcnt is 'abm' there).
_LEVELS = (
    (2, {"cx16", "lahf_lm", "popcnt", "sse4_1", "sse4_2", "ssse3"}),
    (3, {"abm", "avx", "avx2", "bmi1", "bmi2", "f16c", "fma", "movbe", "xsave"}),
    (4, {"avx512bw", "avx512cd", "avx512dq", "avx512f", "avx512vl"}),
)
# QEMU emulates AVX2 since 7.2, which makes its 'max' an x86-64-v3.
_EMULATES_V3 = (7, 2)


@dataclass(frozen=True, slots=True, kw_only=True)
class AcceleratorFacts:
    """What is known without booting anything; `asked` is what IMGPIPE_ACCELERATOR says, `remembered` an earlier try.

    `system` says that the system's daemon runs the machines: it opens the device for them, whether you may or not.
    """

    device: Device
    cpu_flags: frozenset[str]
    asked: Accelerator | None = None
    remembered: Accelerator | None = None
    system: bool = False

    @property
    def offered(self) -> bool:
        """Whether machines may use KVM, as far as the device says."""
        return self.device == "opens" or (self.device == "closed" and self.system)

    @property
    def used(self) -> Accelerator | None:
        """Which one a build would use; None where only a try can tell."""
        return self.asked or (self.remembered if self.offered else "tcg")


def cpu_flags(path: Path = CPUINFO) -> frozenset[str]:
    """Return the flags of the first CPU."""
    for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
        if line.startswith("flags"):
            return frozenset(line.partition(":")[2].split())
    return frozenset()


def gather(
    device: Path, asked: Accelerator | None, remembered: Accelerator | None, *, system: bool = False
) -> AcceleratorFacts:
    """Look at the device node and the CPU."""
    return AcceleratorFacts(
        device=kvm_device(device), cpu_flags=cpu_flags(), asked=asked, remembered=remembered, system=system
    )


def judge(facts: AcceleratorFacts, user: str) -> Finding:
    """Say which accelerator will be used, and why not KVM; `user` is who runs imgpipe."""
    if facts.asked == "kvm" and not facts.offered:
        words = f"IMGPIPE_ACCELERATOR asks for KVM, but {_why_not(facts)}: no machine starts."
        return _finding("fail", words, "unset IMGPIPE_ACCELERATOR", *_mends(facts, user))
    if facts.asked == "tcg":
        words = f"IMGPIPE_ACCELERATOR asks for emulation: {_SLOW}."
        return _finding("warn", words, "unset IMGPIPE_ACCELERATOR")
    if not facts.offered:
        return _finding("warn", f"{_sentence(_why_not(facts))}: {_SLOW}.", *_mends(facts, user))
    match facts.asked or facts.remembered:
        case "kvm":
            return _used(facts, user)
        case "tcg":
            return broken(facts)
    return _finding("unknown", "KVM is offered; only booting a kernel shows whether it works.", AGAIN)


def _used(facts: AcceleratorFacts, user: str) -> Finding:
    how = "is asked for by IMGPIPE_ACCELERATOR" if facts.asked else "was tried here and boots a kernel"
    if facts.device == "closed":
        words = f"KVM {how}, but {_why_not(facts)}: libguestfs, which runs as you, is emulated."
        return _finding("warn", words, *_mends(facts, user))
    return _finding("ok", f"KVM {how}.")


def works() -> Finding:
    """Return what is told of a KVM that just booted a kernel."""
    return _finding("ok", "KVM boots a kernel: it was tried just now.")


def broken(facts: AcceleratorFacts) -> Finding:
    """Return what is told of a KVM that boots nothing."""
    nested = ""
    if "hypervisor" in facts.cpu_flags:
        nested = " This host is a virtual machine itself: its own host must offer nested virtualization that works."
    words = f"KVM is present but broken: a kernel that was booted with it printed nothing, so {_SLOW}.{nested}"
    return _finding("warn", words, AGAIN)


def judge_cpu(
    facts: AcceleratorFacts, qemu: tuple[int, ...], needed: int = 0, title: str = "", newer: tuple[str, ...] = ()
) -> Finding:
    """Say what x86-64 level guests see, and whether it is enough for the system `title`, which needs `needed`.

    `newer` are the commands that bring a newer QEMU to this host.
    """
    emulated = facts.used == "tcg"
    emulates = 3 if qemu >= _EMULATES_V3 else 2
    level = emulates if emulated else cpu_level(facts.cpu_flags)
    whose = "QEMU emulates" if emulated else "The CPU is"
    if needed > level:
        words = f"{whose} x86-64-v{level}, and {title} needs x86-64-v{needed}: it would stop at its first program."
        words += " QEMU 7.2 or newer emulates it." if emulates < needed else " Emulated, it runs."
        first = newer if emulates < needed else ()
        mends = first if emulated else (*first, "export IMGPIPE_ACCELERATOR=tcg")
        return Finding(name="CPU", state="fail", meaning=words, commands=mends)
    if level < 3 and not needed:
        words = f"{whose} x86-64-v{level}: Enterprise Linux 10 (v3) does not run{' nor does 9 (v2)' * (level < 2)}."
        return Finding(name="CPU", state="warn", meaning=words)
    return Finding(name="CPU", state="ok", meaning=f"{whose} x86-64-v{level}.")


def cpu_level(flags: frozenset[str]) -> int:
    """Return the x86-64 level that the flags make, 1 to 4."""
    level = 1
    for number, needed in _LEVELS:
        if not needed <= flags:
            break
        level = number
    return level


def _why_not(facts: AcceleratorFacts) -> str:
    match facts.device:
        case "closed":
            return "'/dev/kvm' may not be opened by you"
        case "fake":
            return "'/dev/kvm' is not KVM's device"
    return "this host has no '/dev/kvm'"


def _sentence(words: str) -> str:
    return words[:1].upper() + words[1:]


def _mends(facts: AcceleratorFacts, user: str) -> Iterator[str]:
    module = next((module for flag, module in _MODULES.items() if flag in facts.cpu_flags), "")
    if facts.device == "closed":
        yield f"usermod -aG kvm {user}"
    if facts.device == "fake":
        yield "rm /dev/kvm"
    if facts.device in ("fake", "missing") and module:
        yield f"modprobe {module}"


def _finding(state: State, meaning: str, *commands: str) -> Finding:
    return Finding(name="accelerator", state=state, meaning=meaning, commands=commands)
