"""What `imgpipe` itself takes."""

from importlib.metadata import version

from typer.testing import CliRunner

from imgpipe.cli.main import app


def test_the_version_is_that_of_the_installed_package():
    shown = CliRunner().invoke(app, ["--version"])
    assert (shown.exit_code, shown.stdout) == (0, f"imgpipe {version('imgpipe')}\n")
