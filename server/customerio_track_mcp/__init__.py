"""MCP server for the Customer.io Track API: customers, events and manual segments.

PYTEST_DONT_REWRITE: this package contains a plugin of pytest, whose modules pytest rewrites by default. It would warn
if a program imported the package before it starts pytest.
"""

__version__: str


def __getattr__(name: str) -> str:
    # Not when the package is imported: `importlib.metadata` imports a lot, which the command does only after
    # `cli.import_path`.
    if name == "__version__":
        from importlib.metadata import version

        return version("customerio-track-mcp")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
