"""What the environment may say, and how it is told when it says it wrong."""

from pathlib import Path

import pytest

from customerio_track_mcp.settings.base import BadSettingsError
from customerio_track_mcp.settings.server import Settings
from customerio_track_mcp.track import Credentials, Region


def read(monkeypatch: pytest.MonkeyPatch, **settings: str) -> Settings:
    for name, value in settings.items():
        monkeypatch.setenv(f"CUSTOMERIO_{name.upper()}", value)
    return Settings.from_environment()


def test_defaults(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = read(monkeypatch, api_key="key", site_id="site")
    assert settings.credentials == Credentials("site", "key")
    assert settings.base_url == "https://track.customer.io"
    assert settings.patience.max_attempts == 4
    assert settings.patience.time_budget == 30
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
def test_the_site_id_may_stand_in_the_api_key(
    monkeypatch: pytest.MonkeyPatch, site_id: str | None, api_key: str, credentials: Credentials | None
) -> None:
    settings = {"api_key": api_key} | ({"site_id": site_id} if site_id is not None else {})
    assert read(monkeypatch, **settings).credentials == credentials


@pytest.mark.parametrize("region", ["EU", "eu", " Eu "])
def test_the_region_in_any_case(monkeypatch: pytest.MonkeyPatch, region: str) -> None:
    settings = read(monkeypatch, api_key="key", region=region)
    assert settings.region is Region.EU
    assert settings.base_url == "https://track-eu.customer.io"


@pytest.mark.parametrize(
    ("url", "accepted"),
    [
        ("https://track.example.com", True),
        ("https://gateway.example.com/customerio", True),
        ("http://127.0.0.1:8765", True),
        ("http://localhost:8765", True),
        ("http://[::1]:8765", True),
        ("http://track.example.com", False),
        ("http://127.0.0.1.example.com", False),
        ("ftp://track.example.com", False),
        ("track.example.com", False),
        ("https://user:word@track.example.com", False),
        ("https://track.example.com?x=1", False),
        ("https://", False),
        ("https://example.com:abc", False),
        ("https://example.com:99999", False),
        ("https://xn--a/", False),
        ("https://exa mple.com", False),
        ("https://:word@track.example.com", False),
    ],
)
def test_a_track_url_is_https_unless_it_is_loopback(monkeypatch: pytest.MonkeyPatch, url: str, accepted: bool) -> None:
    if accepted:
        assert read(monkeypatch, api_key="key", track_url=url).base_url == url
    else:
        with pytest.raises(BadSettingsError) as caught:
            read(monkeypatch, api_key="key", track_url=url)
        (line,) = caught.value.problems
        assert line.startswith("CUSTOMERIO_TRACK_URL: has to be")
        assert "word" not in line


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"api_key": " "}, "CUSTOMERIO_API_KEY: is blank"),
        ({"api_key": "site:"}, "CUSTOMERIO_API_KEY: is blank"),
        ({"api_key": "key", "site_id": " "}, "CUSTOMERIO_SITE_ID: is blank"),
        ({"api_key": "kéy"}, "CUSTOMERIO_API_KEY: holds characters"),
        ({"api_key": "k\udcffy"}, "CUSTOMERIO_API_KEY: holds characters"),
        ({"api_key": "two words"}, "CUSTOMERIO_API_KEY: holds characters"),
        (
            {"api_key": "other:key", "site_id": "site"},
            "CUSTOMERIO_API_KEY names another Site ID than CUSTOMERIO_SITE_ID",
        ),
    ],
)
def test_credentials_that_can_be_none_are_told(
    monkeypatch: pytest.MonkeyPatch, settings: dict[str, str], told: str
) -> None:
    with pytest.raises(BadSettingsError) as caught:
        read(monkeypatch, **settings)
    (line,) = caught.value.problems
    assert line.startswith(told)


@pytest.mark.parametrize("name", [".env", "customerio_api_key"])
def test_a_file_that_is_no_text_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"CUSTOMERIO_API_KEY=\xff\xfe")
    with pytest.raises(BadSettingsError, match="can't be read as UTF-8 text"):
        read(monkeypatch, secrets_dir=str(tmp_path))


def test_reserved_keys_are_allowed_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = read(monkeypatch, api_key="key", allow_reserved_keys="unsubscribed, recipient,")
    assert settings.allow_reserved_keys == {"unsubscribed", "recipient"}


def test_each_bad_setting_is_told_in_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(BadSettingsError) as caught:
        read(
            monkeypatch,
            region="mars",
            max_attempts="0",
            time_budget="soon",
            rate_limit="nan",
            read_timeout="-1",
            log_level="loud",
            allow_reserved_keys="everything",
        )
    told = {line.split()[0].rstrip(":"): line for line in caught.value.problems}
    assert sorted(told) == [
        "CUSTOMERIO_ALLOW_RESERVED_KEYS",
        "CUSTOMERIO_API_KEY",
        "CUSTOMERIO_LOG_LEVEL",
        "CUSTOMERIO_MAX_ATTEMPTS",
        "CUSTOMERIO_RATE_LIMIT",
        "CUSTOMERIO_READ_TIMEOUT",
        "CUSTOMERIO_REGION",
        "CUSTOMERIO_TIME_BUDGET",
    ]
    assert all("\n" not in line for line in caught.value.problems)
    assert "is not set" in told["CUSTOMERIO_API_KEY"]
    assert "everything, which no rule reserves" in told["CUSTOMERIO_ALLOW_RESERVED_KEYS"]


def test_a_dotenv_file_is_read_and_the_environment_goes_first(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("CUSTOMERIO_API_KEY=site:from-file\nCUSTOMERIO_REGION=EU\nOTHER=1\n")
    settings = read(monkeypatch, region="US")
    assert settings.credentials == Credentials("site", "from-file")
    assert settings.region is Region.US


def test_secret_files_are_read_as_containers_mount_them(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "customerio_api_key").write_text("from-secret\n")
    (tmp_path / "customerio_site_id").write_text("site\n")
    settings = read(monkeypatch, secrets_dir=str(tmp_path))
    assert settings.credentials == Credentials("site", "from-secret")


def test_secrets_show_in_no_repr_and_no_error(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = read(monkeypatch, api_key="k3y-value", site_id="s1te-value")
    assert "value" not in repr(settings) + str(settings) + repr(settings.credentials)
    with pytest.raises(BadSettingsError) as caught:
        read(monkeypatch, region="mars")
    assert "value" not in repr(caught.value) + str(caught.value)
