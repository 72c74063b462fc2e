"""What a client cannot work with is reported where it is written, not by its first request."""

from __future__ import annotations

import copy
import math
import pickle
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from pydantic import SecretStr

from customerio_track_mcp.settings.errors import SettingsError
from customerio_track_mcp.settings.server import Settings
from customerio_track_mcp.track import Credentials, LocalRateLimiter, Region, RetryPolicy, TrackClient, create_transport
from tests.support.scripted_server import ScriptedServer
from tests.track.failing_calls import CREDENTIALS

NO_WHOLE_URL = "base_url: must be a whole URL, such as Region.US.track_url (https://track.customer.io)"
INVALID_URL = "base_url: invalid URL: expected one such as https://track.customer.io, without user, query or fragment"
NOT_HTTPS = (
    "base_url: must start with https:// (http:// is accepted for loopback only), so that nobody can eavesdrop; for a "
    "sandbox elsewhere, pass allow_http=True"
)
INVALID_CHARACTERS = "contains characters that are not valid in a Site ID or an API key"
PADDED = f"{INVALID_CHARACTERS}; it has white space around it: pass it without, with str.strip()"


def message_of(create: Callable[[], object]) -> str:
    with pytest.raises(ValueError, match=":") as caught:
        create()
    return str(caught.value)


@pytest.mark.parametrize(
    ("base_url", "message"),
    [
        ("track.customer.io", NO_WHOLE_URL),
        ("track.customer.io/api/v1", NO_WHOLE_URL),
        ("localhost:8765", NO_WHOLE_URL),
        ("", NO_WHOLE_URL),
        (None, NO_WHOLE_URL),
        (Region.EU, NO_WHOLE_URL),
        ("ftp://track.customer.io", NOT_HTTPS),
        ("http://track.customer.io", NOT_HTTPS),
        ("http://127.0.0.1.example.com", NOT_HTTPS),
        ("https://", INVALID_URL),
        ("https:///api/v1", INVALID_URL),
        ("https://site:key-word@track.customer.io", INVALID_URL),
        ("https://:key-word@track.customer.io", INVALID_URL),
        ("https://track.customer.io?site=key-word", INVALID_URL),
        ("https://track.customer.io#key-word", INVALID_URL),
        ("https://track.customer.io?", INVALID_URL),
        ("https://track.customer.io/?", INVALID_URL),
        ("https://track.customer.io#", INVALID_URL),
        ("https://@track.customer.io", INVALID_URL),
        ("https://track.customer.io:0", INVALID_URL),
        ("https://track.customer.io:99999", INVALID_URL),
        ("https://track customer.io", INVALID_URL),
        ("https://track.customer.io/a b", INVALID_URL),
        ("https://${TRACK_HOST}", INVALID_URL),
    ],
)
def test_invalid_base_url_is_reported_without_its_content(base_url: Any, message: str) -> None:
    assert message_of(lambda: TrackClient(CREDENTIALS, base_url)) == message


@pytest.mark.parametrize(
    "url",
    [
        *("http://track.customer.io", "https://track.customer.io/?a", "https://track.customer.io/?"),
        *("https://u@a.example", "https://@a.example", "https://", "wss://a.example"),
    ],
)
def test_the_setting_rejects_the_same_urls(monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    message = message_of(lambda: TrackClient(CREDENTIALS, url))
    monkeypatch.setenv("CUSTOMERIO_TRACK_URL", url)
    with pytest.raises(SettingsError) as caught:
        Settings.from_environment()
    (problem,) = caught.value.problems
    reason = problem.removeprefix("CUSTOMERIO_TRACK_URL: ").replace("https://track.example.com", Region.US.track_url)
    assert message.startswith(f"base_url: {reason}")


@pytest.mark.parametrize("path", ["/api/v1", "/api/v1/", "/API/V1", "/", "//", " \n"])
async def test_api_path_and_white_space_are_not_part_of_the_base_url(scripted: ScriptedServer, path: str) -> None:
    async with TrackClient(CREDENTIALS, f"{scripted.url}{path}") as client:
        await client.find_region()
    assert [request.target for request in scripted.requests] == ["/api/v1/accounts/region"]


async def test_http_is_accepted_elsewhere_if_it_is_allowed(
    scripted: ScriptedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", scripted.url)
    async with TrackClient(CREDENTIALS, "http://sandbox.invalid:8765", allow_http=True) as client:
        await client.find_region()
    assert [request.target for request in scripted.requests] == ["http://sandbox.invalid:8765/api/v1/accounts/region"]
    for url in ("ftp://sandbox.invalid", "ws://sandbox.invalid"):
        message = message_of(lambda url=url: TrackClient(CREDENTIALS, url, allow_http=True))  # type: ignore[misc]
        assert message == "base_url: must start with http:// or https://"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "is blank"),
        (" ", "is blank"),
        ("\r\n\t", "is blank"),
        (None, "is blank"),
        (b"secret-word", "must be a string"),
        (42, "must be a string"),
        (SecretStr("secret-word"), "must be a string"),
        ("secret-word\n", PADDED),
        (" secret-word", PADDED),
        ("\tsecret-word\r\n", PADDED),
        ("secret word", INVALID_CHARACTERS),
        ("secret\nword", INVALID_CHARACTERS),
        ("secret\0word", INVALID_CHARACTERS),
        ("secret\x7fword", INVALID_CHARACTERS),
        ("secret-wörd", INVALID_CHARACTERS),
        ("secret\u200bword", INVALID_CHARACTERS),
        ("\ufeffsecret-word", INVALID_CHARACTERS),
        ("secret\ud800word", INVALID_CHARACTERS),
    ],
)
def test_invalid_credential_is_reported_without_its_content(text: Any, reason: str) -> None:
    assert message_of(lambda: Credentials(text, "key")) == f"site_id: {reason}"
    assert message_of(lambda: Credentials("site", text)) == f"api_key: {reason}"


