"""MCP hosts on this machine: their configuration files, and how a server is added to one and removed again."""
