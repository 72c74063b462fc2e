"""The demo: example data goes through a real MCP client and the real server, as a subprocess, into the sandbox."""

from customerio_track_mcp.demo.scenario import run_demo

__all__ = ["run_demo"]
