"""Prints the files of the modules named on the command line, with all that those import."""

import importlib
import sys


def main() -> None:
    """Import the modules and print where every loaded module came from."""
    for name in sys.argv[1:]:
        importlib.import_module(name)
    for module in list(sys.modules.values()):
        path = getattr(module, "__file__", None)
        if path and not path.startswith("/.imgpipe"):
            sys.stdout.write(f"{path}\n")


main()
