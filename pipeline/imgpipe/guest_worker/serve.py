"""The worker's protocol: one JSON value a line.

Requests `{"call": NAME, ...}` on stdin; answers `{"ok": VALUE}` or `{"error": TEXT, "details": [...]}` on what was
stdout. The process ends with its parent: at the end of stdin, and by PR_SET_PDEATHSIG (prctl(2)) while libguestfs
blocks; libguestfs' recovery process then ends QEMU.
"""

from __future__ import annotations

import ctypes
import json
import os
import signal
import sys
from collections.abc import Callable
from typing import Any

from imgpipe.guest_worker.appliance import try_launch
from imgpipe.guest_worker.batch import Batch
from imgpipe.guest_worker.edits import Edits
from imgpipe.guest_worker.files import Files
from imgpipe.guest_worker.mac_files import MacFiles
from imgpipe.guest_worker.session import Session
from imgpipe.guest_worker.text import WorkerError, printable
from imgpipe.guest_worker.volume import Volume

_PR_SET_PDEATHSIG = 1


Calls = dict[str, Callable[..., Any]]


def answer(calls: Calls, line: str) -> dict[str, Any]:
    """Return the answer to one request; what libguestfs reports is an answer too."""
    request = json.loads(line)
    call = request.pop("call")
    try:
        return {"ok": calls[call](**request)}
    except WorkerError as error:
        return {"error": str(error), "details": error.details}
    except (RuntimeError, UnicodeError) as error:
        lines = [printable(line) for line in str(error).splitlines()[-20:]]
        return {"error": f"libguestfs failed at '{call}'.", "details": lines}


def calls_of(session: Session, batch: Batch) -> Calls:
    """Return what can be asked: of one disk, and of many."""
    return {
        "try": try_launch,
        "open": session.open,
        "packages": session.packages,
        "trim": session.trim,
        "close": session.close,
        **_of_files(session.files, session.edits),
        "open_batch": batch.open,
        "mount_in_batch": batch.mount,
        "mount_volume_in_batch": batch.mount_volume,
        "edit_in_batch": batch.edit,
        "close_batch": batch.close,
    }


def calls_of_volume(volume: Volume) -> Calls:
    """Return what can be asked of a disk whose system is not Linux."""
    return {
        "launch": volume.launch,
        "mount": volume.mount,
        "mount_writable": volume.mount_writable,
        "values": volume.values,
        "logs": volume.logs,
        "trim": volume.trim,
        "close": volume.close,
        **_of_files(volume.files, volume.edits),
    }


def _of_files(files: Files, edits: Edits) -> Calls:
    return {
        "apply": edits.apply,
        "relabel": edits.relabel,
        "glob": files.glob,
        "exists": files.exists,
        "read": files.read,
        "size": files.size,
        "remains": lambda **claim: list(files.remains(**claim)),
        "search": files.search,
        "with_macs": lambda patterns, macs: MacFiles(files.g, files, patterns).holding(macs),
        "remarks": lambda: edits.remarks,
    }


def serve(kind: str = "linux") -> None:
    """Answer requests until stdin ends."""
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    # Whatever a library prints must not be taken for an answer.
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    calls = calls_of_volume(Volume()) if kind == "volume" else calls_of(Session(), Batch())
    for line in sys.stdin:
        answers.write(json.dumps(answer(calls, line)) + "\n")
        answers.flush()
