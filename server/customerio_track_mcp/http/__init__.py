"""The deployed service: the MCP server over streamable HTTP."""
