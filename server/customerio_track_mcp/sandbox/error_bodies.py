"""Responses with an error, in the form of the real API.

A client removes its own key from the texts that it passes on, and the key of the sandbox is the word "sandbox".
No text that is sent below `/api/` contains that word.
"""

from __future__ import annotations

import logging
from typing import Final

from aiohttp import web

logger = logging.getLogger("customerio_track_mcp.sandbox")

_INTERNAL_ERROR: Final = "internal error: this is a bug in the local Track API"


def error_response(message: str, status: int, headers: dict[str, str] | None = None) -> web.Response:
    """Return a response with one error."""
    return web.json_response({"meta": {"error": message}}, status=status, headers=headers)


def errors_response(*messages: str, status: int = 400) -> web.Response:
    """Return a response that lists what is invalid in a request."""
    return web.json_response({"meta": {"errors": messages}}, status=status)


def internal_error_response(error: Exception) -> web.Response:
    """Log that a request failed because of a bug, without the client's data, and return the response."""
    logger.error("the sandbox failed to handle a request (%s): this is a bug", type(error).__name__)
    return error_response(_INTERNAL_ERROR, 500)
