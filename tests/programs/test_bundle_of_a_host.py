"""A bundle of a host on which secrets lie wherever a user can put them: none of them is in it."""

from __future__ import annotations

import json
import os
import subprocess
import tarfile

import pytest

from forks import shared

pytestmark = pytest.mark.programs

CANARY = "canary4711"
AVC = 'type=AVC msg=audit({when}.1:1): avc:  denied  {{ open }} for  pid=1 comm="qemu-kvm" {name} dev="dm-0" ino=1'
AVC += " scontext=system_u:system_r:svirt_t:s0:c1,c2 tcontext=system_u:object_r:default_t:s0 tclass=file permissive=0\n"
NAMES = (
    'path="/data/plain.qcow2"',
    f'path="/data/password={CANARY}"',
    f'name="{CANARY}-token.key"',
    f"path={f'/data/the password {CANARY}'.encode().hex().upper()}",
    f'path="/data/\x1b[31mred.qcow2" comm="{CANARY}"',
)
SETTINGS = f"""
mirror = "https://bob:{CANARY}@mirror.example/debian?token={CANARY}"
recipes = ["/srv/{CANARY}"]
"""
RECIPE = f"""
os = "rocky9"
[medium]
url = "https://bob:{CANARY}@mirror.example/x.iso?sig={CANARY}"
checksums = "https://bob:{CANARY}@mirror.example/CHECKSUM?sig={CANARY}"
"""
ENVIRONMENT = {
    "IMGPIPE_ROOT_PASSWORD": CANARY,
    "MY_API_TOKEN": CANARY,
    "https_proxy": f"http://bob:{CANARY}@proxy.example:3128",
    "HTTP_PROXY": f"bob:{CANARY}@proxy.example:3128",
    "GITHUB_TOKEN": CANARY,
}
URIS = (
    f"qemu+tcp://bob:{CANARY}@127.0.0.1:1/system",
    f"qemu+tcp://bob:{CANARY} and more@127.0.0.1:1/system",
    f"qemu+tcp://127.0.0.1:1/system?password={CANARY}#{CANARY}",
)


@pytest.fixture
def bundle(tmp_path):
    """What makes a bundle in namespaces with an audit log of their own, and returns its files and what was printed."""
    if os.geteuid() != 0 or subprocess.run(["unshare", "--mount", "true"], check=False).returncode:
        pytest.skip("namespaces cannot be made here")
    log, data, here = tmp_path / "log", tmp_path / "data", tmp_path / "here"
    for folder in (log / "audit", data, here):
        folder.mkdir(parents=True)

    def make(*words, records="", env=None):
        (log / "audit" / "audit.log").write_text(records)
        script = f"set -e; mount --bind {log} /var/log; echo ready; exec cat"
        env = {**os.environ, "IMGPIPE_HOME": str(data), **(env or {})}
        with subprocess.Popen(
            ["unshare", "--mount", "sh", "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        ) as namespaces:
            assert "ready\n" in iter(namespaces.stdout.readline, "")
            done = shared().run([*words], env=env, cwd=here, inside=namespaces.pid)
        assert done.returncode == 0, done.stderr
        path = here / done.stdout.strip()
        with tarfile.open(path) as opened:
            files = {entry.name.partition("/")[2]: opened.extractfile(entry).read() for entry in opened.getmembers()}
        return path, {name: content.decode() for name, content in files.items()}, done

    return make


@pytest.mark.parametrize("uri", URIS, ids=["login", "login with blanks", "query"])
def test_no_secret_that_a_user_can_put_anywhere_is_in_a_bundle(bundle, tmp_path, uri):
    here = tmp_path / "here"
    (here / "imgpipe.toml").write_text(SETTINGS)
    (here / "mine.toml").write_text(RECIPE)
    (here / "root-password").write_text(CANARY)
    (here / ".env").write_text(f"IMGPIPE_ROOT_PASSWORD={CANARY}\n")
    records = "".join(AVC.format(when=4_000_000_000, name=name) for name in NAMES)
    words = ("doctor", "--bundle", "mine.toml")
    path, files, done = bundle(*words, records=records, env={**ENVIRONMENT, "LIBVIRT_DEFAULT_URI": uri})
    assert CANARY not in done.stdout + done.stderr
    for name, text in files.items():
        assert CANARY not in text, name
        assert CANARY.encode().hex().upper() not in text, name
        assert "\x1b" not in text, name
    # What was planted was looked at, or nothing is shown here.
    assert json.loads(files["settings.json"]) == {"mirror": "(set)", "recipes": "(set)"}
    assert json.loads(files["findings.json"])["findings"]
    names = [one["name"] for one in json.loads(files["denials.json"])]
    assert names == ["/data/plain.qcow2", "(secret)", "(secret)", "(secret)", "/data/[31mred.qcow2"]
    assert path.stat().st_mode & 0o777 == 0o600


def test_a_bundle_of_a_host_that_answers_says_what_it_can_do(bundle):
    path, files, done = bundle("--connect", "test:///default", "doctor", "--bundle", "report.tar.gz")
    assert path.name == "report.tar.gz"
    assert "<capabilities>" in files["capabilities.xml"]
    assert "<uuid>" not in files["capabilities.xml"]
    versions = json.loads(files["versions.json"])
    assert versions["kernel"].startswith(os.uname().release)
    assert {"imgpipe", "python", "libvirt-python"} <= set(versions)
    for name in files:
        assert name == "MANIFEST.txt" or f"\n{name}: " in files["MANIFEST.txt"]
        assert name == "MANIFEST.txt" or f"{name}: " in done.stderr


def test_settings_that_are_wrong_cost_what_they_decide_and_no_more(bundle, tmp_path):
    (tmp_path / "here" / "imgpipe.toml").write_text(f'pol = "{CANARY}"\n')
    _, files, done = bundle("doctor", "--bundle")
    assert {"os-release.txt", "daemons.json", "MANIFEST.txt"} <= set(files)
    assert "findings.json" not in files
    assert "findings.json: NOT COLLECTED: " in done.stderr
    assert files["MANIFEST.txt"].count("NOT COLLECTED") == sum(
        line.count("NOT COLLECTED") for line in done.stderr.splitlines()
    )
    assert CANARY not in "".join(files.values())


def test_a_log_of_nonsense_breaks_nothing(bundle):
    noise = os.urandom(2**20).decode("latin-1") + "type=AVC msg=audit(1" * 10**5 + 'path="' * 10**5 + "\n"
    _, files, _ = bundle("--connect", "test:///default", "doctor", "--bundle", records=noise)
    assert json.loads(files["denials.json"]) == []


def test_many_refusals_are_bounded(bundle):
    records = "".join(
        AVC.format(when=4_000_000_000, name=f'path="/data/{number}{"x" * 200}"') for number in range(20_000)
    )
    path, files, _ = bundle("--connect", "test:///default", "doctor", "--bundle", records=records)
    told = json.loads(files["denials.json"])
    assert len(told) == 1000
    assert told[-1]["name"].startswith("/data/19999x")
    assert path.stat().st_size < 2**20
