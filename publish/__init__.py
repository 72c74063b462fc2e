"""What a release publishes besides the wheel: the Claude Desktop bundle and the entry in the MCP registry."""
