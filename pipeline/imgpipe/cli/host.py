"""`imgpipe host`: the KVM host itself."""

from __future__ import annotations

import typer

from imgpipe.cli import host_network

app = typer.Typer(help="Make this machine a KVM host: its network, the names of its NICs.", no_args_is_help=True)
app.add_typer(host_network.app, name="network")
