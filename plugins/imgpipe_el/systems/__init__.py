"""The releases of the kickstart family; each operating system is a module of its own."""

from __future__ import annotations

from imgpipe.errors import PluginError
from imgpipe_el.release import Release
from imgpipe_el.systems import almalinux, anolis, centos_stream, kylin, opencloudos, openeuler, rocky, uos

RELEASES: tuple[Release, ...] = (
    *rocky.RELEASES,
    *almalinux.RELEASES,
    *centos_stream.RELEASES,
    *openeuler.RELEASES,
    *anolis.RELEASES,
    *opencloudos.RELEASES,
    *kylin.RELEASES,
    *uos.RELEASES,
)


def release_of(name: str) -> Release:
    """Return the release whose system is called `name`; raises PluginError where it is not of this family."""
    for release in RELEASES:
        if release.system.name == name:
            return release
    raise PluginError(
        f"The kickstart family has no operating system '{name}'.",
        hint="Ask 'imgpipe_el' only for systems that it registers, or call 'prepare_kickstart' with a release.",
    )
