"""An operator's own preseed file: used as it is, with the line appended that lets the installation prove its end."""

from __future__ import annotations

from imgpipe.errors import RecipeError
from imgpipe_debian import preseed

_QUESTION = "preseed/early_command"
_CALL = f"sh /{preseed.SCRIPT} early"


def with_proof(text: str, token: str) -> tuple[str, str]:
    """Return the operator's answers and the script beside them.

    Debconf keeps the last answer to a question, so an early_command of the operator's must make the call itself.
    Raises RecipeError where it does not.
    """
    script = preseed.TEMPLATES.get_template("imgpipe-proof.sh.j2").render(proof=preseed.PROOF, token=token)
    if _CALL in text:
        return text, script
    if any(_QUESTION in line for line in text.splitlines() if not line.lstrip().startswith("#")):
        raise RecipeError(
            f"Your preseed file has a '{_QUESTION}' of its own, so imgpipe cannot add its one.",
            hint=f"End yours with '; {_CALL}'.",
        )
    ended = text if text.endswith("\n") else f"{text}\n"
    added = "# Added by imgpipe: it installs nothing, and says that the installation ended.\n"
    return f"{ended}{added}d-i {_QUESTION} string {_CALL}\n", script
