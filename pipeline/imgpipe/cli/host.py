"""`imgpipe host`: the KVM host itself."""

from __future__ import annotations

import typer

from imgpipe.cli import host_network, host_setup, nic_names

app = typer.Typer(
    help="Make this machine a KVM host: its packages, its network, the names of its NICs.", no_args_is_help=True
)
app.command("setup")(host_setup.set_up)
app.add_typer(host_network.app, name="network")
app.add_typer(nic_names.app, name="nic-names")
