"""Orders for the kickstart family's tests."""

import tomllib
from pathlib import Path

from imgpipe.os_family import Account, Order
from imgpipe.recipe import Recipe
from imgpipe_el.options import ElOptions
from imgpipe_el.prepare import prepare_kickstart
from imgpipe_el.systems import release_of

ROOT = Path(__file__).resolve().parents[3]
HASH = "$6$saltsalt$Zm9vYmFyYmF6.wJalrXUtnFEMI/K7MDENG"
DHCP = {"name": "eth0"}
STATIC = {"name": "eth1", "address": "10.0.0.2/24", "gateway": "10.0.0.1", "dns": ["10.0.0.3", "10.0.0.4"]}
BY_MAC = {"mac": "52:54:00:12:34:56"}


def recipe(os="rocky9", **tables):
    return Recipe.model_validate({"name": "image", "os": os, **tables})


def recipe_file(path):
    return Recipe.model_validate({"name": path.stem, **tomllib.loads(path.read_text(encoding="utf-8"))})


def order(wanted, options=None, password=HASH, own=None):
    return Order(
        recipe=wanted,
        system=release_of(wanted.os).system,
        options=ElOptions.model_validate(options or wanted.options),
        accounts={"root": Account(name="root", password_hash=password)},
        own_answer_file=own,
    )


def answer(wanted, **more):
    return prepare_kickstart(order(wanted, **more), release_of(wanted.os))


def kickstart(wanted, **more):
    return answer(wanted, **more).seed.files[0].text


def faults(found):
    return [(fault.line, fault.severity, fault.text) for fault in found]
