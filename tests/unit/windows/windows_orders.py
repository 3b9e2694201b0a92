"""Orders for the tests of Windows, and what is read back from their answer files."""

from __future__ import annotations

from xml.etree import ElementTree as ET

from imgpipe.os_family import Account, Order, Unattended
from imgpipe.recipe import Recipe
from imgpipe_windows.answer.tree import UNATTEND, WCM
from imgpipe_windows.options import WindowsOptions
from imgpipe_windows.prepare import prepare
from imgpipe_windows.systems import RELEASES

PASSWORD = "Correct-Horse-1"
NS = {"u": UNATTEND}
ADD, KEY = f"{{{WCM}}}action", f"{{{WCM}}}keyValue"


def order(system: str = "win2016", password: str = PASSWORD, own: str | None = None, key: str = "", **table) -> Order:
    known = RELEASES[system].system
    firmware = table.pop("firmware", known.firmware[0])
    options = WindowsOptions.model_validate(table.pop("options", {}))
    machine = {"memory": known.memory, "disk": "40 GiB", "firmware": firmware}
    recipe = Recipe.model_validate({"name": "r", "os": system, "machine": machine, **table})
    account = Account(name="root", password_hash="$6$x$y", password=password)
    return Order(
        recipe=recipe,
        system=known,
        options=options,
        accounts={"root": account},
        own_answer_file=own,
        product_key=key,
    )


def answer(system: str = "win2016", **more) -> Unattended:
    return prepare(order(system, **more))


def text_of(system: str = "win2016", **more) -> str:
    return answer(system, **more).seed.files[0].text


def tree_of(system: str = "win2016", **more) -> ET.Element:
    return ET.fromstring(text_of(system, **more).encode())


def component(tree: ET.Element, phase: str, name: str) -> ET.Element | None:
    return tree.find(f"u:settings[@pass='{phase}']/u:component[@name='{name}']", NS)


def values(tree: ET.Element, path: str) -> list[str]:
    """Return the texts at a path of plain names, anywhere in the tree."""
    place = "/".join(f"u:{part}" for part in path.split("/"))
    return [element.text or "" for element in tree.findall(f".//{place}", NS)]
