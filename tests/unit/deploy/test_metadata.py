from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imgpipe.deploy import metadata
from imgpipe.deploy.existing import MachineRecord, Proven
from imgpipe.errors import RecipeError

# Everything that is printable and no blank at an end, '<&"' and other alphabets included.
TEXT = st.text(st.characters(exclude_categories=["C", "Z"]), min_size=1).filter(str.isprintable)
VOLUME = TEXT.filter(lambda text: "/" not in text and text not in {".", ".."})
TEXTS = st.lists(TEXT, max_size=3).map(tuple)
PROVEN = st.builds(Proven, hostname=TEXT, machine_id=TEXT, host_keys=TEXTS, macs=TEXTS, addresses=TEXTS)
RECORDS = st.builds(
    MachineRecord,
    fleet=TEXT,
    group=TEXT,
    template=TEXT,
    linked=st.booleans(),
    identity=TEXT,
    hostname=TEXT,
    addresses=TEXTS,
    pool=TEXT,
    disk=VOLUME,
    seed=st.one_of(st.just(""), VOLUME),
    uuid=st.one_of(st.just(""), TEXT),
    fleet_id=st.one_of(st.just(""), TEXT),
    complete=st.booleans(),
    proven=st.one_of(st.none(), PROVEN),
    mark=st.from_regex(r"([0-9a-f]{16})?", fullmatch=True),
    proofs=st.lists(st.tuples(TEXT, TEXT), max_size=3).map(tuple),
    state=st.sampled_from(["", "started", "own"]),
    user=st.one_of(st.just(""), TEXT),
    host_keys=TEXTS,
    settings=st.one_of(st.just(""), TEXT),
    applied=st.one_of(st.just(""), TEXT),
)
RECORD = MachineRecord(
    fleet="web",
    group="web",
    template="rocky9@20260301.1",
    linked=True,
    identity="0123456789abcdef",
    hostname="web-1",
    addresses=("10.100.1.10/24",),
    pool="imgpipe",
    disk="web-1.qcow2",
)


@given(RECORDS)
def test_a_record_comes_back_as_it_was(record):
    assert metadata.from_xml(metadata.to_xml(record)) == record


@given(RECORDS)
def test_a_record_is_found_in_a_whole_domain(record):
    xml = f"<domain><name>x</name><metadata><other/>{metadata.to_xml(record)}</metadata></domain>"
    assert metadata.from_xml(xml) == record


@pytest.mark.parametrize(
    "text",
    [
        "",
        "<domain/>",
        "<domain><metadata><machine/></metadata></domain>",
        metadata.to_xml(RECORD).replace("machine/1", "machine/2"),
        metadata.to_xml(RECORD).replace("web-1.qcow2", ""),
        metadata.to_xml(RECORD)[:-5],
        # They are deleted with their machine.
        metadata.to_xml(replace(RECORD, disk="../../home/ann/thesis.qcow2")),
        metadata.to_xml(replace(RECORD, seed="../other/seed.iso")),
        metadata.to_xml(replace(RECORD, seed="/etc/hosts")),
        metadata.to_xml(replace(RECORD, seed="..")),
    ],
)
def test_what_cannot_be_read_is_no_record(text):
    assert metadata.from_xml(text) is None


def test_a_record_of_an_earlier_version_has_no_id_of_its_fleet():
    assert "fleet-id" not in metadata.to_xml(RECORD)
    assert metadata.from_xml(metadata.to_xml(RECORD)).fleet_id == ""


@pytest.mark.parametrize("mark", ["../../etc/passwd", "0123456789ABCDEF", "0123"])
def test_a_mark_that_is_none_names_no_file(mark):
    assert metadata.from_xml(metadata.to_xml(replace(RECORD, mark=mark))).mark == ""


@pytest.mark.parametrize("text", ["a\nb", "\x1b[31m", "\x00"])
def test_what_xml_cannot_hold_is_refused(text):
    with pytest.raises(RecipeError, match="hostname"):
        metadata.to_xml(MachineRecord(**{**RECORD_FIELDS, "hostname": text}))


RECORD_FIELDS = {name: getattr(RECORD, name) for name in MachineRecord.__slots__}
