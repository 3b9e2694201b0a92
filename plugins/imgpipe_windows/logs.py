"""What the logs of Windows Setup and Sysprep tell of a failure: one sentence where the cause is known, and lines.

Sources of the words: Microsoft's pages on setup log files and sysprep errors, and reports of other projects.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from imgpipe.disclosure import one_line
from imgpipe.self_sealing import Explanation
from imgpipe_windows.redaction import redacted
from imgpipe_windows.stop_errors import is_dump, stop_errors

PATTERNS = (
    "/Windows/System32/Sysprep/Panther/setup*.log",
    "/Windows/Panther/UnattendGC/setup*.log",
    "/Windows/Panther/setup*.log",
    "/$WINDOWS.~BT/Sources/Panther/setup*.log",
    "/Windows/INF/setupapi.dev.log",
    "/imgpipe/*.log",
)
"""Those that tell of the last phase first; glob patterns in any case."""

_LINES_OF_A_LOG = 8
_MOST_LINES = 36
_LONGEST_LINE = 300
# A log that is UTF-16 without a mark has a zero in every other byte, as long as it is English.
_ZEROS = 0.3


@dataclass(frozen=True, slots=True, kw_only=True)
class Cause:
    """Words of a log, and the sentence that they mean; it may use the groups of the expression."""

    pattern: str
    reason: str


# The more particular comes first: a general error follows each of them.
CAUSES = (
    Cause(
        pattern=r"Package (?P<name>[\w.+-]{1,100}) was installed for a user, but not provisioned for all users",
        reason="Sysprep refuses: the app package '{name}' is installed for a user, but not for all users.",
    ),
    Cause(
        pattern=r"Failed to query disk \[(?P<number>\d{1,4})\]",
        reason="Windows Setup sees no disk {number}: the storage driver was not loaded.",
    ),
    Cause(
        pattern=r"(?i)\bno images? (?:is|are) available",
        reason="Windows Setup finds no image to install: the product key is of another edition than the medium.",
    ),
    Cause(
        pattern=r"(?i)failed to decode password",
        reason="Windows cannot decode a password of the answer file.",
    ),
    Cause(
        pattern=r"(?i)answer file \[?(?P<file>[^\]\r\n]{0,120}?)\]? for pass \[(?P<phase>\w{1,20})\]"
        r"[^\r\n]{0,400}?component \[(?P<component>[\w-]{1,100})\]",
        reason="Windows does not accept the answer file: pass '{phase}', component '{component}'.",
    ),
    Cause(
        pattern=r"(?i)unattend(?:ed)? answer file[^\r\n]{0,200}?for pass \[(?P<phase>\w{1,20})\]",
        reason="Windows does not accept the answer file: pass '{phase}'.",
    ),
    Cause(
        pattern=r"(?i)the provided unattend file is not valid",
        reason="Windows Setup does not accept the answer file.",
    ),
    Cause(
        pattern=r"(?i)password does not meet the (?:password )?(?:policy|complexity)",
        reason="Windows does not accept the administrator's password: it is too simple.",
    ),
    Cause(
        pattern=r"(?i)0x80070103-0x40031\b",
        reason="Windows Setup was offered a driver twice, or one from a drive that is not there.",
    ),
    Cause(
        pattern=r"(?i)0xc004d307\b",
        reason="Sysprep refuses: this installation was generalized as often as its licence allows.",
    ),
    Cause(
        pattern=r"(?i)0x80310039\b|bitlocker is on for the os volume",
        reason="Sysprep refuses: BitLocker encrypts the system's volume.",
    ),
    Cause(
        pattern=r"(?i)0x800f0975\b|reserved storage is in use",
        reason="Sysprep refuses: an update is being installed (reserved storage is in use).",
    ),
    Cause(
        pattern=r"(?i)0xe0000247\b|0x800b0109\b|does not contain digital signature information",
        reason="Windows refuses a driver, because nobody whom it trusts has signed it.",
    ),
    Cause(
        pattern=r"(?i)sysprep is not supported|machine is in an invalid state|upgraded (?:os|system)",
        reason="Sysprep refuses this installation: it was upgraded, or never finished its setup.",
    ),
)
_TROUBLE = re.compile(r", (?:Fatal )?Error\b|, Fatal\b|^!!!|^<<<.*FAILURE|^imgpipe: failed", re.IGNORECASE)
_BENIGN = re.compile(r"(?i)\b(?:error|result|status|hr) ?= ?(?:0x0+|0)\b")
_EXPRESSIONS = tuple((re.compile(cause.pattern), cause.reason) for cause in CAUSES)


def explain(logs: Mapping[str, bytes]) -> Explanation:
    """Return the known cause, if there is one, and the last lines of trouble of each log; secrets are taken out.

    Dumps among them tell of stop errors; a cause that a log names comes first, because it is the more particular.
    """
    stopped = stop_errors({path: content for path, content in logs.items() if is_dump(path)})
    texts = {path: redacted(decoded(content)).splitlines() for path, content in _in_order(logs) if not is_dump(path)}
    reason = next(_reasons([line for lines in texts.values() for line in lines if _tells(line)]), "")
    reason = reason or next((f"Windows stopped with the stop error {told}." for told in stopped.values()), "")
    shown = [line for path, told in stopped.items() for line in (f"{path}:", f"  stop error {told}")]
    for path, lines in texts.items():
        trouble = [line for line in lines if _tells(line)]
        if trouble:
            shown += [f"{path}:", *(f"  {one_line(line, _LONGEST_LINE)}" for line in trouble[-_LINES_OF_A_LOG:])]
    return Explanation(reason=one_line(reason, _LONGEST_LINE), lines=tuple(shown[:_MOST_LINES]))


def decoded(content: bytes) -> str:
    """Return a log's text: UTF-16 by its mark or its zeros, else UTF-8, else the code page of Western Windows."""
    if content[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return content.decode("utf-16", "replace")
    start = content[:4096]
    if start and start[1::2].count(0) > _ZEROS * len(start) / 2:
        return content.decode("utf-16-le", "replace")
    if start and start[::2].count(0) > _ZEROS * len(start) / 2:
        return content.decode("utf-16-be", "replace")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        # The end of a log may begin, or be cut, inside of a character.
        if error.start < 4 or error.start > len(content) - 4:
            return content.decode("utf-8", "ignore")
        return content.decode("cp1252", "replace")


def _in_order(logs: Mapping[str, bytes]) -> Iterator[tuple[str, bytes]]:
    """Yield the logs with those of the last phase first, errors before everything else."""
    places = [pattern.rpartition("/")[0].casefold() for pattern in PATTERNS]

    def rank(path: str) -> tuple[int, bool, str]:
        folder = path.rpartition("/")[0].casefold()
        return (places.index(folder) if folder in places else len(places), "setuperr" not in path.casefold(), path)

    for path in sorted(logs, key=rank):
        yield path, logs[path]


def _reasons(lines: list[str]) -> Iterator[str]:
    for expression, reason in _EXPRESSIONS:
        for line in reversed(lines):
            if found := expression.search(line):
                yield reason.format(**found.groupdict())
                break


def _tells(line: str) -> bool:
    """Say whether a line is one of trouble; what a cause's words mean in another is no cause."""
    return bool(_TROUBLE.search(line)) and not _BENIGN.search(line)
