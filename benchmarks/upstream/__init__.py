"""What parts of the MCP SDK cost: one short script each, which needs only the SDK and this folder.

`python -m benchmarks.upstream.spans` runs one of them, `make bench ARGS=upstream` all. The figures are in
docs/performance.md.
"""
