"""What is on a disk that the stand-in Setup has installed, read by libguestfs in a Python that has it."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

_READER = r"""
import base64, json, sys
import guestfs
g = guestfs.GuestFS(python_return_dict=True)
g.set_backend("direct")
g.set_backend_settings(["force_tcg"])
g.add_drive_opts(sys.argv[1], format="qcow2", readonly=True)
g.launch()
roots = g.inspect_os()
found = {"roots": roots, "table": g.part_get_parttype("/dev/sda"), "filesystems": g.list_filesystems()}
root = roots[0]
found |= {
    "type": g.inspect_get_type(root), "arch": g.inspect_get_arch(root), "product": g.inspect_get_product_name(root),
    "major": g.inspect_get_major_version(root), "hostname": g.inspect_get_hostname(root),
    "letters": g.inspect_get_drive_mappings(root),
}
# A volume that is scheduled for a check is not read without force.
info = g.debug("sh", ["ntfsinfo", "--force", "-m", root])
found["dirty"] = "DIRTY" in info
g.mount_ro(root, "/")
found["files"] = {}
for path in sys.argv[2:]:
    try:
        real = g.case_sensitive_path(path)
    except RuntimeError:
        # A folder on the way to it is not there.
        continue
    if g.is_file(real):
        found["files"][path] = base64.b64encode(g.read_file(real)).decode()
def state():
    g.hivex_open(g.case_sensitive_path("/Windows/System32/config/SOFTWARE"))
    node = g.hivex_root()
    for name in ("Microsoft", "Windows", "CurrentVersion", "Setup", "State"):
        node = g.hivex_node_get_child(node, name)
    return g.hivex_value_string(g.hivex_node_get_value(node, "ImageState"))
found["image_state"] = state()
g.umount_all()
g.shutdown()
json.dump(found, sys.stdout)
"""


def read(disk: Path, *paths: str) -> dict[str, Any]:
    """Return what libguestfs finds; `files` has the content of those of `paths` that are there, in base64."""
    argv = ["nice", "-n", "19", "/usr/bin/python3", "-c", _READER, str(disk), *paths]
    done = subprocess.run(argv, capture_output=True, text=True, check=False, timeout=600)
    assert done.returncode == 0, done.stderr[-3000:]
    found: dict[str, Any] = json.loads(done.stdout)
    return found
