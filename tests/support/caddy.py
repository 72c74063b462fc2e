"""The deployment's Caddyfile, for the Caddy that is installed."""

from __future__ import annotations

import os
import shutil
import subprocess
from typing import Final

import pytest

from tests.support.documents import ROOT

CADDY: Final = shutil.which("caddy")
needs_caddy = pytest.mark.skipif(CADDY is None and "REQUIRE_CADDY" not in os.environ, reason="caddy is not installed")


def caddyfile(*options: str) -> str:
    """Return the deployment's Caddyfile with global options, one a line."""
    text = (ROOT / "deploy" / "Caddyfile").read_text(encoding="utf-8")
    return "{\n" + "".join(f"\t{option}\n" for option in options) + "}\n" + text


def version_variables() -> dict[str, str]:
    """Return the variables that the Caddyfile needs for the Caddy that is installed; Debian still has 2.6."""
    assert CADDY is not None
    version = subprocess.check_output([CADDY, "version"], text=True).lstrip("v")
    return {"MCP_REQUEST_BUFFERS": "buffer_requests"} if version.startswith("2.6.") else {}
