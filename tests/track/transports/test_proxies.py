"""The proxy that the environment names: which one is used, and how an invalid URL of one is reported."""

from __future__ import annotations

import httpx
import pytest

from customerio_track_mcp.track import TrackClient
from customerio_track_mcp.track.transports.proxies import find_proxy
from tests.support.scripted_server import ScriptedServer
from tests.track.failing_calls import CREDENTIALS, PERSON

TRACK_API = httpx.URL("https://track.customer.invalid")
INVALID = {
    "http://USER:p#SECRET@HIDDEN:8080": "cannot be parsed",
    "http://USER:p/SECRET@HIDDEN:8080": "cannot be parsed",
    "http://USER:p?SECRET@HIDDEN:8080": "cannot be parsed",
    "USER:p#SECRET@HIDDEN:8080": "cannot be parsed",
    "http://USER:1#SECRET@HIDDEN:8080": "has a path, a query or a fragment",
    "http://USER:8080/SECRET@HIDDEN:8080": "has a path, a query or a fragment",
    "http://HIDDEN:8080/proxy.pac": "has a path, a query or a fragment",
    "http://USER:SECRET@HIDDEN:99999": "has an invalid port",
    "http://USER:SECRET@HIDDEN:0": "has an invalid port",
    "http://USER:SECRET@HIDDEN:-1": "has an invalid port",
    "http://USER:SECRET@HIDDEN:80a": "cannot be parsed",
    "http://USER:SECRET@:8080": "has no hostname",
    "http://": "has no hostname",
    "http://USER:SECRET@": "has no hostname",
    " ": "has no hostname",
    "http://USER:SECRET@HIDDEN name:8080": "has an invalid hostname",
    "http://USER:SECRET@*.HIDDEN:8080": "has an invalid hostname",
    "http://USER:SECRET@HIDDEN..example:8080": "cannot be parsed",
    f"http://{'HIDDEN' * 11}:8080": "cannot be parsed",
    "http://USER:SECRET@[::1:8080": "cannot be parsed",
    "http://USER:SEC\nRET@HIDDEN:8080": "cannot be parsed",
    "http://USER:SECRET@HIDDEN\udcff:8080": "cannot be parsed",
    "ftp://USER:SECRET@HIDDEN:8080": "has an unsupported scheme",
    "socks4://USER:SECRET@HIDDEN:8080": "has an unsupported scheme",
    "socks5://USER:SECRET@HIDDEN:8080": "socks5 needs the package socksio",
}


@pytest.mark.parametrize("value", INVALID)
@pytest.mark.parametrize("variable", ["HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"])
def test_invalid_url_is_reported_by_the_name_of_its_variable_alone(
    monkeypatch: pytest.MonkeyPatch, variable: str, value: str
) -> None:
    monkeypatch.setenv(variable, value)
    with pytest.raises(ValueError, match=f"^{variable}: the proxy URL ") as caught:
        TrackClient(CREDENTIALS, str(TRACK_API))
    text = str(caught.value)
    assert INVALID[value] in text
    assert "percent-encode special characters in user and password" in text
    assert not any(hidden in text for hidden in ("SEC", "RET", "HIDDEN", "hidden", "ftp", "99999", "8080"))
    assert text.isprintable()
    assert caught.value.__suppress_context__


def test_every_variable_with_the_invalid_url_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("https_proxy", "HTTPS_PROXY"):
        monkeypatch.setenv(name, "http://HIDDEN:0")
    with pytest.raises(ValueError, match=r"^HTTPS_PROXY and https_proxy: "):
        find_proxy(TRACK_API)


@pytest.mark.parametrize(
    ("variables", "proxy"),
    [
        ({"HTTPS_PROXY": "http://proxy.example:3128"}, "http://proxy.example:3128"),
        ({"HTTPS_PROXY": " proxy.example:3128/\n"}, "http://proxy.example:3128/"),
        ({"HTTPS_PROXY": "https://[2001:db8::1]:3128"}, "https://[2001:db8::1]:3128"),
        ({"HTTPS_PROXY": "HTTP://10_0.example."}, "http://10_0.example."),
        ({"ALL_PROXY": "http://a:3", "HTTPS_PROXY": "http://b:3"}, "http://b:3"),
        ({"https_proxy": "http://a:3", "HTTPS_PROXY": "http://HIDDEN:0"}, "http://a:3"),
        ({"https_proxy": "", "ALL_PROXY": "http://b:3"}, "http://b:3"),
        ({"HTTP_PROXY": "http://HIDDEN:0"}, None),
        ({"HTTPS_PROXY": "http://HIDDEN:0", "NO_PROXY": ".customer.invalid"}, None),
        ({"HTTPS_PROXY": "http://HIDDEN:0", "no_proxy": "*"}, None),
    ],
)
def test_proxy_in_use_is_the_only_one_that_must_be_valid(
    monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], proxy: str | None
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert find_proxy(TRACK_API) == (None if proxy is None else httpx.URL(proxy))


@pytest.mark.parametrize(
    ("value", "user", "password"),
    [
        ("http://user:p%23w@proxy:3128", "user", "p#w"),
        ("http://user:p@w@proxy:3128", "user", "p@w"),
        ("http://user:100%@proxy:3128", "user", "100%"),
    ],
)
def test_user_and_password_are_decoded(monkeypatch: pytest.MonkeyPatch, value: str, user: str, password: str) -> None:
    monkeypatch.setenv("HTTPS_PROXY", value)
    proxy = find_proxy(TRACK_API)
    assert proxy is not None
    assert (proxy.username, proxy.password) == (user, password)


async def test_invalid_proxy_does_not_matter_for_loopback(
    scripted: ScriptedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ALL_PROXY", "http://HIDDEN:0")
    async with TrackClient(CREDENTIALS, scripted.url) as client:
        assert (await client.identify(PERSON)).attempts == 1
