"""The live display of a build on a terminal: every stage on a line, the running one with its bar and its phase."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from imgpipe.cli.stage_state import BuildState, Condition, StageState, show_counter, show_span
from imgpipe.disclosure import one_line
from imgpipe.events import Event, Listener, Note

_MARKS: dict[Condition, tuple[str, str, str]] = {
    "waiting": ("·", ".", "dim"),
    "running": ("▸", ">", "bold cyan"),
    "done": ("✓", "+", "green"),
    "reused": ("✓", "=", "green"),
    "failed": ("✗", "x", "bold red"),
}
_WIDE = 90
# How wide the bar is on a terminal of at least so many columns.
_BARS = ((110, 24), (60, 12))


@contextmanager
def live_display(stages: Sequence[str] = (), console: Console | None = None) -> Iterator[Listener]:
    """Show the build on a terminal, on stderr unless given; an exception marks the running stage as failed."""
    screen = console or Console(stderr=True, highlight=False)
    state = BuildState()
    state.expect(stages)

    def listen(event: Event) -> None:
        if isinstance(event, Note):
            screen.print(note(event))
        else:
            state.hear(event)

    # What is printed meanwhile by others goes above the display; stdout is data and is left alone.
    with Live(StageList(state), console=screen, refresh_per_second=4, redirect_stdout=False):
        try:
            yield listen
        except BaseException:
            state.fail()
            raise


class StageList:
    """The display: drawn anew from the state each time, so that clocks move without events."""

    def __init__(self, state: BuildState) -> None:
        self._state = state

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Draw the stages, and below the running one what it is doing."""
        fancy = not options.ascii_only
        # A copy, because events come from other threads than the one that draws.
        stages = list(self._state.stages.values())
        width = max((len(stage.name) for stage in stages), default=0)
        lines: list[RenderableType] = []
        for stage in stages:
            lines.append(_line(stage, width, options.max_width, fancy=fancy))
        yield Group(*lines)


def note(event: Note) -> Text:
    """Return a note as it stands above the display."""
    label, style = ("warning: ", "bold yellow") if event.warning else ("note: ", "bold")
    return Text.assemble((label, style), one_line(event.text))


def _line(stage: StageState, width: int, columns: int, *, fancy: bool) -> Table:
    """Draw one stage on one line: mark, name, bar, phase, clock."""
    mark, plain, style = _MARKS[stage.condition]
    grid = Table.grid(expand=True, padding=(0, 1, 0, 0))
    grid.add_column(width=1)
    grid.add_column(width=width, no_wrap=True)
    running = stage.condition == "running"
    fraction = stage.fraction() if running else None
    cells: list[RenderableType] = [
        Text(mark if fancy else plain, style),
        Text(stage.name, "bold" if running else ("dim" if stage.condition == "waiting" else "")),
    ]
    if fraction is not None:
        if bar := next((bar for least, bar in _BARS if columns >= least), 0):
            grid.add_column(width=bar)
            cells.append(ProgressBar(total=1, completed=fraction))
        grid.add_column(width=5, justify="right", no_wrap=True)
        cells.append(Text(f"{int(fraction * 100)} %"))
    grid.add_column(ratio=1, no_wrap=True, overflow="ellipsis" if fancy else "crop")
    grid.add_column(justify="right", no_wrap=True)
    grid.add_row(*cells, _doing(stage), _clock(stage, wide=columns >= _WIDE))
    return grid


def _doing(stage: StageState) -> Text:
    if stage.condition == "reused":
        return Text("unchanged, reused", "dim")
    if stage.condition not in ("running", "failed") or stage.progress is None:
        return Text("")
    phase = one_line(stage.progress.phase)
    count = stage.count()
    return Text.assemble(phase, (f"  {count}" if count else "", "dim"))


def _clock(stage: StageState, *, wide: bool) -> Text:
    if stage.condition in ("waiting", "reused"):
        return Text("")
    left = stage.left_s() if stage.condition == "running" and wide else None
    guess = f"about {show_span(left)} left  " if left else ""
    return Text.assemble((guess, "dim"), show_counter(stage.elapsed_s()))
