"""How much of a response is received. The Track API's own are tiny: an empty object, or a few sentences of errors."""

from __future__ import annotations

from typing import Final

MAX_BODY_BYTES: Final = 2**16
"""Maximum size of a body. The longest documented one, an error for each of 1000 ids, is shorter."""
MAX_HEAD_BYTES: Final = 2**16
"""Maximum size of a response's head, with all interim responses (1xx) before it. httpx accepts as much for one line."""
MAX_FRAMED_BODY_BYTES: Final = 2**19
"""Maximum size of a body as it is sent, with the sizes and extensions of its chunks, and trailers.

It is above what asyncio receives at a time (256 KiB), so that the head of a response is read whatever follows it.
"""
