"""The demo: example data goes through a real MCP client and the real server, as a subprocess, into the sandbox."""

from customerio_track_mcp.demo.scenario import play, run_demo, run_scenario

__all__ = ["play", "run_demo", "run_scenario"]
