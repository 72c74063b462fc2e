"""What a model and `check` report about failures that only an operator or the network's owner can fix."""

from __future__ import annotations

import ssl
from collections.abc import Callable
from typing import Any

import pytest
import trustme

from customerio_track_mcp.cli.check import check
from customerio_track_mcp.control.call import Call
from customerio_track_mcp.settings.server import Settings
from customerio_track_mcp.tools.guidance import RETRYING_WILL_NOT_HELP
from customerio_track_mcp.tools.handlers import ToolHandlers
from customerio_track_mcp.track import Credentials, TrackClient
from tests.support.clients import FAST_RETRIES
from tests.support.scripted_server import ScriptedServer, respond

CALLS: list[tuple[Callable[[ToolHandlers], Any], dict[str, Any]]] = [
    (lambda tools: tools.create_or_update_customer, {"customer_id": "1", "email": "ann@example.com"}),
    (lambda tools: tools.send_event, {"customer_id": "1", "event_name": "bought"}),
    (lambda tools: tools.add_customers_to_segment, {"segment_id": "1", "customer_ids": ["1"]}),
]


async def errors_of_tools(url: str, outcome: str) -> list[str]:
    """Call each tool; return the errors, which must blame neither the arguments nor the Track API."""
    errors = []
    async with TrackClient(Credentials("site", "key"), url, retry_policy=FAST_RETRIES) as client:
        for tool, arguments in CALLS:
            call = Call()
            output = await tool(ToolHandlers(client))(arguments, call)
            assert not output.success
            assert call.record.outcome == outcome
            assert call.record.progress.attempts == 1
            assert "correct the arguments" not in output.error
            assert "attempts" not in output.error
            errors.append(output.error)
    return errors


async def line_of_check(url: str) -> str:
    """Run `check`; return its verdict, without the advice for models that a tool's error ends with."""
    verdict = await check(Settings(api_key="site:key", track_url=url))
    assert not verdict.is_usable
    line = verdict.lines[0]
    assert line.startswith("FAILED: ")
    assert RETRYING_WILL_NOT_HELP not in line
    return line


@pytest.mark.parametrize("status", [401, 403, 404, 413])
async def test_html_of_something_in_between(scripted: ScriptedServer, status: int) -> None:
    scripted.acts = [respond(status, "<html>SECRET POLICY</html>", "text/html")] * 4
    texts = [*await errors_of_tools(scripted.url, "intercepted"), await line_of_check(scripted.url)]
    for text in texts:
        assert f"The response ({status}) is not in the Track API's format: something in between" in text
        assert "NO_PROXY" in text
        assert ("send less in one call" in text) is (status == 413)
        assert ("CUSTOMERIO_TRACK_URL" in text) is (status != 413)
        for claim in ("rejected", "credentials", "Tracking API key", "manual segment", "SECRET"):
            assert claim not in text
    assert all("The request was not carried out." in text for text in texts[:3])
    assert all(text.endswith(RETRYING_WILL_NOT_HELP) for text in texts[:3])
    assert len(scripted.requests) == 4


async def test_confirmation_of_something_in_between(scripted: ScriptedServer) -> None:
    scripted.acts = [respond(200, "<html>Log in to the hotel's network</html>", "text/html")] * 4
    customer, event, segment = await errors_of_tools(scripted.url, "intercepted")
    for error in (customer, segment):
        assert "Whether the request was carried out is unknown. Call again with the same arguments" in error
    assert "Whether the event was recorded is unknown." in event
    assert "Do not resend it" in event
    assert "CUSTOMERIO_TRACK_URL" in await line_of_check(scripted.url)


@pytest.mark.parametrize(("status", "phrase"), [(403, "Forbidden"), (407, "Proxy Authentication Required")])
async def test_proxy_that_refuses_to_connect(
    scripted: ScriptedServer, monkeypatch: pytest.MonkeyPatch, status: int, phrase: str
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", scripted.url.replace("://", "://user:SECRET@"))
    scripted.acts = [respond(status, "")] * 4
    url = "https://track.customer.invalid"
    errors = await errors_of_tools(url, "proxy_refused")
    assert all(error.endswith(RETRYING_WILL_NOT_HELP) for error in errors)
    for text in [*errors, await line_of_check(url)]:
        assert f"The proxy refused to connect to the Track API ({status} {phrase})." in text
        assert "HTTPS_PROXY" in text
        assert "NO_PROXY" in text
        assert "SECRET" not in text
    assert len(scripted.requests) == 4


async def test_certificate_of_an_unknown_authority() -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    trustme.CA().issue_cert("127.0.0.1").configure_cert(context)
    async with ScriptedServer(context) as server:
        errors = await errors_of_tools(server.url, "untrusted_certificate")
        for text in [*errors, await line_of_check(server.url)]:
            assert "certificate verify failed: unable to get local issuer certificate" in text
            assert all(name in text for name in ("SSL_CERT_FILE", "HTTPS_PROXY", "NO_PROXY"))
        assert all("The request was not carried out." in text for text in errors)
        assert all(text.endswith(RETRYING_WILL_NOT_HELP) for text in errors)
