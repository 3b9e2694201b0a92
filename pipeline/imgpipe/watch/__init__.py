"""Reading an installer: its console, its log and what its machine does, down to a verdict. Pure."""