def test_only_the_api_key_may_contain_a_colon() -> None:
    """HTTP Basic ends the user name at the first one."""
    assert message_of(lambda: Credentials("site:secret", "key")) == "site_id: contains a colon; pass the Site ID alone"
    assert Credentials("site", "k:ey").basic == "c2l0ZTprOmV5"


def test_credentials_are_validated_when_they_are_changed() -> None:
    credentials = Credentials("site", "key")
    assert replace(credentials, api_key="other") == Credentials("site", "other")
    assert message_of(lambda: replace(credentials, api_key="")) == "api_key: is blank"


def test_credentials_can_be_copied_and_pickled() -> None:
    credentials = Credentials("site", "key")
    assert copy.copy(credentials) == copy.deepcopy(credentials) == credentials
    assert pickle.loads(pickle.dumps(credentials)) == credentials  # noqa: S301


NOT_POSITIVE = [0, -1, -0.5, math.nan, math.inf, -math.inf, "5", None, True]
NOT_POSITIVE += [pytest.param(sign * 10**400, id=f"{sign}e400") for sign in (1, -1)]


@pytest.mark.parametrize("seconds", NOT_POSITIVE)
@pytest.mark.parametrize(
    "name", ["connect_timeout", "read_timeout", "write_timeout", "pool_timeout", "time_budget", "initial_backoff"]
)
def test_invalid_seconds_of_a_retry_policy_are_reported(name: str, seconds: Any) -> None:
    if name == "initial_backoff" and seconds == 0:
        assert RetryPolicy(initial_backoff=0).initial_backoff == 0
        return
    bound = ", 0 or above" if name == "initial_backoff" else " above 0"
    assert message_of(lambda: RetryPolicy(**{name: seconds})) == f"{name}: must be a finite number{bound}"


@pytest.mark.parametrize("rate", NOT_POSITIVE)
def test_invalid_rate_is_reported(rate: Any) -> None:
    from customerio_track_mcp.track import RedisRateLimiter

    message = "requests_per_second: must be a finite number above 0"
    assert message_of(lambda: LocalRateLimiter(rate)) == message
    assert message_of(lambda: TrackClient(CREDENTIALS, requests_per_second=rate)) == message
    limiter = LocalRateLimiter(1)
    assert message_of(lambda: RedisRateLimiter("redis://127.0.0.1:1/0", "key", rate, limiter)) == message


@pytest.mark.parametrize("number", [0, -1, 1.5, 2.0, math.nan, math.inf, "5", None, True])
def test_invalid_count_is_reported(number: Any) -> None:
    for parameter, create in (
        ("max_attempts", lambda: RetryPolicy(max_attempts=number)),
        ("max_connections", lambda: TrackClient(CREDENTIALS, max_connections=number)),
        ("max_connections", lambda: create_transport(Region.US.track_url, number)),
    ):
        assert message_of(create) == f"{parameter}: must be a whole number of at least 1"


def test_the_smallest_valid_numbers_are_accepted() -> None:
    RetryPolicy(
        connect_timeout=0.001,
        read_timeout=0.001,
        write_timeout=0.001,
        pool_timeout=0.001,
        max_attempts=1,
        time_budget=1,
    )
    TrackClient(CREDENTIALS, requests_per_second=0.01, max_connections=1)


RETRIES = """
import asyncio, sys
from customerio_track_mcp.track import Credentials, RequestFailedError, RetryPolicy, TrackClient

async def main(url):
    policy = RetryPolicy(max_attempts=3, initial_backoff=0.001)
    async with TrackClient(Credentials("site", "key"), url, retry_policy=policy) as client:
        try:
            await client.track("42", "seen")
        except RequestFailedError as error:
            print(error.attempts)

asyncio.run(main(sys.argv[1]))
"""


@pytest.mark.parametrize("is_configured", [False, True])
def test_retries_are_logged_only_if_the_program_configures_logging(is_configured: bool) -> None:
    configuration = "import logging\nlogging.basicConfig()\n" if is_configured else ""
    completed = subprocess.run(
        [sys.executable, "-c", configuration + RETRIES, "http://127.0.0.1:1"],
        capture_output=True,
        encoding="utf-8",
        timeout=60,
        check=True,
    )
    assert completed.stdout == "3\n"
    line = "WARNING:customerio_track_mcp.track:attempt failed\n"
    assert completed.stderr == (line * 2 if is_configured else "")
