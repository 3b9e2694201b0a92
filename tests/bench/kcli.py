"""kcli as a peer: its own throwaway environment, home and pool, so that nothing of a user's is touched."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

from tests.bench.hypervisor import URI

NETWORK = "imgpipe-bench"
POOL = "imgpipe-bench"


class Kcli:
    """A kcli of its own; `why_not` says why there is none."""

    def __init__(self, folder: Path, golden: Path) -> None:
        self.folder = folder
        self.golden = golden
        self.why_not = ""
        self._env = {**os.environ, "HOME": str(folder), "PATH": f"{folder}/kcli/bin:{os.environ['PATH']}"}

    def prepare(self) -> bool:
        """Install kcli from the package index, and give it a pool with the image and a network; False if it cannot."""
        python = self.folder / "kcli" / "bin" / "python"
        if uv := shutil.which("uv"):
            make, install = [uv, "venv", "-q", python.parents[1]], [uv, "pip", "install", "-q", "--python", python]
        else:
            make, install = [sys.executable, "-m", "venv", python.parents[1]], [python, "-m", "pip", "install", "-q"]
        try:
            self._run(*make)
            self._run(*install, "kcli", "setuptools<81")
            pool = self.folder / "pool"
            pool.mkdir(mode=0o755)
            shutil.copy(self.golden, pool / "bench-image.qcow2")
            self._virsh("pool-define-as", POOL, "dir", "--target", str(pool))
            self._virsh("pool-start", POOL)
            network = self.folder / "network.xml"
            network.write_text(f"<network><name>{NETWORK}</name><bridge name='imgpipe-bench0'/></network>\n")
            self._virsh("net-define", str(network))
            (self.folder / ".kcli").mkdir()
            (self.folder / ".kcli" / "config.yml").write_text(
                f"default:\n client: bench\n pool: {POOL}\nbench:\n type: kvm\n host: 127.0.0.1\n url: {URI}\n"
            )
            self._run("kcli", "list", "image")
        except (OSError, subprocess.SubprocessError) as error:
            told = getattr(error, "stderr", b"") or str(error).encode()
            self.why_not = told.decode(errors="replace").strip().splitlines()[-1][:120]
            return False
        return True

    def create(self, prefix: str, count: int) -> float:
        """Define machines with an overlay and a cloud-init ISO each, not started; return the seconds it took."""
        begun = time.monotonic()
        self._run(
            "kcli", "create", "vm",
            "-i", "bench-image.qcow2",
            "-P", "start=false", "-P", f"nets=[{NETWORK}]", "-P", f"pool={POOL}", "-P", "wait=false",
            "-c", str(count),
            prefix,
        )  # fmt: skip
        return time.monotonic() - begun

    def remove(self) -> None:
        """Remove pool and network; the folder is the caller's."""
        for words in (("pool-destroy", POOL), ("pool-undefine", POOL), ("net-undefine", NETWORK)):
            subprocess.run(["virsh", "--connect", URI, *words], check=False, capture_output=True)

    def _virsh(self, *words: str) -> None:
        self._run("virsh", "--connect", URI, "--quiet", *words)

    def _run(self, *argv: object) -> None:
        subprocess.run(
            [str(word) for word in argv], check=True, capture_output=True, env=self._env, timeout=600, cwd=self.folder
        )
