from ipaddress import IPv4Address, IPv4Interface

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imgpipe.deploy.addresses import AddressRequest, allocate, misuse, parse_range

RANGE = parse_range("10.0.0.0-10.0.0.63/26")
GATEWAY = IPv4Address("10.0.0.1")


def requests(names, had=None, reserved=frozenset({GATEWAY})):
    return [
        AddressRequest(owner=(name, 0), range=RANGE, had=(had or {}).get(name, ()), reserved=reserved) for name in names
    ]


@pytest.mark.parametrize(
    ("text", "first", "last"),
    [
        ("10.100.1.10-10.100.1.59/24", "10.100.1.10", "10.100.1.59"),
        ("10.100.1.10/24", "10.100.1.10", "10.100.1.10"),
        (" 10.100.1.10 - 10.100.1.12 /24", "10.100.1.10", "10.100.1.12"),
    ],
)
def test_a_range_has_its_ends(text, first, last):
    found = parse_range(text)
    assert (str(found.first), str(found.last), str(found.network)) == (first, last, "10.100.1.0/24")


@pytest.mark.parametrize(
    "text",
    [
        "10.100.1.10-10.100.1.59",
        "10.100.1.59-10.100.1.10/24",
        "10.100.1.10-10.100.2.10/24",
        "10.100.1.10-/33",
        "ten-twelve/24",
        "",
        "2001:db8::1-2001:db8::9/64",
    ],
)
def test_what_is_no_range_is_refused(text):
    with pytest.raises(ValueError, match=r".+"):
        parse_range(text)


@pytest.mark.parametrize(
    ("address", "why"),
    [
        ("10.0.0.0/26", "network"),
        ("10.0.0.63/26", "broadcast"),
        ("10.0.0.1/26", "gateway"),
        ("10.0.0.2/26", "DNS"),
        ("10.0.0.3/26", ""),
        ("10.0.0.0/31", ""),
    ],
)
def test_addresses_that_no_machine_may_have_are_told_with_the_reason(address, why):
    told = misuse(IPv4Interface(address), GATEWAY, (IPv4Address("10.0.0.2"),))
    assert why in told
    assert bool(why) == bool(told)


names = st.lists(st.from_regex(r"[a-z]{1,4}", fullmatch=True), unique=True, max_size=80)
taken = st.sets(st.integers(0, 63).map(lambda number: IPv4Address("10.0.0.0") + number))


@given(names, taken)
def test_every_address_is_usable_free_and_given_once(asked, taken):
    found = allocate(requests(asked), taken)
    addresses = [interface.ip for interface in found.values()]
    assert len(set(addresses)) == len(addresses)
    assert not set(addresses) & (taken | {GATEWAY, IPv4Address("10.0.0.0"), IPv4Address("10.0.0.63")})
    assert all(interface in RANGE for interface in found.values())


@given(names, taken)
def test_nobody_goes_without_while_an_address_is_left(asked, taken):
    free = 64 - len(taken | {GATEWAY, IPv4Address("10.0.0.0"), IPv4Address("10.0.0.63")})
    assert len(allocate(requests(asked), taken)) == min(len(asked), free)


@given(names, names, taken, st.randoms())
def test_what_is_there_keeps_its_address_whoever_comes_and_in_whatever_order(before, more, taken, random):
    first = allocate(requests(before), taken)
    had = {name: (interface,) for (name, _), interface in first.items()}
    everybody = list(dict.fromkeys([*before, *more]))
    random.shuffle(everybody)
    second = allocate(requests(everybody, had), taken)
    assert all(second[owner] == interface for owner, interface in first.items())


def test_an_address_that_left_the_range_is_replaced():
    found = allocate(requests(["a"], {"a": (IPv4Interface("10.9.9.9/24"),)}), ())
    assert found["a", 0] == IPv4Interface("10.0.0.2/26")


def test_of_two_who_had_the_same_the_second_gets_another():
    same = (IPv4Interface("10.0.0.9/26"),)
    found = allocate(requests(["a", "b"], {"a": same, "b": same}), ())
    assert [str(found[name, 0]) for name in "ab"] == ["10.0.0.9/26", "10.0.0.2/26"]
