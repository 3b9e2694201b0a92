import io
import json
import threading

import pyte
import pytest
from rich.console import Console

from imgpipe.cli import progress
from imgpipe.cli.live import StageList, live_display
from imgpipe.cli.progress import JsonLines, PlainLines
from imgpipe.cli.stage_state import BuildState, StageState, show_counter, show_span
from imgpipe.events import Note, Progress, StageFinished, StageStarted


class Clock:
    def __init__(self):
        self.now = 1000.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


def moved(percent, phase="Installing packages", **more):
    return Progress(stage="install", phase=phase, percent=percent, **more)


def draw(state, width=110, encoding="utf-8"):
    file = io.TextIOWrapper(io.BytesIO(), encoding=encoding)
    console = Console(file=file, width=width, force_terminal=False, record=True)
    console.print(StageList(state))
    return [line.rstrip() for line in console.export_text().splitlines()]


@pytest.fixture
def building(clock):
    """A build whose install is at 212 of 431 packages after five minutes, and took eleven last time."""
    state = BuildState(clock=clock)
    state.expect(("medium", "install", "sysprep"))
    state.hear(StageStarted(stage="medium"))
    state.hear(StageFinished(stage="medium", seconds=0.1, reused=True))
    state.hear(StageStarted(stage="install", estimate_s=660.0))
    clock.now += 300
    state.hear(moved(47.0, done=212, total=431, unit="packages"))
    return state


def test_the_display_has_a_line_for_each_stage_and_the_running_one_says_all(building):
    lines = draw(building)
    assert lines[0] == "✓ medium  unchanged, reused"
    assert lines[1].startswith("▸ install ")
    assert "47 % Installing packages  212 of 431 packages" in lines[1]
    assert lines[1].endswith("about 6 min left  5:00")
    assert lines[2] == "· sysprep"


@pytest.mark.parametrize("width", [20, 40, 60, 80, 200])
def test_the_display_never_wraps_whatever_the_width(building, width):
    lines = draw(building, width)
    assert len(lines) == 3
    assert all(len(line) <= width for line in lines)


def test_a_terminal_that_knows_only_ascii_gets_only_ascii(building):
    assert "".join(draw(building, encoding="ascii")).isascii()


def test_a_stage_that_only_moves_was_begun(building, clock):
    building.hear(Progress(stage="sysprep", phase="Inspecting"))
    clock.now += 5
    assert draw(building)[2].split() == ["▸", "sysprep", "Inspecting", "0:05"]


def test_clocks_move_without_events(building, clock):
    before = draw(building)
    clock.now += 7
    assert before != draw(building)
    assert draw(building)[1].endswith("5:07")


def test_a_failed_stage_keeps_its_last_phase_and_its_clock_stands(building, clock):
    building.fail()
    clock.now += 100
    line = draw(building)[1]
    assert line.startswith("✗ install Installing packages")
    assert line.endswith("5:00")


def test_markup_and_escape_codes_of_a_guest_are_only_text(clock):
    state = BuildState(clock=clock)
    state.hear(moved(1.0, phase="[red]x[/red] \x1b[2J\x1b]0;owned\x07\nsecond line"))
    (line,) = draw(state)
    assert "[red]x[/red] [2J]0;owned second line" in line


def test_the_live_display_prints_notes_above_and_marks_what_failed():
    console = Console(file=io.StringIO(), width=100, force_terminal=True, color_system=None)

    def build():
        with live_display(("install",), console) as listen:
            listen(StageStarted(stage="install"))
            listen(Note(text="KVM does not work here: using [TCG].", warning=True))
            raise ValueError("stopped")

    with pytest.raises(ValueError, match="stopped"):
        build()
    shown = console.file.getvalue()
    assert "warning: KVM does not work here: using [TCG]." in shown
    assert "✗ install" in shown


def test_on_a_terminal_the_display_stays_in_its_place_below_the_notes():
    file = io.StringIO()
    console = Console(file=file, width=100, height=24, force_terminal=True, color_system=None, legacy_windows=False)
    with live_display(("install", "publish"), console) as listen:
        listen(StageStarted(stage="install"))
        for step in range(5):
            listen(moved(step * 20.0))
            listen(Note(text=f"note number {step}"))
        listen(StageFinished(stage="install", seconds=61.0))
    screen = pyte.Screen(100, 24)
    pyte.Stream(screen).feed(file.getvalue().replace("\n", "\r\n"))
    lines = [" ".join(line.split()) for line in screen.display if line.strip()]
    assert lines == [*(f"note: note number {step}" for step in range(5)), "✓ install 1:01", "· publish"]


def test_time_left_goes_from_last_time_to_what_the_percentage_says(clock):
    stage = StageState(name="install", clock=clock, condition="running", begun=clock.now, estimate_s=600.0)
    assert stage.left_s() == 600
    clock.now += 100
    stage.progress = moved(50.0)
    # Half of 100 s and half of 500 s, in whole minutes.
    assert stage.left_s() == 300
    stage.progress = moved(100.0)
    assert stage.left_s() == 0


