"""Read the sandbox's stream of changes."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any


async def next_message(lines: AsyncIterator[str]) -> tuple[str, dict[str, Any]]:
    """Return the name and the data of the next server-sent event."""
    name = ""
    async for line in lines:
        if line.startswith("event: "):
            name = line.removeprefix("event: ")
        if line.startswith("data: "):
            return name, json.loads(line.removeprefix("data: "))
    raise AssertionError("the stream ended")
