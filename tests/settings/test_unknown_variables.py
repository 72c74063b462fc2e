"""Variables that look like settings and are not: their names are reported with the closest known one."""

from __future__ import annotations

from pathlib import Path

import pytest

from customerio_track_mcp.settings.http import HttpSettings
from customerio_track_mcp.settings.server import Settings
from customerio_track_mcp.settings.unknown_variables import MAX_REPORTED, unknown_variables

VALUE = "a-value-that-must-not-show"


def test_name_of_an_option_is_reported_with_the_option(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUSTOMERIO_HTTP_HOST", VALUE)
    (line,) = unknown_variables()
    assert line.endswith("pass the option --host to the command http")


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("CUSTOMERIO_HTTP_TOKEN", "CUSTOMERIO_HTTP_TOKENS"),
        ("CUSTOMERIO_HTTP_TOKNES", "CUSTOMERIO_HTTP_TOKENS"),
        ("CUSTOMERIO_TOKENS", "CUSTOMERIO_HTTP_TOKENS"),
        ("CUSTOMERIO_HTTP_TOKEN_FILE", "CUSTOMERIO_HTTP_TOKENS_FILE"),
        ("CUSTOMERIO_HTTP_ISSUER_URL", "CUSTOMERIO_HTTP_ISSUER"),
        ("customerio_http_token", "CUSTOMERIO_HTTP_TOKENS"),
        ("CUSTOMERIO_REGON", "CUSTOMERIO_REGION"),
        ("CUSTOMERIO-REGION", "CUSTOMERIO_REGION"),
        ("CUSTOMERIOREGION", "CUSTOMERIO_REGION"),
        ("CUSTOMER_IO_API_KEY", "CUSTOMERIO_API_KEY"),
        ("CUSTOMERIO_TRACKING_API_KEY", "CUSTOMERIO_API_KEY"),
        ("CUSTOMERIO_SECRET_DIR", "CUSTOMERIO_SECRETS_DIR"),
        ("CUSTOMERIO_ENVFILE", "CUSTOMERIO_ENV_FILE"),
    ],
)
def test_misspelled_variable_is_reported_with_the_one_that_was_meant(
    monkeypatch: pytest.MonkeyPatch, name: str, meant: str
) -> None:
    monkeypatch.setenv(name, VALUE)
    (line,) = unknown_variables()
    assert line == f"{name} is not a setting and is ignored; did you mean {meant}?"


def test_variable_that_resembles_no_setting_is_reported_with_where_they_are_listed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("CUSTOMERIO_QQQQ", VALUE)
    (line,) = unknown_variables()
    assert line == "CUSTOMERIO_QQQQ is not a setting and is ignored; 'customerio-track-mcp --help' lists the settings"


def test_known_variables_and_those_of_others_are_not_reported(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    file = tmp_path / "named.env"
    file.write_text("OTHER=1\ncustomerio_region=EU\n")
    names = [cls.variable(field) for cls in (Settings, HttpSettings) for field in cls.model_fields]
    for name in (*names, "CUSTOMER_IO_QQQQ", "CUSTOMERS", "MY_CUSTOMERIO_KEY", "customerio_site_id"):
        monkeypatch.setenv(name, VALUE)
    monkeypatch.setenv("CUSTOMERIO_ENV_FILE", str(file))
    monkeypatch.setenv("CUSTOMERIO_SECRETS_DIR", str(tmp_path))
    assert unknown_variables() == []


def test_variables_that_kubernetes_sets_for_a_service_are_not_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    """For a Service named customerio-track-mcp, in the environment of every pod of the namespace."""
    service = "CUSTOMERIO_TRACK_MCP"
    for name in ("SERVICE_HOST", "SERVICE_PORT", "SERVICE_PORT_HTTP", "PORT", "PORT_8000_TCP", "PORT_8000_TCP_ADDR"):
        monkeypatch.setenv(f"{service}_{name}", "10.0.0.7")
    assert unknown_variables() == []
    monkeypatch.setenv("CUSTOMERIO_OTHER_PORT", "8000")
    assert len(unknown_variables()) == 1


def test_names_in_the_env_file_and_the_secrets_directory_are_reported(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    file, secrets = tmp_path / "named.env", tmp_path / "secrets"
    file.write_text(f"CUSTOMERIO_APIKEY={VALUE}\nexport CUSTOMERIO_SECRETS_DIR=x\nOTHER=1\n")
    secrets.mkdir()
    for name in ("customerio_site_Id", "customerio_siteid", "other", "customerio_tokens"):
        (secrets / name).write_text(VALUE)
    monkeypatch.setenv("CUSTOMERIO_ENV_FILE", str(file))
    monkeypatch.setenv("CUSTOMERIO_SECRETS_DIR", str(secrets))
    # Not a setting, but a file that one names.
    monkeypatch.setenv("CUSTOMERIO_HTTP_TOKENS_FILE", str(secrets / "customerio_tokens"))
    in_file = " in the file that CUSTOMERIO_ENV_FILE names"
    assert unknown_variables() == [
        f"CUSTOMERIO_APIKEY{in_file} is not a setting and is ignored; did you mean CUSTOMERIO_API_KEY?",
        f"CUSTOMERIO_SECRETS_DIR{in_file} is ignored: set CUSTOMERIO_SECRETS_DIR as an environment variable, in upper "
        "case",
        f"customerio_siteid in {secrets} is not a setting and is ignored; did you mean CUSTOMERIO_SITE_ID?",
    ]


def test_settings_are_read_in_any_case_and_the_places_of_settings_in_upper_case_only(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("customerio_Region", "EU")
    assert (Settings.from_environment().region, unknown_variables()) == ("EU", [])
    monkeypatch.setenv("customerio_env_file", VALUE)
    (line,) = unknown_variables()
    assert line == "customerio_env_file is ignored: set CUSTOMERIO_ENV_FILE as an environment variable, in upper case"


def test_lines_and_names_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(MAX_REPORTED + 5):
        monkeypatch.setenv(f"CUSTOMERIO_{number}_{'X' * 500}\x1b[31m", VALUE)
    lines = unknown_variables()
    assert len(lines) == MAX_REPORTED + 1
    assert lines[-1] == "5 more CUSTOMERIO_ names are not settings"
    assert max(map(len, lines)) < 200
    assert all(line.isprintable() for line in lines)
    assert VALUE not in "".join(lines)