def test_no_time_left_is_guessed_without_grounds(clock):
    stage = StageState(name="install", clock=clock, condition="running", begun=clock.now)
    assert stage.left_s() is None
    assert stage.fraction() is None
    clock.now += 60
    # A first percentage says how much was done before the slow part, not how slow that is.
    stage.progress = moved(5.0)
    assert stage.left_s() is None
    stage.progress = None
    clock.now -= 60
    stage.estimate_s = 60.0
    clock.now += 90
    assert stage.left_s() is None
    assert stage.fraction() == 0.95


def plain(clock, *events):
    stream = io.StringIO()
    lines = PlainLines(stream, clock)
    for wait, event in events:
        clock.now += wait
        lines(event)
    return stream.getvalue().splitlines()


def test_plain_lines_tell_stages_phases_and_notes(clock):
    assert plain(
        clock,
        (0, StageStarted(stage="install", estimate_s=684.0)),
        (61, moved(12.0, "Formatting the disk")),
        (3, Note(text="Something surprising.")),
        (296, moved(47.0, done=212, total=431, unit="packages")),
        (300, StageFinished(stage="install", seconds=660.0)),
        (0, StageFinished(stage="sysprep", seconds=0.0, reused=True)),
    ) == [
        "[ 0:00] install: started (took 11 min 20 s last time)",
        "[ 1:01] install: Formatting the disk 12 % (about 11 min left)",
        "[ 1:04] note: Something surprising.",
        "[ 6:00] install: Installing packages 212 of 431 packages, 47 % (about 7 min left)",
        "[11:00] install: done in 11 min",
        "[11:00] sysprep: unchanged, reused",
    ]


def test_plain_lines_are_few_however_many_events_there_are(clock):
    events = [(0, StageStarted(stage="install"))]
    events += [(0.1, moved(step / 10, done=step, total=1000, unit="packages")) for step in range(1000)]
    assert 10 <= len(plain(clock, *events)) <= 12


def test_a_phase_that_changes_all_the_time_does_not_flood_a_log(clock):
    events = [(0.1, moved(None, phase=f"package {step}")) for step in range(600)]
    assert len(plain(clock, *events)) <= 31


@pytest.mark.parametrize("done", [None, 2])
def test_a_phase_that_does_not_move_is_told_again_once_a_minute(clock, done):
    assert len(plain(clock, *[(2, moved(5.0, "Waiting", done=done)) for _ in range(121)])) == 5


def test_a_phase_that_began_right_behind_another_is_told_when_it_is_told_again(clock):
    told = plain(clock, (0, moved(5.0, "Making")), *[(1, moved(0.0, "Waiting", done=0, total=5)) for _ in range(20)])
    assert [line.split(": ")[1].split()[0] for line in told] == ["Making", "Waiting"]


def test_json_lines_have_the_event_and_what_is_known_of_it():
    stream = io.StringIO()
    write = JsonLines(stream)
    write(StageStarted(stage="install"))
    write(moved(1.5, phase="a\nb"))
    write(Note(text="x"))
    told = [json.loads(line) for line in stream.getvalue().splitlines()]
    assert [event.pop("time")[-6:] for event in told] == ["+00:00"] * 3
    assert told == [
        {"event": "stage_started", "stage": "install"},
        {"event": "progress", "stage": "install", "phase": "a\nb", "percent": 1.5, "unit": ""},
        {"event": "note", "text": "x", "warning": False},
    ]


def test_without_a_terminal_progress_goes_to_stderr_and_stdout_stays_empty(capsys):
    with progress.listener() as listen:
        listen(StageStarted(stage="install"))
    out, err = capsys.readouterr()
    assert out == ""
    assert err.endswith("install: started\n")


def test_for_programs_events_go_to_stdout_and_stderr_stays_empty(capsys):
    with progress.listener(json=True) as listen:
        listen(StageStarted(stage="install"))
    out, err = capsys.readouterr()
    assert json.loads(out)["event"] == "stage_started"
    assert err == ""


def test_events_from_several_threads_do_not_mix_their_lines(capsys):
    with progress.listener(json=True) as listen:

        def tell():
            for _ in range(200):
                listen(Note(text="x" * 200))

        threads = [threading.Thread(target=tell) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 800
    assert {json.loads(line)["text"] for line in lines} == {"x" * 200}


def test_a_watcher_who_went_away_does_not_end_the_build(monkeypatch):
    class Closed(io.StringIO):
        def write(self, _text):
            raise BrokenPipeError

    monkeypatch.setattr("sys.stdout", Closed())
    with progress.listener(json=True) as listen:
        listen(StageStarted(stage="install"))
        listen(StageFinished(stage="install", seconds=1.0))
        reached = True
    assert reached


@pytest.mark.parametrize(
    ("seconds", "counter", "span"),
    [
        (0.44, "0:00", "0.4 s"),
        (5.0, "0:05", "5 s"),
        (45, "0:45", "45 s"),
        (119.9, "1:59", "120 s"),
        (684, "11:24", "11 min 20 s"),
        (3600, "1:00:00", "1 h"),
        (7500, "2:05:00", "2 h 5 min"),
    ],
)
def test_durations_are_no_finer_than_they_deserve(seconds, counter, span):
    assert (show_counter(seconds), show_span(seconds)) == (counter, span)
