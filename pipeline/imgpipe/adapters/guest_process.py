"""The worker process that holds libguestfs: started, asked, and ended together with its QEMU."""

from __future__ import annotations

import json
import os
import selectors
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

from imgpipe.adapters.temporary import temporary_folder
from imgpipe.errors import GuestError, HostError, ImgpipeError
from imgpipe.json_text import parse_json
from imgpipe.own_files import open_for_writing

_MOST_ANSWER = 2**26

_PASSED_ON = (
    "PATH", "HOME", "LIBGUESTFS_CACHEDIR", "LIBGUESTFS_PATH", "LIBGUESTFS_HV",
    "SUPERMIN_KERNEL", "SUPERMIN_MODULES", "SUPERMIN_KERNEL_VERSION",
)  # fmt: skip

LAUNCH_HINT = "Run 'libguestfs-test-tool' to see why; Debian and Ubuntu have it in the package libguestfs-tools."

# What libguestfs says, in part, and who must do what about it.
_UNREADABLE_KERNEL = ("supermin", "vmlinuz")
_HINTS = (
    (
        "unknown incompatible features",
        "The disk's XFS is newer than this host's kernel, which libguestfs boots (nrext64 needs Linux 5.19). Build on "
        "a host with a newer kernel, or let the installer make its file systems with '-i nrext64=0', or ext4.",
    ),
    ("operating systems", "Only disks with one operating system can be made templates."),
    ("no operating system", "Look at the disk: was the installation cut short?"),
)


class GuestProcess:
    """A running worker; one request at a time."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self._process = process
        self._rest = b""

    @classmethod
    @contextmanager
    def start(cls, argv: list[str], log: Path | None) -> Iterator[GuestProcess]:
        """Start the worker; whatever happens, it and its QEMU are gone after the block."""
        with ExitStack() as stack:
            # What libguestfs leaves when it is killed goes with this folder.
            folder = os.fspath(stack.enter_context(temporary_folder()))
            errors = stack.enter_context(open_for_writing(log, append=True)) if log else subprocess.DEVNULL
            process = subprocess.Popen(
                argv,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                env=_environment(folder),
                cwd="/",
                # A group of its own, which QEMU joins: one signal ends both, and Ctrl-C reaches neither.
                start_new_session=True,
            )
            try:
                yield cls(process)
            finally:
                _end(process)

    def ask(self, call: str, timeout_s: float, **arguments: Any) -> Any:  # noqa: ANN401 (JSON in, JSON out)
        """Return the worker's answer; raises GuestError for what it reports, HostError if it hangs or dies."""
        self._send(json.dumps({"call": call, **arguments}).encode() + b"\n")
        line = self._line(call, time.monotonic() + timeout_s)
        try:
            told = parse_json(line)
        except ValueError as error:
            raise HostError(f"libguestfs' worker gave no readable answer to '{call}'.") from error
        if "error" in told:
            raise _error(str(told["error"]), [str(detail) for detail in told["details"]], call)
        return told["ok"]

    def _send(self, request: bytes) -> None:
        assert self._process.stdin is not None  # noqa: S101 (started with a pipe)
        try:
            self._process.stdin.write(request)
            self._process.stdin.flush()
        except BrokenPipeError:
            raise HostError("libguestfs' worker ended unexpectedly.", hint="Its log says more.") from None

    def _line(self, call: str, deadline: float) -> bytes:
        assert self._process.stdout is not None  # noqa: S101 (started with a pipe)
        descriptor = self._process.stdout.fileno()
        with selectors.DefaultSelector() as selector:
            selector.register(descriptor, selectors.EVENT_READ)
            while b"\n" not in self._rest:
                if not selector.select(max(0.0, deadline - time.monotonic())):
                    raise HostError(
                        f"libguestfs did not finish '{call}' in time, and was ended.",
                        hint="Is this host overloaded, or its KVM broken? IMGPIPE_ACCELERATOR=tcg does without.",
                    )
                piece = os.read(descriptor, 65536)
                if not piece or len(self._rest) > _MOST_ANSWER:
                    raise HostError(f"libguestfs' worker ended during '{call}'.", hint="Its log says more.")
                self._rest += piece
        line, _, self._rest = self._rest.partition(b"\n")
        return line


def _environment(folder: str) -> dict[str, str]:
    """Return the worker's environment: nothing of ours changes what libguestfs does, but where its parts are."""
    ours = {name: os.environ[name] for name in _PASSED_ON if name in os.environ}
    return {**ours, "LC_ALL": "C.UTF-8", "LIBGUESTFS_TMPDIR": folder, "LIBGUESTFS_BACKEND": "direct"}


def _error(message: str, details: list[str], call: str) -> ImgpipeError:
    text = " ".join((message, *details))
    if all(word in text for word in _UNREADABLE_KERNEL):
        return HostError(
            "libguestfs cannot read this host's kernel.",
            hint="Run 'chmod 0644 /boot/vmlinuz-*' as root (Ubuntu keeps kernels from ordinary users).",
            details=details,
        )
    for sign, hint in _HINTS:
        if sign in text:
            return GuestError(message, hint=hint, details=details)
    if "cannot read NTFS" in text:
        return HostError(
            "libguestfs cannot read NTFS on this host.",
            hint="Install 'ntfs-3g', on Enterprise Linux 'libguestfs-winsupport'; 'imgpipe host setup' does.",
        )
    if call in ("open", "launch") and "launch" in text:
        return HostError("libguestfs' appliance does not start.", hint=LAUNCH_HINT, details=details)
    return GuestError(message, details=details)


def _end(process: subprocess.Popen[bytes]) -> None:
    for pipe in (process.stdin, process.stdout):
        assert pipe is not None  # noqa: S101 (started with pipes)
        with suppress(BrokenPipeError):
            pipe.close()
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait(timeout=60)
