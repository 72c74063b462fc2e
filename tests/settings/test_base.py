"""Where settings come from, and how invalid ones are reported."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from customerio_track_mcp.settings.errors import SettingsError
from customerio_track_mcp.settings.server import Settings
from customerio_track_mcp.track import Credentials, Region


def test_env_file_is_read_and_the_environment_takes_precedence(
    read_settings: Callable[..., Settings], tmp_path: Path
) -> None:
    file = tmp_path / "named.env"
    file.write_text("CUSTOMERIO_API_KEY=site:from-file\nCUSTOMERIO_REGION=EU\nOTHER=1\n")
    settings = read_settings(region="US", env_file=str(file))
    assert settings.credentials == Credentials("site", "from-file")
    assert settings.region is Region.US


def test_secret_files_are_read(read_settings: Callable[..., Settings], tmp_path: Path) -> None:
    (tmp_path / "customerio_api_key").write_text("from-secret\n")
    (tmp_path / "customerio_site_id").write_text("site\n")
    settings = read_settings(secrets_dir=str(tmp_path))
    assert settings.credentials == Credentials("site", "from-secret")


def test_empty_secrets_directory_is_not_the_working_directory(
    read_settings: Callable[..., Settings], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "customerio_track_url").write_text("https://elsewhere.example\n")
    monkeypatch.chdir(tmp_path)
    assert read_settings(api_key="key", secrets_dir="").base_url == "https://track.customer.io"


def test_secret_file_that_is_not_utf8_is_reported(read_settings: Callable[..., Settings], tmp_path: Path) -> None:
    (tmp_path / "customerio_api_key").write_bytes(b"CUSTOMERIO_API_KEY=\xff\xfe")
    with pytest.raises(SettingsError, match="cannot be read as UTF-8 text"):
        read_settings(secrets_dir=str(tmp_path))


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"dry_run": "maybe"}, "CUSTOMERIO_DRY_RUN: expected true or false"),
        (
            {"sandbox": "maybe"},
            "CUSTOMERIO_SANDBOX: expected true, false or the URL of a sandbox, such as http://127.0.0.1:8765",
        ),
        ({"max_events_per_hour": "ten"}, "CUSTOMERIO_MAX_EVENTS_PER_HOUR: expected a whole number"),
        ({"max_people_per_hour": "1e3"}, "CUSTOMERIO_MAX_PEOPLE_PER_HOUR: expected a whole number"),
        ({"max_people_per_hour": "9" * 5000}, "CUSTOMERIO_MAX_PEOPLE_PER_HOUR: expected a smaller whole number"),
        ({"resend_window": "15m"}, "CUSTOMERIO_RESEND_WINDOW: expected a number"),
    ],
)
def test_value_of_another_type_is_reported_with_what_is_accepted(
    read_settings: Callable[..., Settings], given: dict[str, str], expected: str
) -> None:
    with pytest.raises(SettingsError) as caught:
        read_settings(**given)
    assert caught.value.problems == [expected]


def test_each_invalid_setting_is_reported_on_one_line(read_settings: Callable[..., Settings]) -> None:
    with pytest.raises(SettingsError) as caught:
        read_settings(
            region="mars",
            max_attempts="0",
            time_budget="soon",
            rate_limit="nan",
            read_timeout="-1",
            log_level="loud",
            allow_reserved_keys="everything",
        )
    lines = {line.split()[0].rstrip(":"): line for line in caught.value.problems}
    assert sorted(lines) == [
        "CUSTOMERIO_ALLOW_RESERVED_KEYS",
        "CUSTOMERIO_LOG_LEVEL",
        "CUSTOMERIO_MAX_ATTEMPTS",
        "CUSTOMERIO_RATE_LIMIT",
        "CUSTOMERIO_READ_TIMEOUT",
        "CUSTOMERIO_REGION",
        "CUSTOMERIO_TIME_BUDGET",
    ]
    assert all("\n" not in line for line in caught.value.problems)
    assert "contains unknown keys: everything; the reserved keys are " in lines["CUSTOMERIO_ALLOW_RESERVED_KEYS"]


def test_secrets_are_not_in_a_repr_or_an_error(read_settings: Callable[..., Settings]) -> None:
    settings = read_settings(api_key="k3y-value", site_id="s1te-value")
    assert "value" not in repr(settings) + str(settings) + repr(settings.credentials)
    with pytest.raises(SettingsError) as caught:
        read_settings(region="mars")
    assert "value" not in repr(caught.value) + str(caught.value)
