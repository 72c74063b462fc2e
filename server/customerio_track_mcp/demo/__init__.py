"""The main job, done before your eyes: a real MCP client, the real server as a subprocess, the sandbox behind it."""

from customerio_track_mcp.demo.scenario import run_demo

__all__ = ["run_demo"]
