"""NICs that nobody names: of imgpipe.toml, else of the machine that was imported, else QEMU's own NAT."""

import dataclasses
import json

import pytest
from sample_fleets import FACTS, TEMPLATE, fleet, plan
from test_template import edited

from imgpipe.deploy.default_nics import with_default_nics
from imgpipe.deploy.resolving import Choices
from imgpipe.deploy.template import of_image
from imgpipe.errors import HostError, RecipeError
from imgpipe.importing import with_source_nics
from imgpipe.plan import show
from imgpipe.source_nics import SourceNic, source_nics
from sample_images import sample_plan

NICS = (SourceNic(plug="bridge", source="br2"), SourceNic(plug="network", source="default"))
IMPORTED = dataclasses.replace(TEMPLATE, nics=NICS)
WHERE = "the machine that 'rocky9@20260301.1' was imported from"
BARE = 'name = "shop"\n[groups.web]\ntemplate = "rocky9"\ncount = 1\n'


def definition(*interfaces):
    return f"<domain><name>vm001</name><devices>{''.join(interfaces)}</devices></domain>"


def interface(kind, source="", more=""):
    return f"<interface type='{kind}'><mac address='52:54:00:00:00:01'/>{source}{more}</interface>"


def planned(text=BARE, template=IMPORTED, bridges=()):
    asked, nics_of = with_default_nics(fleet(text), bridges, {"rocky9": template})
    return plan(asked, templates={"rocky9": template}, accounts={}, choices=Choices(nics_of=nics_of))


def plugs(made):
    return [(nic.kind, nic.source) for nic in made.machines[0].identity.nics]


def test_the_nics_of_a_definition_are_read_in_order():
    xml = definition(
        interface("network", "<source network='default'/>"),
        interface("bridge", "<source bridge='br1'/>", "<model type='virtio'/>"),
        interface("user"),
    )
    assert source_nics(xml) == (
        (
            SourceNic(plug="network", source="default"),
            SourceNic(plug="bridge", source="br1"),
            SourceNic(plug="user"),
        ),
        (),
    )


@pytest.mark.parametrize(
    ("element", "words"),
    [
        (interface("direct", "<source dev='eno1' mode='bridge'/>"), "type direct, dev eno1, mode bridge"),
        (interface("bridge", "<source bridge='ovs0'/>", "<virtualport type='openvswitch'/>"),
         "type bridge, bridge ovs0, virtualport"),
        (interface("bridge", "<source bridge='br1'/>", "<vlan><tag id='7'/></vlan>"), "type bridge, bridge br1, vlan"),
        (interface("network", "<source network='lan' portgroup='dmz'/>"), "type network, network lan, portgroup dmz"),
        (interface("bridge", "<source bridge='a name that is none'/>"), "type bridge, bridge a name that is none"),
        (interface("bridge"), "type bridge"),
    ],
)  # fmt: skip
def test_what_no_deploy_could_make_is_left_out_and_told(element, words):
    nics, without = source_nics(definition(element, interface("user")))
    assert nics == (SourceNic(plug="user"),)
    assert without == (f"NIC 1 is not taken over: {words}.",)


def test_no_more_nics_are_taken_over_than_a_machine_may_have():
    nics, without = source_nics(definition(*[interface("user")] * 18))
    assert len(nics) == 16
    assert without[-1] == "NIC 18 is not taken over: a machine may have at most 16."


def test_an_import_carries_them_into_the_manifest_and_other_plans_say_nothing_of_them(add_image, store):
    built = sample_plan()
    xml = definition(interface("bridge", "<source bridge='br2'/>"), interface("network", "<source network='default'/>"))
    imported = with_source_nics(built, "vm001", xml)
    assert imported.notes[-1] == (
        "Machines get NICs like those of 'vm001' where their deploy names none: the bridge 'br2', "
        "the network 'default'."
    )
    assert "source_nics" not in show(built)
    image = edited(add_image("rocky9", "20260301.1"), store, lambda told: told.update(plan=show(imported)))
    assert of_image(image).nics == NICS
    assert of_image(add_image("rocky9", "20260302.1")).nics == ()


def test_an_import_with_other_nics_is_another_image_and_a_build_is_the_same_as_ever():
    built = sample_plan()
    assert with_source_nics(built, "vm001", definition()).publish_key("5ea1") == built.publish_key("5ea1")
    keys = {dataclasses.replace(built, source_nics=nics).publish_key("5ea1") for nics in ((), NICS, NICS[:1])}
    assert len(keys) == 3
    assert dataclasses.replace(built, source_nics=NICS).seal_key("1") == built.seal_key("1")


