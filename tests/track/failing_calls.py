"""Calls that must fail, for the tests of what they raise."""

from __future__ import annotations

import traceback
from typing import Final

import pytest

from customerio_track_mcp.track import Credentials, RequestFailedError, RetryPolicy, TrackClient

CREDENTIALS: Final = Credentials("site-id", "api-key")
ONE_ATTEMPT: Final = RetryPolicy(max_attempts=1)
PERSON: Final = "ann@example.com"


async def failure_of_track(client: TrackClient) -> RequestFailedError:
    """Send an event and return the error."""
    with pytest.raises(RequestFailedError) as caught:
        await client.track("42", "seen")
    return caught.value


async def failure_of_identify(client: TrackClient) -> RequestFailedError:
    """Send an update and return the error, which must not contain the person's identifier."""
    with pytest.raises(RequestFailedError) as caught:
        await client.identify(PERSON)
    assert PERSON not in str(caught.value)
    assert "ann%40example.com" not in "".join(traceback.format_exception(caught.value))
    return caught.value
