"""The command `customerio-track-mcp`."""
