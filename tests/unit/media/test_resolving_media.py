import hashlib
import json
import threading
from dataclasses import replace

import pytest

from imgpipe.adapters.seed_iso import write_seed
from imgpipe.errors import HostError, RecipeError
from imgpipe.events import Note, Progress
from imgpipe.media import digests
from imgpipe.media.digests import file_digest
from imgpipe.media.request import MediumRequest
from imgpipe.media.resolve import resolve
from imgpipe.os_family import MediumMaker
from imgpipe.recipe import MediumSource

STAND_IN = b"[general]\nfamily = imgpipe stand-in\nname = imgpipe stand-in 1\nversion = 1\narch = x86_64\n"


def sha256(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


def ask(rocky, media, **changes):
    return MediumRequest(system=rocky, folders=(media,), **{"source": MediumSource(), **changes})


def maker(made, programs=(), files=None):
    def make(target, say):
        say("collecting")
        made.append(target)
        write_seed(target, "standin", files or {".treeinfo": STAND_IN})

    return MediumMaker(
        name="stand-in", summary="a try", make=make, fingerprint=lambda: "0123456789abcdef" * 4, programs=programs
    )


def test_a_medium_of_the_system_is_resolved(rocky_iso, rocky, media, store, events):
    medium = resolve(ask(rocky, media), store, events.append)
    assert medium.path == rocky_iso
    assert medium.sha256 == sha256(rocky_iso)
    assert (medium.title, medium.volume_id, medium.stand_in) == ("Rocky Linux 9.6", "Rocky 9.6", False)
    assert Note(text=f"The medium is '{rocky_iso}'.") in events


def test_another_system_s_medium_is_refused_with_every_reason(rocky_iso, rocky, media, store, events):
    other = replace(
        rocky, name="alma10", title="AlmaLinux 10", identity=replace(rocky.identity, family="Alma", version="10")
    )
    with pytest.raises(RecipeError, match=r"is 'Rocky Linux 9\.6', which is not 'alma10'") as caught:
        resolve(ask(other, media), store, events.append)
    assert len(caught.value.details) == 2


def test_a_wrong_digest_names_both_and_keeps_the_operator_s_file(rocky_iso, rocky, media, store, events):
    with pytest.raises(RecipeError) as caught:
        resolve(ask(rocky, media, source=MediumSource(sha256="0" * 64)), store, events.append)
    assert caught.value.details == (f"expected: {'0' * 64}", f"it has:   {sha256(rocky_iso)}")
    assert rocky_iso.exists()


def test_a_checksum_file_beside_is_used(rocky_iso, rocky, media, store, events):
    (media / "CHECKSUM").write_text(f"SHA256 ({rocky_iso.name}) = {sha256(rocky_iso)}\n")
    source = MediumSource(checksums=str(media / "CHECKSUM"))
    assert resolve(ask(rocky, media, source=source), store, events.append).path == rocky_iso
    (media / "CHECKSUM").write_text(f"SHA256 ({rocky_iso.name}) = {'1' * 64}\n")
    with pytest.raises(RecipeError, match="digest differs"):
        resolve(ask(rocky, media, source=source), store, events.append)
    (media / "CHECKSUM").unlink()
    with pytest.raises(RecipeError, match="no checksum file"):
        resolve(ask(rocky, media, source=source), store, events.append)


def test_the_choice_between_several_is_told(rocky_iso, rocky, media, store, events):
    (media / "Rocky-9.5-x86_64-minimal.iso").write_bytes(rocky_iso.read_bytes())
    assert resolve(ask(rocky, media), store, events.append).path == rocky_iso
    notes = [event.text for event in events if isinstance(event, Note)]
    assert any(f"'{rocky_iso.name}' is the newest" in text and "Rocky-9.5" in text for text in notes)


def test_a_url_of_the_operator_needs_a_digest(rocky, media, store, events):
    with pytest.raises(RecipeError, match="cannot be verified"):
        resolve(ask(rocky, media, override="https://host.invalid/a.iso"), store, events.append)


def test_no_medium_anywhere_is_an_error(rocky, media, store, events):
    with pytest.raises(RecipeError, match="no installation medium"):
        resolve(ask(rocky, media), store, events.append)


def test_a_stand_in_is_made_once_and_marked(rocky, media, store, events):
    made = []
    request = ask(rocky, media, override="stand-in", stand_in=maker(made))
    medium = resolve(request, store, events.append)
    assert medium.stand_in
    assert medium.path == store.cache / "made" / "stand-in-0123456789abcdef.iso"
    assert resolve(request, store, events.append).sha256 == medium.sha256
    assert len(made) == 1
    assert Progress(stage="medium", phase="collecting") in events
    assert any(isinstance(event, Note) and event.warning for event in events)


def test_a_system_that_is_the_stand_in_s_own_takes_it_as_such(rocky, media, store, events):
    demo = replace(
        rocky, name="demo", media=(), identity=replace(rocky.identity, family="imgpipe stand-in", version="")
    )
    medium = resolve(ask(demo, media, maker=maker([])), store, events.append)
    assert medium.stand_in
    # It takes no other system's place, so that nobody is warned.
    assert not [event for event in events if isinstance(event, Note) and event.warning]


def test_a_stand_in_found_by_path_is_refused_with_the_way_to_ask_for_it(rocky, media, store, events):
    write_seed(media / "s.iso", "standin", {".treeinfo": STAND_IN})
    with pytest.raises(RecipeError, match="which is not 'rocky9'") as caught:
        resolve(ask(rocky, media, override="s.iso"), store, events.append)
    assert "--media stand-in" in caught.value.hint


def test_a_system_without_stand_in_says_so(rocky, media, store, events):
    with pytest.raises(RecipeError, match="no stand-in medium"):
        resolve(ask(rocky, media, override="stand-in"), store, events.append)


def test_missing_programs_of_a_maker_are_all_named(rocky, media, store, events):
    made = []
    with pytest.raises(HostError, match="'no-such-a', 'no-such-b'"):
        resolve(ask(rocky, media, maker=maker(made, ("no-such-a", "no-such-b"))), store, events.append)
    assert made == []


def test_two_builds_make_a_medium_once(rocky, media, store):
    made, go_on, results = [], threading.Event(), []

    def make(target, say):
        assert go_on.wait(60)
        made.append(target)
        write_seed(target, "standin", {".treeinfo": STAND_IN})

    def notify(event):
        if isinstance(event, Note) and event.text.startswith("Waiting for process"):
            go_on.set()

    request = ask(rocky, media, override="stand-in", stand_in=replace(maker(made), make=make))
    builds = [threading.Thread(target=lambda: results.append(resolve(request, store, notify))) for _ in range(2)]
    for build in builds:
        build.start()
    for build in builds:
        build.join(120)
    assert len(made) == 1
    assert results[0] == results[1]


def test_a_maker_that_fails_leaves_no_medium(rocky, media, store, events):
    def fail(target, say):
        target.write_bytes(b"half")
        raise HostError("no room")

    broken = replace(maker([]), make=fail)
    with pytest.raises(HostError, match="no room"):
        resolve(ask(rocky, media, maker=broken), store, events.append)
    assert list((store.cache / "made").iterdir()) == []


def test_a_digest_is_read_once(rocky_iso, store, monkeypatch):
    first = file_digest(rocky_iso, "sha256", store)
    monkeypatch.setattr(digests, "_read", lambda *_: pytest.fail("it was read again"))
    assert file_digest(rocky_iso, "sha256", store) == first


def test_a_changed_medium_is_read_again(rocky_iso, store):
    first = file_digest(rocky_iso, "sha256", store)
    rocky_iso.write_bytes(b"other")
    assert file_digest(rocky_iso, "sha256", store) == hashlib.sha256(b"other").hexdigest() != first


def test_both_kinds_of_digest_are_remembered_and_gone_media_are_forgotten(rocky_iso, store, media):
    (media / "gone.iso").write_bytes(b"x")
    file_digest(media / "gone.iso", "sha256", store)
    (media / "gone.iso").unlink()
    file_digest(rocky_iso, "sha256", store)
    file_digest(rocky_iso, "sha512", store)
    known = json.loads((store.cache / "digests.json").read_text())
    assert list(known) == [str(rocky_iso)]
    assert {"sha256", "sha512"} <= known[str(rocky_iso)].keys()


@pytest.mark.parametrize("text", ["", "{", "[]", '{"x": 3}'])
def test_a_damaged_memory_is_no_memory(rocky_iso, store, text):
    store.cache.mkdir(parents=True)
    (store.cache / "digests.json").write_text(text)
    assert file_digest(rocky_iso, "sha256", store) == sha256(rocky_iso)
