"""Windows' formats, made or read by programs that we did not write: wimlib, genisoimage, isoinfo, xorriso, xmllint."""

import shutil
import subprocess
from dataclasses import replace
from xml.etree import ElementTree as ET

import pytest

import windows_media as made
from imgpipe.adapters.iso import open_iso
from imgpipe.adapters.seed_iso import write_seed
from imgpipe.artifacts import Medium
from imgpipe.deploy.making import iso_of
from imgpipe.deploy.wanted import Identity
from imgpipe.errors import RecipeError
from imgpipe.identity.carriage import carry_files
from imgpipe.os_family import Account, Order
from imgpipe.recipe import Recipe
from imgpipe.stages.seed_copies import copied_files
from imgpipe_windows.clones import personalise_files
from imgpipe_windows.drivers import drivers
from imgpipe_windows.media.inspect import inspect
from imgpipe_windows.media.wim import read_images
from imgpipe_windows.options import WindowsOptions
from imgpipe_windows.prepare import prepare
from imgpipe_windows.systems import RELEASES

pytestmark = pytest.mark.programs
needs_wimlib = pytest.mark.skipif(not shutil.which("wimlib-imagex"), reason="wimlib-imagex is not installed")
SERVER = {
    "WINDOWS/ARCH": "9",
    "WINDOWS/VERSION/MAJOR": "10",
    "WINDOWS/VERSION/BUILD": "14393",
    "WINDOWS/PRODUCTTYPE": "ServerNT",
    "WINDOWS/LANGUAGES/LANGUAGE": "zh-CN",
}


def run(*argv):
    return subprocess.run([str(word) for word in argv], capture_output=True, timeout=120, check=True).stdout


def capture(folder, names, compress="LZX", solid=False, **changes):
    """Have wimlib make a WIM with an image for each name, and return its path."""
    tree = folder / "tree"
    (tree / "Windows").mkdir(parents=True)
    # Larger than one chunk, so that there is something to compress.
    (tree / "Windows/file").write_bytes(b"Windows " * 50_000)
    path = folder / "image"
    for name in names:
        facts = {**SERVER, **{key.replace("_", "/"): value for key, value in changes.items()}}
        options = [f"--image-property={key}={value}" for key, value in facts.items()]
        verb = ["append" if path.exists() else "capture", tree, path, name, f"The {name}"]
        compression = [] if path.exists() else [f"--compress={compress}", *(["--solid"] if solid else [])]
        run("wimlib-imagex", *verb, *options, *compression)
    shutil.rmtree(tree)
    return path


def iso(folder, files, *options, volume_id="M"):
    tree = folder / "iso-tree"
    for name, source in files.items():
        (tree / name).parent.mkdir(parents=True, exist_ok=True)
        data = source if isinstance(source, bytes) else source.read_bytes()
        (tree / name).write_bytes(data)
    path = folder / f"{volume_id}.iso"
    run("genisoimage", "-quiet", *(options or ("-joliet", "-rock")), "-volid", volume_id, "-output", path, tree)
    return path


def ordered(system, password="Correct-Horse-1", **table):
    known = RELEASES[system].system
    machine = {"memory": known.memory, "disk": "40 GiB", "firmware": known.firmware[0]}
    recipe = Recipe.model_validate({"name": "r", "os": system, "machine": machine, **table})
    accounts = {"root": Account(name="root", password_hash="$6$x", password=password)}
    return Order(recipe=recipe, system=known, options=WindowsOptions(), accounts=accounts)


@needs_wimlib
@pytest.mark.parametrize(
    ("name", "compress", "solid"),
    [("install.wim", "LZX", False), ("install.wim", "none", False), ("install.esd", "LZMS", True)],
)
@pytest.mark.parametrize("names", [("-udf",), ("-joliet", "-rock")])
def test_images_that_wimlib_made_are_read_from_the_medium(tmp_path, name, compress, solid, names):
    path = capture(tmp_path, made.EDITIONS, compress, solid)
    with open_iso(iso(tmp_path, {f"sources/{name}": path}, *names)) as medium:
        images = read_images(medium)
    assert [(image.index, image.name) for image in images] == list(enumerate(made.EDITIONS, 1))
    assert {(image.architecture, image.build, image.is_server, image.languages) for image in images} == {
        ("x64", 14393, True, ("zh-CN",))
    }
    told = ET.fromstring(run("wimlib-imagex", "info", path, "--xml").decode("utf-16"))
    assert [one.findtext("NAME") for one in told.findall("IMAGE")] == [image.name for image in images]


@needs_wimlib
def test_the_parts_of_a_split_image_have_the_whole_description(tmp_path):
    path = capture(tmp_path, made.EDITIONS)
    run("wimlib-imagex", "split", path, tmp_path / "install.swm", "1")
    with open_iso(iso(tmp_path, {"sources/install.swm": tmp_path / "install.swm"})) as medium:
        assert len(read_images(medium)) == 2


@needs_wimlib
@pytest.mark.parametrize(
    ("names", "changes", "fault"),
    [
        (made.EDITIONS, {}, ""),
        (("Windows Server 2016 SERVERDATACENTER",), {}, "no edition 'Windows Server 2016 SERVERSTANDARD'"),
        (made.EDITIONS, {"WINDOWS_ARCH": "0"}, "not for x64"),
        (made.EDITIONS, {"WINDOWS_VERSION_BUILD": "20348"}, "is not Windows Server 2016"),
    ],
)
def test_a_whole_windows_medium_is_judged_as_the_recipe_needs_it(tmp_path, names, changes, fault):
    windows = iso(tmp_path, {"sources/install.wim": capture(tmp_path, names, **changes)}, "-udf")
    (tmp_path / "v").mkdir()
    virtio = iso(tmp_path / "v", made.virtio_tree("2k16"), "-rock", "-iso-level", "4", volume_id="virtio-win-0.1.285")
    answer = prepare(ordered("win2016", guest={"locale": "zh_CN.UTF-8"}))
    with open_iso(windows) as first, open_iso(virtio) as second:
        found = inspect(RELEASES["win2016"].system, answer, {"": first, "virtio": second})
    assert (len(found.faults), fault in "".join(found.faults)) == (1 if fault else 0, True)


