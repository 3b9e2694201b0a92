"""What docs/host.md says of answers for programs is what they are."""

import json
import re

from imgpipe.cli import doctor, host_views, output
from imgpipe.host.doctor.finding import Finding
from imgpipe.host.network import verification
from imgpipe.settings import checkout

TEXT = (checkout() / "docs" / "host.md").read_text(encoding="utf-8")
DOCTOR, CHECK = (json.loads(block) for block in re.findall(r"```json\n(.*?)```", TEXT, re.DOTALL))


def test_the_manual_shows_what_doctor_prints(monkeypatch):
    shown = []
    monkeypatch.setattr(output, "show_json", shown.append)
    (one,) = DOCTOR["findings"]
    found = Finding(name=one["name"], state=one["state"], meaning=one["meaning"], commands=tuple(one["commands"]))
    doctor._show((found,), DOCTOR["seconds"], as_json=True)
    assert shown == [DOCTOR]


def test_the_manual_shows_what_the_networks_check_prints():
    found = [verification.Finding(device=one["device"], ok=one["ok"], text=one["text"]) for one in CHECK["findings"]]
    assert host_views.findings_for_programs(found) == CHECK


def test_every_key_is_explained():
    keys = {*DOCTOR, *DOCTOR["findings"][0]} - {"findings"}
    assert all(f"| `{key}` |" in TEXT for key in keys)


def test_the_page_has_one_title_and_short_lines():
    outside = re.sub(r"```.*?```", "", TEXT, flags=re.DOTALL)
    assert len(re.findall(r"^# ", outside, re.MULTILINE)) == 1
    assert max(map(len, TEXT.splitlines())) <= 120
