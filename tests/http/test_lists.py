"""Which tools, prompts and resources a caller sees over HTTP, with both protocol versions."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any, Final

import httpx
import pytest

from customerio_track_mcp.sandbox import RunningSandbox
from tests.support.http_service import OTHER_TOKEN, TOKEN, bearer, message_in, running_service
from tests.support.raw_messages import LEGACY, MODERN, headers_of, raw_request

METRICS_TOKEN: Final = "a-third-token-of-thirty-two-characters-or-more"
TOKENS: Final = f"ann {TOKEN}, bob {OTHER_TOKEN} segments:write, prometheus {METRICS_TOKEN} metrics:read"
KINDS: Final = {"tools/list": "tools", "prompts/list": "prompts", "resources/list": "resources"}


@pytest.fixture
async def http(sandbox: RunningSandbox) -> AsyncIterator[httpx.AsyncClient]:
    async with running_service(sandbox.url, tokens=TOKENS) as client:
        yield client


async def ask(
    http: httpx.AsyncClient, version: str, token: str, method: str, name: str = "", *params: str
) -> dict[str, Any]:
    headers = bearer(token) | headers_of(version, method, name)
    response = await http.post("/mcp", content=raw_request(version, method, "1", *params), headers=headers)
    return message_in(response)


@pytest.mark.parametrize("version", [LEGACY, MODERN])
async def test_a_caller_sees_what_their_scopes_allow(http: httpx.AsyncClient, version: str) -> None:
    seen = {
        token: [
            [item["name"] for item in (await ask(http, version, token, method))["result"][kind]]
            for method, kind in KINDS.items()
        ]
        for token in (TOKEN, OTHER_TOKEN, METRICS_TOKEN)
    }
    assert [len(names) for names in seen[TOKEN]] == [3, 3, 2]
    assert seen[OTHER_TOKEN] == [["add_customers_to_segment"], ["fill_segment"], ["guide", "policy"]]
    assert seen[METRICS_TOKEN] == [[], [], []]


@pytest.mark.parametrize("version", [LEGACY, MODERN])
async def test_what_a_caller_does_not_see_is_refused(http: httpx.AsyncClient, version: str) -> None:
    name = "record_events"
    prompt = [f'"name":"{name}"', '"arguments":{"events":"x.csv"}']
    refused = await ask(http, version, OTHER_TOKEN, "prompts/get", name, *prompt)
    assert refused["error"]["code"] == -32602
    assert "needs these scopes: customers:write, events:write" in refused["error"]["message"]
    assert "messages" in (await ask(http, version, TOKEN, "prompts/get", name, *prompt))["result"]
    uri = "customerio-track://policy"
    unknown = await ask(http, version, METRICS_TOKEN, "resources/read", uri, f'"uri":"{uri}"')
    assert "there are none for this caller" in unknown["error"]["message"]


async def test_the_policy_is_the_callers_own(http: httpx.AsyncClient) -> None:
    uri = "customerio-track://policy"
    texts = [
        (await ask(http, MODERN, token, "resources/read", uri, f'"uri":"{uri}"'))["result"]["contents"][0]["text"]
        for token in (TOKEN, OTHER_TOKEN)
    ]
    assert "`send_event` (scope events:write)" in texts[0]
    assert "you may use: `add_customers_to_segment` (scope segments:write). To use more" in texts[1]
    assert not any(secret in text for text in texts for secret in (TOKEN, OTHER_TOKEN, "sandbox:sandbox"))


@pytest.mark.parametrize(("tokens", "scope"), [(TOKENS, "private"), (None, "public")])
async def test_lists_are_private_if_callers_authenticate(
    sandbox: RunningSandbox, tokens: str | None, scope: str
) -> None:
    async with running_service(sandbox.url, tokens=tokens) as http:
        for method in (*KINDS, "resources/templates/list", "server/discover"):
            assert (await ask(http, MODERN, TOKEN, method))["result"]["cacheScope"] == scope, method
