"""Settings without credentials: valid, and what is missing is known."""

from __future__ import annotations

import pytest

from customerio_track_mcp.settings.server import Settings

API_KEY, SITE_ID = "CUSTOMERIO_API_KEY is not set", "CUSTOMERIO_SITE_ID is not set"


@pytest.mark.parametrize(
    ("variables", "missing"),
    [
        ({}, f"{API_KEY} and {SITE_ID}"),
        ({"api_key": "", "site_id": ""}, f"{API_KEY} and {SITE_ID}"),
        ({"site_id": "site"}, API_KEY),
        ({"api_key": "key"}, SITE_ID),
        ({"api_key": ":key"}, SITE_ID),
        ({"api_key": "site:key"}, ""),
        ({"api_key": "key", "site_id": "site"}, ""),
    ],
)
def test_missing_credentials(monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], missing: str) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(f"CUSTOMERIO_{name.upper()}", value)
    settings = Settings.from_environment()
    assert settings.missing_credentials == missing
    assert (settings.credentials is None) is bool(missing)


def test_without_an_api_key_the_hash_key_of_the_log_is_random_and_the_same_in_one_process() -> None:
    assert len(Settings().hash_key) == 32
    assert Settings().hash_key == Settings().hash_key != Settings(api_key="key").hash_key
