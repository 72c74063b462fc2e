"""The port of a sandbox."""

from __future__ import annotations

from typing import Final

SANDBOX_PORT: Final = 8765
"""Unless another one is chosen."""
