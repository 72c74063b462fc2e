"""The event of httpx's `trace` extension that the client relies on."""

from __future__ import annotations

from typing import Final

SENDING: Final = "http11.send_request_headers.started"
"""A transport reports it to a request's `trace` right before the first byte is sent (httpcore's name for it)."""
