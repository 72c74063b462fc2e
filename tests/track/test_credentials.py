"""Credentials stay out of what is printed."""

from __future__ import annotations

from customerio_track_mcp.track import Credentials


def test_repr_does_not_contain_the_credentials() -> None:
    assert repr(Credentials("site-id", "api-key")) == "Credentials()"
