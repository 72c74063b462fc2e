"""Send random messages to the running server, and check every response: see `python -m fuzz --help`."""