def test_a_medium_with_udf_names_alone_is_told_in_a_sentence(tmp_path):
    path = iso(tmp_path, {"sources/install.wim": b"x"}, "-udf")
    content = bytearray(path.read_bytes())
    for sector in range(16, 20):
        start = sector * 2048 + 1
        if content[start : start + 5] == b"CD001":
            content[start : start + 5] = bytes(5)
    path.write_bytes(content)
    with pytest.raises(RecipeError, match="UDF names alone"), open_iso(path):
        pass


@pytest.fixture(scope="module", params=["win2008r2", "win2016", "win2025"])
def seed(request, tmp_path_factory):
    """The seed ISO of a system, as the seed stage writes it, and what must be on it."""
    folder = tmp_path_factory.mktemp(request.param)
    tree = made.virtio_tree(*made.ALL_SYSTEMS)
    virtio = iso(folder, tree, "-rock", "-iso-level", "4", volume_id="virtio-win-0.1.285")
    answer = prepare(ordered(request.param))
    own = Medium(path=virtio, sha256="0" * 64, volume_id="", title="")
    medium = Medium(path=virtio, sha256="0" * 64, volume_id="", title="", further=(Medium(
        path=virtio, sha256="1" * 64, volume_id="", title="", name="virtio"
    ),))  # fmt: skip
    assert own.further == ()
    path = folder / "seed.iso"
    files = {file.name: file.text.encode() for file in answer.seed.files}
    with copied_files(answer.seed.copies, medium, folder) as copied:
        wanted = {**files, **{name: place.read_bytes() for name, place in copied.items()}}
        write_seed(path, answer.seed.volume_id, {**files, **copied})
        again = folder / "again.iso"
        write_seed(again, answer.seed.volume_id, {**files, **copied})
    return request.param, path, again, wanted


def test_the_seed_holds_the_drivers_of_its_system_alone(seed):
    system, _, _, wanted = seed
    release = RELEASES[system]
    contents = b" ".join(data for name, data in wanted.items() if name.endswith(".inf")).decode()
    assert {part.split("/")[1] for part in contents.split() if "/" in part} == {release.drivers[0]}
    assert {name.split("/")[1] for name in wanted if name.startswith("$WinPEDriver$/")} == {"viostor", "netkvm"}
    assert sum(name.endswith(".inf") for name in wanted) == len(drivers(release))
    assert not [name for name in wanted if name.endswith(".pdb")]


def test_the_same_files_make_the_same_seed(seed):
    _, path, again, _ = seed
    assert path.read_bytes() == again.read_bytes()
    assert path.stat().st_mode & 0o777 == 0o600


def test_isoinfo_and_xorriso_see_the_same_joliet_tree(seed):
    _, path, _, wanted = seed
    names = sorted(f"/{name}" for name in wanted)
    lines = sorted(run("isoinfo", "-i", path, "-J", "-f").decode().splitlines())
    folders = {f"/{parent}" for name in wanted for parent in parents(name)}
    assert sorted(set(lines) - folders) == names
    joliet = run(
        "xorriso", "-no_rc", "-report_about", "WARNING", "-read_fs", "norock", "-indev", f"stdio:{path}",
        "-find", "/", "-type", "f",
    )  # fmt: skip
    assert sorted(line.strip("'") for line in joliet.decode().splitlines()) == names
    for name, data in wanted.items():
        assert run("isoinfo", "-i", path, "-J", "-x", f"/{name}") == data


def parents(name):
    parts = name.split("/")
    return ["/".join(parts[:count]) for count in range(1, len(parts))]


def test_the_label_is_what_the_scripts_owner_will_look_for(seed):
    assert b"Volume id: IMGPIPE_SEED" in run("isoinfo", "-d", "-i", seed[1])


def test_the_cd_of_a_clone_has_its_answer_file_in_its_root_and_nothing_else(tmp_path):
    order = replace(ordered("win2016"), options=WindowsOptions(clones="cd"))
    steps = personalise_files(Identity(hostname="web-01", nics=(), password="Good-pass-1"), prepare(order).personalise)
    carried, path = carry_files(steps), tmp_path / "seed.iso"
    path.write_bytes(iso_of(carried))
    assert run("isoinfo", "-i", path, "-J", "-f").decode().split() == ["/Unattend.xml"]
    assert run("isoinfo", "-i", path, "-J", "-x", "/Unattend.xml").decode() == steps[0].content
    assert run("isoinfo", "-i", path, "-f").decode().split() == ["/UNATTEND.XML;1"]
    assert b"Good-pass-1" not in path.read_bytes()


@pytest.mark.skipif(not shutil.which("xmllint"), reason="xmllint is not installed")
@pytest.mark.parametrize("system", RELEASES)
def test_another_parser_reads_every_answer_file(tmp_path, system):
    path = tmp_path / "autounattend.xml"
    path.write_text(prepare(ordered(system)).seed.files[0].text)
    run("xmllint", "--noout", "--nonet", path)
