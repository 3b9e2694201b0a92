"""Start the installer."""

from .install import main

main()
