"""What tests need to create Track API clients."""

from __future__ import annotations

from typing import Final

from customerio_track_mcp.track import RetryPolicy

FAST_RETRIES: Final = RetryPolicy(initial_backoff=0.001)
"""The default retry policy, but with nearly no delay between attempts."""
