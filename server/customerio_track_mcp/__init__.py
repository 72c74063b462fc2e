"""MCP server for the Customer.io Track API: customers, events and manual segments."""

from importlib.metadata import version

__version__: str = version("customerio-track-mcp")
