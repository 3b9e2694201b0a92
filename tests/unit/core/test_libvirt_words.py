"""What a daemon says need not be XML, and its numbers need not be numbers: each is a sentence for the host's owner."""

from contextlib import closing

import libvirt
import pytest

from imgpipe.adapters.hypervisor import connect
from imgpipe.adapters.machines import Machines
from imgpipe.errors import HostError
from imgpipe.libvirt_words import described, number_in

DOCTYPE = "<!DOCTYPE d [" + "".join(
    f'<!ENTITY e{n} "{f"&e{n - 1};" * 10 if n else "x" * 10}">' for n in range(9)
) + "]><d>&e8;</d>"  # fmt: skip
LIES = {
    "nothing": "",
    "no text": None,
    "no XML": "hello <",
    "entities without an end": DOCTYPE,
    "an entity of a file": '<!DOCTYPE d [<!ENTITY a SYSTEM "file:///etc/hostname">]><d>&a;</d>',
    "a control character": "<d>&#27;</d>",
    "no UTF-8": "<d>\udcff</d>",
    "no number": "<domain><name>n</name><vcpu>many</vcpu></domain>",
    "a negative number": "<domain><name>n</name><vcpu>-1</vcpu></domain>",
    "a number of 400 digits": f"<domain><name>n</name><memory>{'9' * 400}</memory></domain>",
    "a number of 5000 digits": f"<domain><name>n</name><memory>{'9' * 5000}</memory></domain>",
}


@pytest.mark.parametrize("lie", LIES)
def test_a_list_of_machines_ends_with_a_sentence(lie, monkeypatch):
    monkeypatch.setattr(libvirt.virDomain, "XMLDesc", lambda _domain, _flags=0: LIES[lie])
    with closing(connect("test:///default", print)) as hypervisor:
        machines = Machines(hypervisor)
        for look in (machines.list, lambda: machines.find("test")):
            with pytest.raises(HostError, match=r"^libvirt") as caught:
                look()
            assert "virsh" in caught.value.hint


def test_what_can_be_read_is_read():
    domain = described("<domain><name>n</name><vcpu> 4\n</vcpu></domain>")
    assert number_in(domain, "vcpu") == 4
    assert number_in(domain, "memory") == 0


def test_a_deep_description_is_read():
    assert described("<a>" * 50_000 + "</a>" * 50_000).tag == "a"


def test_a_number_that_is_none_names_its_machine():
    with pytest.raises(HostError, match="'vcpu' of 'web-01' is no number"):
        number_in(described("<domain><name>web-01</name><vcpu>x</vcpu></domain>"), "vcpu")
