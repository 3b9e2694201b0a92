"""What a change asks of NetworkManager, and in which order; tests/programs tries it with NetworkManager itself."""

import pytest

from imgpipe.errors import HostError
from imgpipe.host.network import changing, records
from imgpipe.host.network.changing import Host
from imgpipe.host.network.facts import Device, HostFacts, Link, Route, StoredProfile
from imgpipe.host.network.planning import make_plan
from imgpipe.host.network.records import Places
from imgpipe.host.network.wanted import checked

NETWORK = checked({"outside": {"nic": "eth0"}, "confirm_within": 20}, "x")
OLD = StoredProfile(uuid="old", name="lan", interface="eth0", file="/etc/lan.nmconnection")


class Manager:
    """A NetworkManager that does what it is told, and writes it down."""

    def __init__(self):
        self.asked, self.active, self.profiles, self.alive = [], {"eth0": "old"}, {"old": OLD}, set()
        self.broken = ""

    def __getattr__(self, name):
        def ask(*arguments, **options):
            self.asked.append((name, *arguments, *options.values()))
            if name == self.broken:
                raise HostError("NetworkManager refused.")
            return getattr(type(self), f"on_{name}", lambda *_, **__: None)(self, *arguments, **options)

        return ask

    def devices(self):
        return tuple(
            Device(name=name, managed=True, profile=uuid, activated=True) for name, uuid in self.active.items()
        )

    def stored(self):
        return tuple(self.profiles.values())

    def lives(self, checkpoint):
        return checkpoint in self.alive

    def on_checkpoint(self, seconds):
        self.alive.add("/1 7")
        return "/1 7"

    def on_load(self, files):
        for path in files:
            if path.exists():
                uuid = path.read_text().partition("uuid=")[2].partition("\n")[0]
                self.profiles[uuid] = StoredProfile(uuid=uuid, name=path.stem)

    def on_activate(self, uuid, device):
        self.active[device] = uuid

    def on_roll_back(self, checkpoint):
        self.alive.clear()
        self.active, self.profiles = {"eth0": "old"}, {"old": OLD}

    def on_keep(self, checkpoint):
        self.alive.clear()

    def verbs(self):
        return [words[0] for words in self.asked if words[0] != "reload_configuration"]


LINKS = (
    Link(name="br1", mac="a", kind="bridge", addresses=("192.168.1.2/24",)),
    Link(name="eth0", mac="52:54:00:00:00:01", controller="br1", port_state="forwarding"),
)
GOOD = HostFacts(links=LINKS, routes=(Route(device="br1", gateway="192.168.1.1"),))


@pytest.fixture
def host(tmp_path, monkeypatch):
    monkeypatch.setattr(changing.time, "sleep", lambda _: None)
    places = Places(kept=tmp_path / "kept", run=tmp_path / "run", etc=tmp_path / "etc")
    (tmp_path / "etc/NetworkManager/system-connections").mkdir(parents=True)
    return Host(
        manager=Manager(),
        look=lambda: GOOD,
        answers=lambda *_: True,
        plug=lambda *_: None,
        places=places,
        tell=lambda _: None,
    )


@pytest.fixture
def plan():
    facts = HostFacts(links=LINKS[1:], devices=(Device(name="eth0", managed=True, profile="old"),), stored=(OLD,))
    # eth0 is in br1 already as far as the links go, which is ours.
    return make_plan(NETWORK, facts, iter(("uuid-br1", "uuid-eth0")).__next__)


def test_the_checkpoint_comes_first_and_each_step_renews_it(host, plan):
    found = changing.apply(plan, host)
    assert all(item.ok for item in found)
    assert host.manager.verbs() == [
        "checkpoint",
        "load",
        *("extend", "activate"),
        *("extend", "activate"),
        *("extend", "extend"),
    ]
    activated = [words[1:] for words in host.manager.asked if words[0] == "activate"]
    assert activated == [("uuid-br1", "br1"), ("uuid-eth0", "eth0")]


def test_nothing_is_written_to_etc_before_the_confirmation(host, plan):
    changing.apply(plan, host)
    assert not list(host.places.keyfiles())
    staged = sorted((host.places.run / "NetworkManager/system-connections").iterdir())
    assert ["autoconnect=false" in path.read_text() for path in staged] == [True, True]
    assert {path.stat().st_mode & 0o777 for path in staged} == {0o600}
    assert host.places.pending.stat().st_mode & 0o777 == 0o600


def test_the_confirmation_writes_keeps_and_sets_the_old_ones_aside(host, plan):
    changing.apply(plan, host)
    host.manager.asked.clear()
    folder = changing.confirm(host)
    assert host.manager.verbs() == ["extend", "load", "keep", "set_autoconnect"]
    assert [path.name for path in host.places.keyfiles()] == ["br1.nmconnection", "eth0.nmconnection"]
    assert not list((host.places.run / "NetworkManager/system-connections").iterdir())
    assert not host.places.pending.exists()
    assert not host.places.hands_off.exists()
    assert records.newest_network(host.places) == NETWORK
    assert folder.stat().st_mode & 0o777 == 0o700


def test_a_confirmation_that_cannot_write_keeps_nothing(host, plan):
    changing.apply(plan, host)
    host.manager.broken = "load"
    with pytest.raises(HostError):
        changing.confirm(host)
    assert "keep" not in host.manager.verbs()
    assert host.manager.lives("/1 7")


@pytest.mark.parametrize("verb", ["load", "activate", "extend"])
def test_whatever_fails_is_rolled_back(host, plan, verb):
    host.manager.broken = verb
    with pytest.raises(HostError, match="refused"):
        changing.apply(plan, host)
    assert host.manager.verbs()[-1] == "roll_back"
    assert not host.places.pending.exists()
    assert not host.places.hands_off.exists()


def test_an_interrupt_is_rolled_back_and_goes_on(host, plan, monkeypatch):
    def interrupt(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(changing, "findings", interrupt)
    with pytest.raises(KeyboardInterrupt):
        changing.apply(plan, host)
    assert host.manager.verbs()[-1] == "roll_back"


def test_what_networkmanager_has_rolled_back_meanwhile_is_not_rolled_back_again(host, plan, monkeypatch):
    def too_late(*_):
        host.manager.on_roll_back("/1 7")
        raise HostError("The checkpoint is gone.")

    monkeypatch.setattr(changing, "findings", too_late)
    with pytest.raises(HostError, match="is gone"):
        changing.apply(plan, host)
    assert "roll_back" not in host.manager.verbs()


def test_a_record_that_cannot_be_read_names_itself(host):
    host.places.pending.parent.mkdir(parents=True)
    host.places.pending.write_text("{")
    with pytest.raises(HostError, match=r"host-network\.json' cannot be read"):
        changing.pending(host)


def test_a_rollback_of_what_has_undone_itself_says_so_and_then_undoes_the_confirmed_one(host, plan):
    changing.apply(plan, host)
    changing.confirm(host)
    second = checked({"outside": {"nic": "eth0", "address": "192.168.1.2/24"}, "confirm_within": 20}, "x")
    facts = HostFacts(links=LINKS, devices=host.manager.devices(), stored=host.manager.stored())
    changing.apply(make_plan(second, facts, iter(("u3", "u4")).__next__), host)
    host.manager.alive.clear()
    for name in ("u3", "u4"):
        host.manager.profiles.pop(name)
    with pytest.raises(HostError, match="undone itself already"):
        changing.roll_back(host)
    changing.roll_back(host)
    assert records.newest_network(host.places) is None
