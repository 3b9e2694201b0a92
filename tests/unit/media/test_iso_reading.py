import hashlib
import random
import struct

import pytest

from imgpipe.adapters.iso import open_iso
from imgpipe.adapters.seed_iso import write_seed
from imgpipe.errors import HostError, PluginError, RecipeError


def test_the_same_files_give_the_same_bytes(tmp_path, monkeypatch):
    files = {
        "ks.cfg": b"text\n",
        "long-name-that-needs-a-continuation-of-its-rock-ridge-fields.cfg"[:64]: b"x",
        "a/b.sh": b"",
    }
    write_seed(tmp_path / "one.iso", "ks", files)
    monkeypatch.setattr("time.time", lambda: 1234567890.0)
    write_seed(tmp_path / "two.iso", "ks", dict(reversed(files.items())))
    assert (tmp_path / "one.iso").read_bytes() == (tmp_path / "two.iso").read_bytes()
    assert (tmp_path / "one.iso").stat().st_mode & 0o777 == 0o600


def test_names_contents_and_volume_id_come_back(tmp_path):
    files = {
        "user-data": b"#cloud-config\n",
        "meta-data": b"",
        "ks-rocky9.cfg": b"x" * 5000,
        "deep/er/file.txt": b"deep",
    }
    write_seed(tmp_path / "s.iso", "CIDATA", files)
    with open_iso(tmp_path / "s.iso") as medium:
        assert medium.volume_id == "CIDATA"
        assert {path: medium.read(path) for path in files} == files
        assert medium.glob("*") == ("ks-rocky9.cfg", "meta-data", "user-data")
        assert medium.glob("deep/*/*.TXT") == ("deep/er/file.txt",)
        assert medium.is_file("DEEP/er/FILE.txt")
        assert not medium.is_file("deep/er")
        assert medium.read("none") is None


def test_many_names_that_fold_to_the_same_short_one_fit(tmp_path):
    files = {f"answer-file-{number}.cfg": str(number).encode() for number in range(120)}
    write_seed(tmp_path / "s.iso", "ks", files)
    with open_iso(tmp_path / "s.iso") as medium:
        assert {path: medium.read(path) for path in files} == files


def test_a_name_that_joliet_cannot_hold_is_the_plugin_s_error(tmp_path):
    with pytest.raises(PluginError, match="64 characters"):
        write_seed(tmp_path / "s.iso", "ks", {"x" * 65: b""})
    with pytest.raises(PluginError, match="16 characters"):
        write_seed(tmp_path / "s.iso", "x" * 17, {"a": b""})


def test_extraction_gives_the_digest_and_a_private_file(tmp_path):
    data = random.Random(1).randbytes(3_000_000)
    write_seed(tmp_path / "s.iso", "x", {"big": data})
    seen = []
    with open_iso(tmp_path / "s.iso") as medium:
        digest = medium.extract("big", tmp_path / "out", lambda done, total: seen.append((done, total)))
    assert digest == hashlib.sha256(data).hexdigest()
    assert (tmp_path / "out").read_bytes() == data
    assert (tmp_path / "out").stat().st_mode & 0o777 == 0o600
    assert seen[-1] == (3_000_000, 3_000_000)


def test_extracting_what_is_not_there_is_the_recipe_s_error(tmp_path):
    write_seed(tmp_path / "s.iso", "x", {"a": b""})
    with open_iso(tmp_path / "s.iso") as medium, pytest.raises(RecipeError, match="has no file 'b'"):
        medium.extract("b", tmp_path / "out")


def test_a_cut_off_medium_is_told_from_a_whole_one(tmp_path):
    write_seed(tmp_path / "s.iso", "x", {"a": bytes(2_000_000)})
    whole = (tmp_path / "s.iso").read_bytes()
    (tmp_path / "s.iso").write_bytes(whole[:1_000_000])
    with pytest.raises(RecipeError, match="incomplete"), open_iso(tmp_path / "s.iso"):
        pass


def test_udf_alone_is_named_as_such(tmp_path):
    image = bytearray(40 * 2048)
    for sector, identifier in ((16, b"BEA01"), (17, b"NSR02"), (18, b"TEA01")):
        image[sector * 2048 + 1 : sector * 2048 + 6] = identifier
    (tmp_path / "w.iso").write_bytes(image)
    with pytest.raises(RecipeError, match="UDF names alone"), open_iso(tmp_path / "w.iso"):
        pass


def test_a_folder_that_claims_gigabytes_is_refused_unread(tmp_path):
    write_seed(tmp_path / "s.iso", "x", {"a": b""})
    image = bytearray((tmp_path / "s.iso").read_bytes())
    root = 16 * 2048 + 156
    struct.pack_into("<I", image, root + 10, 2**31)
    struct.pack_into(">I", image, root + 14, 2**31)
    with (tmp_path / "s.iso").open("wb") as file:
        file.write(image)
        file.truncate(2**32)  # sparse
    with pytest.raises(RecipeError), open_iso(tmp_path / "s.iso") as medium:
        medium.glob("*")


def test_damaged_tables_never_give_anything_but_our_errors(tmp_path):
    write_seed(tmp_path / "s.iso", "x", {".treeinfo": b"[general]\n", "images/vmlinuz": b"k" * 100})
    whole = (tmp_path / "s.iso").read_bytes()
    dice = random.Random(7)
    refused = 0
    for _ in range(150):
        image = bytearray(whole)
        for _ in range(dice.randint(1, 12)):
            image[dice.randrange(16 * 2048, len(image))] = dice.randrange(256)
        (tmp_path / "d.iso").write_bytes(image)
        try:
            with open_iso(tmp_path / "d.iso") as medium:
                medium.read(".treeinfo")
                medium.glob("*/*")
                medium.extract("images/vmlinuz", tmp_path / "out")
        except (RecipeError, HostError):
            refused += 1
    assert refused > 0
