"""What the tests of Windows' whole builds share: a recipe, plans of it, and media without an operating system."""

from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path

import pycdlib

from imgpipe.artifacts import Medium
from imgpipe.os_family import AnswerFile
from imgpipe.passwords import Vault
from imgpipe.plan import Plan
from imgpipe.planning import Given, make_plan
from imgpipe.plugins import Plugins
from imgpipe.recipe import Recipe

PASSWORD = "Correct-Horse-1"
RECIPE = """
os = "win2016"
[guest]
locale = "en_US.UTF-8"
[[nics]]
name = "eth0"
[machine]
cpus = 1
memory = "2 GiB"
disk = "4 GiB"
"""
# What is added to the recipe; the stand-in's loader, kernel and shim are signed as Secure Boot asks for.
SHAPES = {
    "bios": 'firmware = "bios"\n[options]\nclones = "cd"',
    "uefi": 'firmware = "uefi"\n[options]\nsecure_boot = true\ntpm = true',
}
# Written for the processor as it starts: port and value, then halt for ever. PIIX' reset port; ACPI's power-off on q35.
RESET = b"\xba\xf9\x0c\xb0\x06\xee\xf4\xeb\xfd"
POWER_OFF = b"\xba\x04\x06\xb8\x00\x20\xef\xf4\xeb\xfd"


def windows_plan(plugins: Plugins, fault: str = "") -> Plan:
    """Return the plan of a small Windows by BIOS; `fault` is what the stand-in Setup does wrong."""
    machine = {"cpus": 1, "memory": "2 GiB", "disk": "4 GiB"}
    guest = {"locale": "en_US.UTF-8"}
    recipe = Recipe.model_validate({"name": "faulty", "os": "win2016", "machine": machine, "guest": guest})
    vault = Vault(environ={"IMGPIPE_ROOT_PASSWORD": PASSWORD}, salt=b"salt")
    recipe = vault.with_default(recipe)
    plan = make_plan(recipe, plugins, Given(accounts=vault.accounts(recipe, clear=True)))
    if not fault:
        return plan
    seed = plan.unattended.seed
    files = (*seed.files, AnswerFile(name="standin.fault", text=fault, secret=False))
    return replace(plan, unattended=replace(plan.unattended, seed=replace(seed, files=files)))


def bare_medium(path: Path, code: bytes) -> Medium:
    """Make a CD that a BIOS starts and that is nothing but a few instructions."""
    iso = pycdlib.PyCdlib()
    iso.new(interchange_level=1)
    sector = code.ljust(2048, b"\0")
    iso.add_fp(io.BytesIO(sector), len(sector), "/BOOT.;1")
    iso.add_eltorito("/BOOT.;1", bootcatfile="/BOOT.CAT;1", boot_load_size=4)
    iso.write(str(path))
    iso.close()
    return medium(path)


def medium(path: Path, *further: Medium, name: str = "") -> Medium:
    """Return a medium as it would be found."""
    return Medium(path=path, sha256="0" * 64, volume_id="", title=path.stem, name=name, further=further)
