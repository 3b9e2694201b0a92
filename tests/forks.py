"""The command line as a process of its own that need not load its modules: a fork of one that has loaded them all.

A run has its own words, environment, folder and streams, and ends as the interpreter ends. What it does not show is how
an interpreter starts: tests of closed streams, of locales and of modules that one command loads start a fresh one.
"""

from __future__ import annotations

import atexit
import ctypes
import gc
import json
import os
import pkgutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import NoReturn

# More than the longest words of a test and an environment.
_LARGEST = 2**17
# Bounds the wait for a run; none of those that are forked starts a guest.
_LONGEST_S = 1200
# What runs in the Python that has libguestfs.
_ELSEWHERE = "imgpipe.guest_worker."
# The stand-ins have scripts for their installers, which run as soon as they are loaded.
_PACKAGES = ("imgpipe", "imgpipe_el", "imgpipe_debian", "imgpipe_ubuntu", "imgpipe_windows")


class Forks:
    """Runs command lines, one at a time; `within` is what runs the process that they are forks of, as words."""

    def __init__(self, within: Sequence[str] = ()) -> None:
        self._asked, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._asked.settimeout(_LONGEST_S)
        with theirs:
            # Its streams are nobody's: each run has its own.
            self._process = subprocess.Popen(
                [*within, sys.executable, __file__, str(theirs.fileno())],
                env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
            )

    def run(
        self,
        words: Sequence[str],
        *,
        env: Mapping[str, str],
        cwd: Path | str | None = None,
        gone: bool = False,
        inside: int = 0,
    ) -> subprocess.CompletedProcess[str]:
        """Run a command line to its end, without stdin.

        With `gone` its folder `cwd` is removed beforehand; with `inside` it runs in the namespaces of that process.
        """
        request = {
            "words": list(words), "env": dict(env), "cwd": str(cwd or Path.cwd()), "gone": gone, "inside": inside
        }  # fmt: skip
        with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as errors, Path(os.devnull).open("rb") as none:
            streams = [none.fileno(), out.fileno(), errors.fileno()]
            socket.send_fds(self._asked, [json.dumps(request).encode()], streams)
            try:
                told = self._asked.recv(_LARGEST)
            except TimeoutError:
                raise AssertionError(f"'imgpipe {' '.join(words)}' has not ended in {_LONGEST_S} s") from None
            assert told, f"the process that forks has ended with {self._process.wait(60)}"
            texts = [os.pread(file.fileno(), os.fstat(file.fileno()).st_size, 0) for file in (out, errors)]
        return subprocess.CompletedProcess(
            list(words), json.loads(told), *(text.decode(errors="surrogateescape") for text in texts)
        )

    def end(self) -> None:
        """End the process that forks; nothing that it started runs any more."""
        self._asked.close()
        self._process.wait(60)


@cache
def shared() -> Forks:
    """Return the one that all tests without wishes of their own may use; it ends with this process."""
    forks = Forks()
    atexit.register(forks.end)
    return forks


def _load() -> None:
    """Load what any command may load."""
    for package in map(import_module, _PACKAGES):
        for found in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            if not found.name.startswith(_ELSEWHERE):
                import_module(found.name)


def _enter(pid: int) -> None:
    """Go to the namespaces of a process, as nsenter(1) does; that of processes is for a child alone."""
    libc = ctypes.CDLL(None, use_errno=True)
    namespaces = [os.open(f"/proc/{pid}/ns/{kind}", os.O_RDONLY) for kind in ("net", "uts", "pid", "mnt")]
    for namespace in namespaces:
        if libc.setns(namespace, 0):
            raise OSError(ctypes.get_errno(), "setns")
        os.close(namespace)
    if child := os.fork():
        code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        os._exit(code if code >= 0 else 128 - code)


def _become(request: dict, streams: list[int]) -> None:
    """Make this process what a user would have started."""
    if request["inside"]:
        _enter(request["inside"])
    for number, stream in enumerate(streams):
        os.dup2(stream, number)
        os.close(stream)
    os.environ.clear()
    os.environ.update(request["env"])
    os.chdir(request["cwd"])
    if request["gone"]:
        Path(request["cwd"]).rmdir()
    sys.argv = ["imgpipe", *request["words"]]


def _serve(asked: socket.socket) -> bool:
    """Fork for each request; return True in the fork, and False once nobody asks any more."""
    while True:
        text, streams, *_ = socket.recv_fds(asked, _LARGEST, 3)
        if not text:
            return False
        pid = os.fork()
        if not pid:
            asked.close()
            _become(json.loads(text), streams)
            return True
        for stream in streams:
            os.close(stream)
        _, status = os.waitpid(pid, 0)
        asked.send(json.dumps(os.waitstatus_to_exitcode(status)).encode())


def _end(ended: SystemExit) -> NoReturn:
    """End as the interpreter does, but do not free all objects one by one: that is most of a short run."""
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(ended.code or 0)


if __name__ == "__main__":
    _load()
    from imgpipe.cli.main import main

    # Or the first look for garbage would copy the memory of all that is loaded.
    gc.freeze()
    if _serve(socket.socket(fileno=int(sys.argv[1]))):
        try:
            main()
        except SystemExit as ended:
            _end(ended)