@pytest.mark.parametrize(
    "wrong",
    [
        [{"kind": "SourceNic", "plug": "wifi", "source": ""}],
        [{"kind": "SourceNic", "plug": "bridge", "source": ""}],
        [{"kind": "SourceNic", "plug": "bridge", "source": "br1 or none"}],
        [{"kind": "SourceNic", "plug": "network", "source": "../default"}],
        [{"kind": "SourceNic", "plug": "network", "source": "a b"}],
        [{"kind": "SourceNic", "plug": "bridge", "source": 7}],
        [{"kind": "SourceNic", "plug": "user", "source": ""}] * 17,
    ],
)
def test_a_manifest_whose_nics_are_none_is_damaged(add_image, store, wrong):
    image = edited(add_image("rocky9", "20260301.1"), store, lambda told: told["plan"].update(source_nics=wrong))
    with pytest.raises(HostError, match="does not say what its clones need"):
        of_image(image)


def test_machines_of_an_imported_image_get_nics_like_its_machine_and_the_plan_says_why():
    made = planned()
    assert plugs(made) == [("bridge", "br2"), ("network", "default")]
    assert f"Group 'web': NICs on the bridge 'br2', the network 'default', like {WHERE}." in made.notes
    assert not [note for note in made.notes if "NAT" in note]


def test_the_settings_win_over_the_image_and_whoever_names_nics_wins_over_both():
    made = planned(bridges=("br1",))
    assert plugs(made) == [("bridge", "br1")]
    assert "Group 'web': NICs on the bridge 'br1', like 'bridges' in imgpipe.toml." in made.notes
    for text in (f'{BARE}nics = [{{bridge = "br1"}}]\n', f'{BARE}[defaults]\nnics = [{{bridge = "br1"}}]\n'):
        made = planned(text, bridges=("br2",))
        assert plugs(made) == [("bridge", "br1")]
        assert not [note for note in made.notes if "NICs on" in note]


def test_an_image_that_was_built_leaves_machines_to_qemus_nat():
    made = planned(template=TEMPLATE)
    assert plugs(made) == [("user", "")]
    assert [note for note in made.notes if "on QEMU's own NAT" in note]


def test_a_bridge_of_the_import_that_this_host_has_not_is_a_fault_that_says_whose_it_is():
    elsewhere = dataclasses.replace(TEMPLATE, nics=(SourceNic(plug="bridge", source="vmbr9"), *NICS))
    with pytest.raises(RecipeError) as told:
        planned(template=elsewhere)
    assert told.value.details == (
        f"groups.web.nics.0.bridge: the host has no bridge 'vmbr9', which {WHERE} has; '--bridge', or 'nics' in a "
        "fleet's file, name another; there are 'br1', 'br2'",
    )


def test_a_host_without_bridges_is_told_how_they_are_made():
    asked = fleet('name = "shop"\n[groups.web]\ntemplate = "rocky9"\ncount = 1\n[[groups.web.nics]]\nbridge = "br1"\n')
    with pytest.raises(RecipeError) as told:
        plan(asked, dataclasses.replace(FACTS, bridges=frozenset()))
    assert told.value.details == (
        "groups.web.nics.0.bridge: the host has no bridge 'br1'; 'imgpipe host network plan' says how bridges are made",
    )


def test_each_group_gets_those_of_its_own_image():
    text = f'{BARE}[groups.app]\ntemplate = "other"\ncount = 1\n'
    other = dataclasses.replace(TEMPLATE, name="other", nics=NICS[1:])
    filled, nics_of = with_default_nics(fleet(text), (), {"rocky9": IMPORTED, "other": other})
    shown = {name: [nic.source for nic in filled.group(name).nics] for name in filled.groups}
    assert shown == {"web": ["br2", "default"], "app": ["default"]}
    assert nics_of == {"web": WHERE, "app": "the machine that 'other@20260301.1' was imported from"}


def test_what_is_shown_is_json():
    shown = json.loads(json.dumps(show(dataclasses.replace(sample_plan(), source_nics=NICS))))
    assert [(nic["plug"], nic["source"]) for nic in shown["source_nics"]] == [("bridge", "br2"), ("network", "default")]
