"""The settings of every way of serving: defaults, credentials, region, reserved keys."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from customerio_track_mcp.http.auth.authenticator import Authenticator
from customerio_track_mcp.settings.errors import SettingsError
from customerio_track_mcp.settings.http import HttpSettings
from customerio_track_mcp.settings.server import Settings
from customerio_track_mcp.track import Credentials, Region


def test_defaults(read_settings: Callable[..., Settings]) -> None:
    settings = read_settings(api_key="key", site_id="site")
    assert settings.credentials == Credentials("site", "key")
    assert settings.base_url == "https://track.customer.io"
    assert settings.retry_policy.max_attempts == 4
    assert settings.retry_policy.time_budget == 30
    assert settings.rate_limit == 100
    assert settings.allow_reserved_keys == frozenset()


@pytest.mark.parametrize(
    ("site_id", "api_key", "credentials"),
    [
        (None, "site:key", Credentials("site", "key")),
        ("site", "key", Credentials("site", "key")),
        ("site", "site:key", Credentials("site", "key")),
        (" site ", " key\n", Credentials("site", "key")),
        (None, "key", None),
        (None, ":key", None),
        ("", "site:key", Credentials("site", "key")),
    ],
)
def test_site_id_may_be_part_of_the_api_key(
    read_settings: Callable[..., Settings], site_id: str | None, api_key: str, credentials: Credentials | None
) -> None:
    settings = {"api_key": api_key} | ({"site_id": site_id} if site_id is not None else {})
    assert read_settings(**settings).credentials == credentials


@pytest.mark.parametrize(
    ("settings", "error"),
    [
        ({"api_key": " "}, "CUSTOMERIO_API_KEY: is blank"),
        ({"api_key": "site:"}, "CUSTOMERIO_API_KEY: is blank"),
        ({"api_key": "key", "site_id": " "}, "CUSTOMERIO_SITE_ID: is blank"),
        ({"api_key": "kéy"}, "CUSTOMERIO_API_KEY: contains characters"),
        ({"api_key": "k\udcffy"}, "CUSTOMERIO_API_KEY: contains characters"),
        ({"api_key": "two words"}, "CUSTOMERIO_API_KEY: contains characters"),
        (
            {"api_key": "other:key", "site_id": "site"},
            "CUSTOMERIO_API_KEY contains a different Site ID than CUSTOMERIO_SITE_ID",
        ),
    ],
)
def test_invalid_credentials_are_reported(
    read_settings: Callable[..., Settings], settings: dict[str, str], error: str
) -> None:
    with pytest.raises(SettingsError) as caught:
        read_settings(**settings)
    (line,) = caught.value.problems
    assert line.startswith(error)


@pytest.mark.parametrize("region", ["EU", "eu", " Eu "])
def test_region_is_accepted_in_any_case(read_settings: Callable[..., Settings], region: str) -> None:
    settings = read_settings(api_key="key", region=region)
    assert settings.region is Region.EU
    assert settings.base_url == "https://track-eu.customer.io"


def test_reserved_keys_are_allowed_by_name(read_settings: Callable[..., Settings]) -> None:
    settings = read_settings(api_key="key", allow_reserved_keys="unsubscribed, recipient,")
    assert settings.allow_reserved_keys == {"unsubscribed", "recipient"}


@pytest.mark.parametrize("field", ["api_key", "site_id", "region", "sandbox", "rate_limit", "log_hash_key"])
@pytest.mark.parametrize("text", ["${user_config.key}", " ${user_config.site_id}\n", "${user_config.SANDBOX_2}"])
def test_an_empty_field_of_a_hosts_form_is_a_setting_that_is_not_set(
    read_settings: Callable[..., Settings], tmp_path: Path, field: str, text: str
) -> None:
    assert read_settings(**{field: text}).model_fields_set == set()
    file = tmp_path / "named.env"
    file.write_text(f"CUSTOMERIO_{field.upper()}='{text.strip()}'\n")
    assert read_settings(**{field: "", "env_file": str(file)}).model_fields_set == set()


@pytest.mark.parametrize("text", ["x${user_config.key}", "${user_config.key}:${user_config.site}", "${user_config.}"])
def test_other_placeholders_are_reported(read_settings: Callable[..., Settings], text: str) -> None:
    with pytest.raises(SettingsError, match="CUSTOMERIO_API_KEY: is a placeholder that was not replaced"):
        read_settings(api_key=text)


@pytest.mark.parametrize("field", ["tokens", "issuer", "audience"])
def test_authentication_is_never_omitted(monkeypatch: pytest.MonkeyPatch, field: str) -> None:
    monkeypatch.setenv(f"CUSTOMERIO_HTTP_{field.upper()}", f"${{user_config.{field}}}")
    with pytest.raises(SettingsError, match=f"CUSTOMERIO_HTTP_{field.upper()}"):
        Authenticator(HttpSettings.from_environment())
