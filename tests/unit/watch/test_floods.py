"""What a hostile guest says without end costs the loops that wait a bounded amount of work, counted and not timed."""

from types import SimpleNamespace

import pytest

from imgpipe.adapters.machine_streams import MachineStream
from imgpipe.identity import report
from imgpipe.os_family import Check
from imgpipe.stages import verify_report
from imgpipe.stages.verify_report import LONGEST_REPORT, ReportReader
from imgpipe.watch.console import LONGEST_LINE, LineDecoder

MIB = 2**20


def test_of_a_mebibyte_of_lines_that_begin_like_reports_a_few_are_parsed(monkeypatch):
    parsed = []
    parse = report.parse_report
    monkeypatch.setattr(report, "parse_report", lambda line: (parsed.append(line), parse(line))[1])
    assert report.last_report(b"{\n" * (MIB // 2)) is None
    assert len(parsed) == 16


def test_small_pieces_of_a_stream_are_counted():
    asked = []
    stream = MachineStream(SimpleNamespace(recv=lambda size: (asked.append(size), b"x")[1]))
    assert stream.read() == b"x" * 256
    assert len(asked) == 256


def test_each_line_of_a_verify_report_is_looked_at_once_however_it_comes(monkeypatch):
    tried = []
    pattern = verify_report._FACT
    monkeypatch.setattr(
        verify_report, "_FACT", SimpleNamespace(fullmatch=lambda line: (tried.append(line), pattern.fullmatch(line))[1])
    )
    reader = ReportReader((Check(name="one", script="true"),))
    for _ in range(100):
        reader.feed(b"junk\n" * 10 + b"ju")
        reader.feed(b"nk\n")
        assert not reader.report().complete
    assert len(tried) == 1100
    reader.feed(b"check 0000 0 \nend 1 " + b"0" * 64 + b"\n")
    told = reader.report()
    assert (told.complete, told.reported, told.results[0].passed) == (True, 1, True)


def test_a_line_that_never_ends_is_not_kept_and_a_report_is_bounded():
    reader = ReportReader(())
    for _ in range(20):
        reader.feed(b"x" * MIB)
        assert len(reader._rest) <= 32 * 1024 + 1
    reader.feed(b"\nend 1 " + b"0" * 64 + b"\n")
    assert not reader.report().complete
    assert LONGEST_REPORT == 8 * MIB


@pytest.mark.parametrize("pieces", [1, 64])
def test_a_console_without_line_breaks_is_cut_into_lines(pieces):
    decoder = LineDecoder()
    found = [line for _ in range(pieces) for line in decoder.feed(b"y" * (MIB // pieces))]
    assert [len(line) for line in found] == [LONGEST_LINE] * (MIB // LONGEST_LINE)
    assert decoder.open_line == ""
