"""The sandbox as a whole: what it imports, and how it stops."""

from __future__ import annotations

import ast
from pathlib import Path

import anyio
import httpx

import customerio_track_mcp.sandbox
from customerio_track_mcp.sandbox import run_sandbox


def test_sandbox_imports_nothing_from_the_rest_of_the_package() -> None:
    folder = Path(customerio_track_mcp.sandbox.__file__).parent
    imported = {
        node.module or ""
        for path in folder.glob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.ImportFrom)
    }
    from_package = {name for name in imported if name.startswith("customerio_track_mcp")}
    assert from_package
    assert all(name.startswith("customerio_track_mcp.sandbox") for name in from_package)


async def test_open_page_does_not_delay_shutdown() -> None:
    async with httpx.AsyncClient(trust_env=False) as client:
        async with run_sandbox() as sandbox:
            stream = await client.send(client.build_request("GET", f"{sandbox.url}/_sandbox/changes"), stream=True)
        with anyio.fail_after(30):
            assert "event: state" in (await stream.aread()).decode()
