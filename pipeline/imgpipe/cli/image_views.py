"""How an image is shown: a row of a list, a few JSON values, or all its fields."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from imgpipe.sizes import show_bytes

if TYPE_CHECKING:
    from imgpipe.images.catalog import Image


def row(image: Image) -> dict[str, str]:
    """Return the row of a list."""
    manifest = image.manifest
    return {
        "name": image.name,
        "version": image.version,
        "system": f"{manifest.system.name}{' (stand-in)' if _stand_in(image) else ''}",
        "disk": show_bytes(manifest.image.virtual_size),
        "file": show_bytes(manifest.image.size),
        "created": f"{manifest.created:%Y-%m-%d %H:%M}",
        "sha256": manifest.image.sha256[:12],
    }


def summary(image: Image) -> dict[str, Any]:
    """Return what a program wants of a list; sizes in bytes."""
    manifest = image.manifest
    return {
        "name": image.name,
        "version": image.version,
        "reference": image.reference,
        "path": str(image.disk),
        "system": manifest.system.name,
        "stand_in": _stand_in(image),
        "created": manifest.created.isoformat(),
        "virtual_size": manifest.image.virtual_size,
        "size": manifest.image.size,
        "sha256": manifest.image.sha256,
    }


def fields(image: Image) -> dict[str, str]:
    """Return everything of a manifest that a person would ask for, by name."""
    manifest = image.manifest
    medium = manifest.medium
    sealed = manifest.sealed
    passed = [check.name for check in manifest.verified if check.passed]
    return {
        "image": image.reference,
        "path": str(image.disk),
        "created": f"{manifest.created:%Y-%m-%d %H:%M} UTC",
        "system": f"{manifest.system.title} ({manifest.system.name})",
        "product": manifest.system.product,
        "medium": f"{medium.title} ({medium.file})" if medium else "",
        "medium sha256": medium.sha256 if medium else "",
        "stand-in": "the medium only behaves as the system's own" if _stand_in(image) else "",
        "disk": show_bytes(manifest.image.virtual_size),
        "file": show_bytes(manifest.image.size),
        "sha256": manifest.image.sha256,
        "packages": f"{sealed.packages} ({sealed.package_format})",
        "sealed": ", ".join(sealed.operations),
        "asserted": "; ".join(sealed.asserted),
        "verified": f"{len(passed)} of {len(manifest.verified)} checks passed: {', '.join(passed)}",
        "facts": ", ".join(f"{key} {value}" for key, value in manifest.facts.items()),
        "host": f"{manifest.host.name}: {manifest.host.os}, {manifest.host.accelerator or 'unknown accelerator'}",
        "tools": ", ".join(f"{name} {version}" for name, version in manifest.tools.items()),
        "took": ", ".join(f"{name} {seconds:.0f} s" for name, seconds in manifest.seconds.items()),
    }


def _stand_in(image: Image) -> bool:
    return image.manifest.medium is not None and image.manifest.medium.stand_in
