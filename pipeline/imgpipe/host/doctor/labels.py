"""Whether SELinux lets machines use the files of a folder, and what labels it so that it does.

libvirt gives each file of a machine a label of its own before it starts it, so what counts is whether it may change the
label that the file has now: the folder's, for what is made in it. The loaded policy itself is asked.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

from imgpipe.adapters import process, selinux
from imgpipe.adapters.pool_folder import there
from imgpipe.host.distribution import this_host
from imgpipe.host.doctor.finding import Finding

Use = Literal["disks", "media"]
"""What lies in a folder: disks, which machines write, or media, which are only read."""

# The types of libvirt's own folders for these, /var/lib/libvirt/images and /var/lib/libvirt/isos.
_TYPES: dict[Use, str] = {"disks": "virt_image_t", "media": "virt_content_t"}
# Below it the policy has rules of its own, so that files only have to be given what these say.
_LIBVIRTS = Path("/var/lib/libvirt")
# What lets machines use the files of file systems that keep no labels.
_SWITCHES = {"nfs_t": "virt_use_nfs", "cifs_t": "virt_use_samba", "fusefs_t": "virt_use_fusefs"}
# What files have to whom nobody gave another type; one that somebody chose may be what a web server needs.
_NOBODYS = frozenset({"default_t", "unlabeled_t", "var_t", "var_lib_t", "usr_t", "mnt_t"})
_NO_FOLDER_FOR_ONE_THING = 2
_PACKAGE = "policycoreutils-python-utils"
_ALL_IN_IT = "(/.*)?"


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelFacts:
    """A folder and its SELinux type, empty where SELinux does not enforce or does not confine machines.

    `refused` is what the policy refuses machines there, None where it could not be asked. `ruled` are the expressions
    that semanage has a rule for. `lacking` are the commands that install what mends it, by program.
    """

    path: Path
    use: Use = "disks"
    label: str = ""
    refused: tuple[str, ...] | None = ()
    ruled: frozenset[str] = frozenset()
    root: bool = False
    lacking: Mapping[str, str] = field(default_factory=dict)


def gather(folder: Path, use: Use = "disks", *, system: bool, root: bool = False) -> LabelFacts:
    """Look at a folder, or the nearest one above it that is there; `system` says that the system's daemon is used."""
    # A label is the real folder's, and rules are for its real path.
    real = folder.resolve()
    present = there(real)
    label = selinux.type_of(present) if system and selinux.enforces() else ""
    if not label:
        return LabelFacts(path=real, use=use)
    return LabelFacts(
        path=real,
        use=use,
        label=label,
        refused=selinux.refused_to_machines(label, keeps_labels=selinux.keeps_labels(present)),
        ruled=frozenset(rule.split()[0] for rule in selinux.own_rules()),
        root=root,
        lacking={} if process.is_installed("semanage") else _installs(),
    )


def find(
    folders: Iterable[tuple[Path, Use]], own: Path, *, system: bool, root: bool, perhaps: bool = False
) -> Iterator[Finding]:
    """Judge folders, each once; what lies in `own`, the data root, is imgpipe's, and is told of once for each label.

    `perhaps` says that nobody knows whether media of these folders will be used.
    """
    home, told = own.resolve(), set[object]()
    for path, use in dict.fromkeys((path.resolve(), use) for path, use in folders):
        facts = gather(path, use, system=system, root=root)
        same = (facts.label, facts.refused) if home in path.parents else path
        if same not in told:
            told.add(same)
            for finding in judge(facts, home):
                mild = perhaps and use == "media" and finding.state == "fail"
                yield replace(finding, state="warn") if mild else finding


def judge(facts: LabelFacts, own: Path | None) -> Iterator[Finding]:
    """Say whether SELinux keeps machines from the files of a folder; nothing where it does not enforce."""
    if not facts.label:
        return
    if facts.refused is None:
        words = f"The policy cannot be asked about '{facts.path}', whose type is '{facts.label}'."
        yield Finding(name="SELinux", state="unknown", meaning=words, commands=("ausearch -m AVC -ts boot",))
    elif facts.refused:
        yield _mislabelled(facts, own)
    else:
        words = f"Machines may use '{facts.path}', whose type is '{facts.label}'."
        yield Finding(name="SELinux", state="ok", meaning=words)


def pattern(folder: Path) -> str:
    """Return the regular expression that semanage-fcontext(8) takes for a folder and all in it.

    It must have no blanks; signs that mean something in an expression are escaped.
    """
    escaped = "".join(r"\s" if sign.isspace() else re.sub(r"[^\w/-]", r"\\\g<0>", sign) for sign in str(folder))
    return escaped + _ALL_IN_IT


def _mislabelled(facts: LabelFacts, own: Path | None) -> Finding:
    inside = own is not None and (facts.path == own or own in facts.path.parents)
    switch = _SWITCHES.get(facts.label)
    mends = (("setsebool", "-P", switch, "on"),) if switch else _labelling(facts, own if own and inside else None)
    installs = () if switch or mends[0][0] == "restorecon" else tuple(facts.lacking.values())
    return Finding(
        name="SELinux",
        state="fail",
        meaning=f"SELinux keeps machines from '{facts.path}', whose type is '{facts.label}': it refuses "
        f"{', '.join(facts.refused or ())}.",
        commands=tuple(_typed(command, facts.root) for command in (*installs, *(shlex.join(mend) for mend in mends))),
        repairs=mends if not switch and (inside or _is_safe(facts)) else (),
    )


def _typed(command: str, root: bool) -> str:
    """Return a command as a user types it; a folder of one's own is made by oneself."""
    return command if root or command.startswith("mkdir ") else f"sudo {command}"


def _is_safe(facts: LabelFacts) -> bool:
    """Say whether a folder that is not imgpipe's may be labelled: all in it has a type that nobody chose.

    A switch, and a type that somebody chose, are their owner's to decide; so is a folder such as '/srv', which has more
    in it than machines use.
    """
    libvirts = _LIBVIRTS in facts.path.parents
    return libvirts or (facts.label in _NOBODYS and len(facts.path.parts) > _NO_FOLDER_FOR_ONE_THING)


def _labelling(facts: LabelFacts, own: Path | None) -> tuple[tuple[str, ...], ...]:
    folder = own or facts.path
    makes = (("mkdir", "-p", str(folder)),) if own else ()
    restores = ("restorecon", "-R", str(folder))
    if _LIBVIRTS in folder.parents:
        return (*makes, restores)
    # A second rule for the same expression is refused; what is there is changed instead.
    verb = "-m" if pattern(folder) in facts.ruled else "-a"
    kind = _TYPES["disks" if own else facts.use]
    return (*makes, ("semanage", "fcontext", verb, "-t", kind, pattern(folder)), restores)


def _installs() -> dict[str, str]:
    here = this_host()
    return {} if here.family == "unknown" else {"semanage": here.install_packages(_PACKAGE)}
