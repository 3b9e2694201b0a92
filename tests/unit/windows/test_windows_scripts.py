import json
import re

import pytest
from windows_orders import answer, tree_of, values

from imgpipe.watch.classify import Classifier, Failed, Proven, Reached
from imgpipe_windows.console import CONSOLE, LAST_WORD
from imgpipe_windows.drivers import drivers
from imgpipe_windows.scripts import drivers_script, first_logon_script
from imgpipe_windows.systems import RELEASES

EVERY = list(RELEASES)


def scripts(system):
    return {file.name: file.text for file in answer(system).seed.files if file.name.endswith(".cmd")}


@pytest.mark.parametrize("system", EVERY)
def test_every_line_ends_as_cmd_wants_it_and_is_plain(system):
    for text in scripts(system).values():
        assert "\n" not in text.replace("\r\n", "")
        assert text.isascii()
        assert max(map(len, text.splitlines())) < 8191  # the longest line of cmd.exe


@pytest.mark.parametrize("system", EVERY)
def test_every_label_that_is_called_is_there_once(system):
    for text in scripts(system).values():
        labels = re.findall(r"^:(\w+)", text, re.MULTILINE)
        assert set(re.findall(r"(?:goto|call) :?(\w+)\b(?![:\\])", text)) - {"C"} <= {*labels}
        assert len(labels) == len(set(labels))


def test_windows_server_2008_r2_needs_no_powershell():
    assert "powershell" not in "".join(scripts("win2008r2").values()).lower()
    assert "/mode:vm" not in first_logon_script(RELEASES["win2008r2"], agent=False)


def test_drivers_of_another_publisher_are_installed_by_the_system_itself():
    asks = {name for name in EVERY if "/ru SYSTEM" in scripts(name)["imgpipe/first-logon.cmd"]}
    assert asks == {"win2008r2", "win2012r2"}


@pytest.mark.parametrize("system", EVERY)
def test_every_driver_that_setup_did_not_load_is_installed(system):
    release = RELEASES[system]
    called = re.findall(r"^call :driver (\S+) (\S+)\r$", drivers_script(release), re.MULTILINE)
    assert called == [(each.name, each.inf) for each in drivers(release) if not each.in_setup]


def test_sysprep_is_the_last_act_and_comes_after_the_marker():
    text = first_logon_script(RELEASES["win2016"], agent=True)
    places = [
        text.index(word) for word in ("drivers.cmd", "msiexec", "sealed.json echo", f"echo {LAST_WORD}", "/generalize")
    ]
    assert places == sorted(places)


def test_what_the_registry_names_is_forgotten_before_sysprep_where_clones_bring_a_cd():
    lines = first_logon_script(RELEASES["win2016"], agent=True, for_cds=True).splitlines()
    others = first_logon_script(RELEASES["win2016"], agent=True).splitlines()
    (forgets,) = [line for line in lines if line not in others]
    assert forgets.startswith('reg.exe delete "HKLM\\SYSTEM\\Setup" /v UnattendFile /f ')
    assert lines.index(forgets) < lines.index(">COM1 echo imgpipe: sysprep")
    assert [line for line in lines if line != forgets] == others


def test_the_marker_is_what_the_proof_reads():
    (line,) = [
        one for one in first_logon_script(RELEASES["win2016"], agent=True).splitlines() if "sealed.json echo" in one
    ]
    shown = line.partition(" echo ")[2]
    filled = shown.replace("%drivers%", '{"name": "balloon", "exit": 0}, {"name": "viorng", "exit": 259}')
    assert json.loads(filled.replace("%steps%", '{"name": "qemu-ga", "exit": 3010}')) == {
        "imgpipe": 1,
        "system": "win2016",
        "drivers": [{"name": "balloon", "exit": 0}, {"name": "viorng", "exit": 259}],
        "steps": [{"name": "qemu-ga", "exit": 3010}],
    }


def test_the_scripts_are_found_by_what_is_in_the_cds_root():
    fetch, run = values(tree_of(), "SynchronousCommand/CommandLine")
    assert r"if exist %d:\imgpipe.id xcopy.exe %d:\imgpipe C:\imgpipe" in fetch
    assert run.endswith(r"C:\imgpipe\first-logon.cmd")


def test_the_console_is_read_as_the_scripts_speak():
    told = re.findall(r">COM1 echo (.*?)\r", "".join(scripts("win2016").values()))
    found = answer()
    reader = Classifier(CONSOLE, found.proof)
    meanings = [type(reader.read(line.replace("%1", "balloon").replace("%reason%", "sysprep 5"))) for line in told]
    assert set(meanings) == {Reached, Proven, Failed}
    assert reader.read("imgpipe: failed driver balloon -536870330").reason == (
        "Inside Windows, 'driver balloon' failed with the exit code -536870330."
    )
    assert isinstance(reader.read("imgpipe: specialize"), Reached)
