"""Settings as an operator sets them: environment variables."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from customerio_track_mcp.settings.server import Settings


@pytest.fixture
def read_settings(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Settings]:
    """A function that sets each keyword as a CUSTOMERIO_ variable and reads the settings."""

    def read(**settings: str) -> Settings:
        for name, value in settings.items():
            monkeypatch.setenv(f"CUSTOMERIO_{name.upper()}", value)
        return Settings.from_environment()

    return read
