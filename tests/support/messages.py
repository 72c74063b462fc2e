"""JSON-RPC messages shared by several tests."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

INITIALIZE: Final[Mapping[str, Any]] = {
    "jsonrpc": "2.0",
    "id": 0,
    "method": "initialize",
    "params": {
        "protocolVersion": "2025-11-25",
        "capabilities": {},
        "clientInfo": {"name": "test", "version": "1"},
    },
}
"""The first message of a client of protocol 2025-11-25."""
