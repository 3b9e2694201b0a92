"""A build, as a table of contents: each stage takes what the one before it proved."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from imgpipe.adapters import qemu_img
from imgpipe.artifacts import GoldenImage, InstalledDisk, Medium
from imgpipe.events import Note, StageFinished, StageStarted
from imgpipe.plan import Plan
from imgpipe.plugins import Plugins
from imgpipe.stages.publish import find_published
from imgpipe.store import Store, lock
from imgpipe.timings import Timings
from imgpipe.workplace import Workplace

T = TypeVar("T")

SEALING = ("sysprep", "verify", "publish")
STAGES = ("seed", "install", *SEALING)


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What a build came to; `reused` means that nothing had changed and nothing was done."""

    image: GoldenImage
    reused: bool
    seconds: float


def published(plan: Plan, medium: Medium, store: Store) -> GoldenImage | None:
    """Return the image that this very plan and medium already gave, if it is still there."""
    seal_key = plan.seal_key(plan.install_key(medium.digest))
    return find_published(plan.name, plan.publish_key(seal_key), store)


def build(plan: Plan, medium: Medium, plugins: Plugins, workplace: Workplace) -> Outcome:
    """Build the image, reusing every stage whose inputs are unchanged.

    Two builds of one image, or of two images that share an install, wait for each other. Raises GuestError or
    HostError with what failed; what earlier stages finished is kept for the next run.
    """
    start = time.monotonic()
    store, key = workplace.store, plan.install_key(medium.digest)
    with (
        lock(store.lock_file(f"image-{plan.name}"), _waiting(workplace, plan.name)),
        lock(store.lock_file(f"install-{key}"), _waiting(workplace, "an equal install")),
    ):
        if image := published(plan, medium, store):
            return Outcome(image=image, reused=True, seconds=time.monotonic() - start)
        _tell_compression(workplace)
        timings = Timings(store.root / "timings.json", f"{plan.system.name}/{workplace.hypervisor.accelerator()}")
        stages = _Stages(plan, plugins, workplace, timings)
        disk = stages.install(medium)
        image = stages.finish(disk)
    return Outcome(image=image, reused=False, seconds=time.monotonic() - start)


def seal_and_publish(plan: Plan, disk: InstalledDisk, plugins: Plugins, workplace: Workplace) -> GoldenImage:
    """Make an image of a disk that was installed elsewhere, by the same stages."""
    _tell_compression(workplace)
    with lock(workplace.store.lock_file(f"image-{plan.name}"), _waiting(workplace, plan.name)):
        timings = Timings(workplace.store.root / "timings.json", f"import/{workplace.hypervisor.accelerator()}")
        return _Stages(plan, plugins, workplace, timings).finish(disk)


@dataclass(frozen=True, slots=True)
class _Stages:
    plan: Plan
    plugins: Plugins
    workplace: Workplace
    timings: Timings

    def install(self, medium: Medium) -> InstalledDisk:
        plan, plugins, workplace = self.plan, self.plugins, self.workplace
        seed = self._run("seed", lambda: plugins.seed(plan, medium, workplace))
        return self._run("install", lambda: plugins.install(plan, medium, seed, workplace))

    def finish(self, disk: InstalledDisk) -> GoldenImage:
        plan, plugins, workplace = self.plan, self.plugins, self.workplace
        sealed = self._run("sysprep", lambda: plugins.sysprep(plan, disk, workplace))
        verified = self._run("verify", lambda: plugins.verify(plan, sealed, workplace))
        return self._run("publish", lambda: plugins.publish(plan, verified, workplace))

    def _run(self, stage: str, act: Callable[[], T]) -> T:
        notify = self.workplace.notify
        notify(StageStarted(stage=stage, estimate_s=self.timings.estimate(stage)))
        start = time.monotonic()
        result = act()
        seconds = time.monotonic() - start
        reused = bool(getattr(result, "reused", False))
        if not reused:
            self.timings.remember(stage, seconds)
        notify(StageFinished(stage=stage, seconds=seconds, reused=reused))
        return result


def _tell_compression(workplace: Workplace) -> None:
    """Ask how the image can be compressed before anything is begun, and say where it is not as well as elsewhere."""
    if qemu_img.best_compression() == "zlib":
        words = "This host's QEMU has no zstd: the image is compressed with zlib, which is slower and makes it larger."
        workplace.notify(Note(text=words))


def _waiting(workplace: Workplace, what: str) -> Callable[[str], None]:
    def tell(holder: str) -> None:
        workplace.notify(Note(text=f"'{what}' is being built by {holder}; waiting for it."))

    return tell
