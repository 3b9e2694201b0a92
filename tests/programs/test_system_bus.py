"""The system bus as imgpipe speaks it, on a D-Bus daemon of its own: a slow one, and a call that is interrupted."""

import os
import shutil
import signal
import subprocess
import threading

import pytest
from jeepney import DBusAddress, Parser

from imgpipe.adapters.system_bus import SystemBus
from imgpipe.errors import HostError

pytestmark = [
    pytest.mark.programs,
    pytest.mark.skipif(not shutil.which("dbus-daemon"), reason="dbus-daemon is not installed"),
]

BUS = DBusAddress("/org/freedesktop/DBus", "org.freedesktop.DBus", "org.freedesktop.DBus")
INTROSPECTABLE = DBusAddress("/org/freedesktop/DBus", "org.freedesktop.DBus", "org.freedesktop.DBus.Introspectable")
# What jeepney reads at once.
CHUNK = 4096


@pytest.fixture
def daemon(tmp_path, monkeypatch):
    address = f"unix:path={tmp_path}/bus"
    words = ["dbus-daemon", "--session", "--nofork", "--nopidfile", f"--address={address}", "--print-address"]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline().startswith("unix:")
        monkeypatch.setenv("DBUS_SYSTEM_BUS_ADDRESS", address)
        yield process
        process.kill()


def test_a_bus_that_is_slow_to_answer_is_waited_for(daemon):
    daemon.send_signal(signal.SIGSTOP)
    woken = threading.Timer(1.5, daemon.send_signal, [signal.SIGCONT])
    woken.start()
    bus = SystemBus()
    assert "org.freedesktop.DBus" in bus.call(BUS, "ListNames")[0]
    bus.close()
    woken.join()


def test_a_call_that_is_interrupted_in_the_middle_of_an_answer_spoils_no_other(daemon, monkeypatch):
    bus = SystemBus()
    (whole,) = bus.call(INTROSPECTABLE, "Introspect")
    assert len(whole) > CHUNK
    add_data = Parser.add_data

    def interrupted(self, data, fds=()):
        # The signal is seen between the reading of a part and its keeping.
        monkeypatch.setattr(Parser, "add_data", add_data)
        os.kill(os.getpid(), signal.SIGINT)

    monkeypatch.setattr(Parser, "add_data", interrupted)
    with pytest.raises(KeyboardInterrupt):
        bus.call(INTROSPECTABLE, "Introspect")
    assert bus.call(INTROSPECTABLE, "Introspect") == (whole,)
    bus.close()


def test_a_bus_that_is_not_there_is_told_in_words(tmp_path, monkeypatch):
    monkeypatch.setenv("DBUS_SYSTEM_BUS_ADDRESS", f"unix:path={tmp_path}/none")
    with pytest.raises(HostError) as caught:
        SystemBus()
    assert str(caught.value) == "The system's D-Bus cannot be reached: No such file or directory."
