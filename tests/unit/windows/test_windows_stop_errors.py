"""A crash dump's header tells which stop error it was."""

import struct

from imgpipe_windows.logs import explain
from imgpipe_windows.stop_errors import stop_errors

DUMP = "/Windows/Minidump/112326-3171-01.dmp"
LOG = "/Windows/Panther/setupact.log"


def header(code: int, *parameters: int) -> bytes:
    return b"PAGEDU64" + bytes(0x30) + struct.pack("<II4Q", code, 0, *parameters) + bytes(928)


def test_the_code_is_named_with_its_parameters():
    assert stop_errors({DUMP: header(0x7B, 0xFFFF8000, 0xC0000034, 0, 0)}) == {
        DUMP: "0x0000007b (INACCESSIBLE_BOOT_DEVICE) with 0xffff8000, 0xc0000034, 0x0, 0x0"
    }


def test_a_code_that_has_no_name_here_is_told_as_a_number():
    assert stop_errors({DUMP: header(0xDEADDEAD, 1, 2, 3, 4)}) == {DUMP: "0xdeaddead with 0x1, 0x2, 0x3, 0x4"}


def test_what_is_no_dump_or_was_cut_tells_nothing():
    assert stop_errors({DUMP: b"PAGEDU64", LOG: header(1, 0, 0, 0, 0)[1:]}) == {}


def test_a_stop_error_is_the_reason_where_no_log_knows_better():
    told = explain({DUMP: header(0xD1, 1, 2, 3, 4), LOG: b"2016-11-22 09:00:00, Info   IBS fine\r\n"})
    assert told.reason.startswith("Windows stopped with the stop error 0x000000d1 (DRIVER_IRQL_NOT_LESS_OR_EQUAL)")
    assert told.lines[0] == f"{DUMP}:"


def test_a_cause_that_a_log_names_comes_first_and_the_stop_error_is_shown():
    cause = b"2016-11-22 09:00:00, Error      SYSPRP hr: 0xc004d307\r\n"
    told = explain({LOG: cause, DUMP: header(0xD1, 1, 2, 3, 4)})
    assert "generalized as often" in told.reason
    assert any("stop error 0x000000d1" in line for line in told.lines)
