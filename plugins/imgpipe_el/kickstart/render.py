"""A recipe as a kickstart: the templates, filled in."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache

from jinja2 import Environment, PackageLoader, StrictUndefined, Template

from imgpipe.errors import RecipeError
from imgpipe.keyboards import console_keymap, keyboard_fault
from imgpipe.os_family import Account, Order
from imgpipe.recipe import Guest, SshKey, User
from imgpipe_el.kickstart.files import sshd_lines, target_files
from imgpipe_el.kickstart.network import network_lines
from imgpipe_el.kickstart.proof import MARKER, PROOF_FILE, proof_word
from imgpipe_el.kickstart.quoting import Quoted, here_document, joined, option, package, quoted
from imgpipe_el.kickstart.storage import storage_lines
from imgpipe_el.options import ElOptions
from imgpipe_el.release import Release

CONSOLE_ARGUMENT = "console=ttyS0,115200n8"
CLASSIC_NAMES = ("net.ifnames=0", "biosdevname=0")


def render_kickstart(order: Order, release: Release, options: ElOptions, disk: str) -> tuple[str, str]:
    """Return the kickstart and the word of its proof; raises RecipeError for what cannot be said in one."""
    recipe = order.recipe
    text = _template("kickstart.ks.j2").render(
        recipe=recipe,
        guest=recipe.guest,
        keymap=_keymap(recipe.guest.keyboard),
        release=release,
        installer=release.installer,
        options=options,
        network=[Quoted(line) for line in network_lines(recipe)],
        storage=[Quoted(line) for line in storage_lines(recipe, release, options, disk)],
        accounts=[Quoted(line) for line in _account_lines(order, release)],
        boot_arguments=" ".join(_boot_arguments(recipe.guest, release)),
        environment=options.environment or release.environment,
        files=list(target_files(recipe.guest, release)),
        sshd_lines=() if release.sshd_drop_ins else sshd_lines(recipe.guest),
        disk=disk,
        console_argument=CONSOLE_ARGUMENT,
        marker=MARKER,
    )
    return with_proof(text)


def _keymap(keyboard: str) -> str:
    if keymap := console_keymap(keyboard):
        return keymap
    raise RecipeError(
        "The recipe names a keyboard that the system's console has not.",
        details=[keyboard_fault(keyboard, console=True)],
    )


def with_proof(text: str) -> tuple[str, str]:
    """Append the proof sections to a kickstart; return it with the word that they will show."""
    word = proof_word(text)
    proof = _template("proof.ks.j2").render(word=word, marker=MARKER, file=PROOF_FILE)
    separator = "" if text.endswith("\n") else "\n"
    return f"{text}{separator}\n{proof}", word


@cache
def _environment() -> Environment:
    # Not HTML: `finalize` quotes for the shell and for kickstart whatever is not quoted yet.
    environment = Environment(
        loader=PackageLoader("imgpipe_el"),
        autoescape=False,  # noqa: S701
        undefined=StrictUndefined,
        finalize=quoted,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters |= {"joined": joined, "package": package}
    environment.globals |= {"option": option, "here_document": here_document}
    return environment


def _template(name: str) -> Template:
    return _environment().get_template(name)


def _boot_arguments(guest: Guest, release: Release) -> Iterator[str]:
    """Yield the installed kernel's arguments; Anaconda keeps some of the installer's, but each release others."""
    if guest.classic_nic_names:
        yield from CLASSIC_NAMES
    if guest.serial_console:
        yield CONSOLE_ARGUMENT
    if guest.selinux == "off" and release.selinux_needs_argument:
        yield "selinux=0"
    yield from guest.kernel_arguments


def _account_lines(order: Order, release: Release) -> Iterator[str]:
    guest = order.recipe.guest
    root = order.accounts.get("root", Account(name="root"))
    if root.password_hash:
        ssh = " --allow-ssh" if release.installer.root_ssh_option else ""
        yield f"rootpw --iscrypted{ssh} {quoted(root.password_hash)}"
    else:
        yield "rootpw --lock"
    for user in guest.users:
        yield _user_line(user, order.accounts.get(user.name, Account(name=user.name)))
    yield from _key_lines("root", guest.root.keys)
    for user in guest.users:
        yield from _key_lines(user.name, user.keys)


def _user_line(user: User, account: Account) -> str:
    parts = ["user", option("name", user.name)]
    if user.comment:
        parts.append(option("gecos", user.comment))
    if user.groups:
        parts.append(f"--groups={joined(user.groups)}")
    if account.password_hash:
        parts += ["--iscrypted", option("password", account.password_hash)]
    else:
        parts.append("--lock")
    return " ".join(parts)


def _key_lines(name: str, keys: tuple[SshKey, ...]) -> Iterator[str]:
    for key in keys:
        yield f"sshkey {option('username', name)} {quoted(key)}"
