"""The events of httpx's `trace` extension that the client relies on, with httpcore's names."""

from __future__ import annotations

from typing import Final

SENDING: Final = "http11.send_request_headers.started"
"""A transport reports it to a request's `trace` right before the first byte is sent."""
SENDING_HTTP2: Final = "http2.send_request_headers.started"
"""The same over HTTP/2, which a caller's transport may use."""
WAITING: Final = "connection_pool.wait.started"
"""The connection pool reports it before it waits for a connection; httpcore's pool reports nothing then."""
