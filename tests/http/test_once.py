"""One intent, one event, over HTTP with both protocol versions."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Mapping
from typing import Any, Final

import anyio
import httpx
import pytest
from mcp import Client

from customerio_track_mcp.control.once.idempotency_keys import IDEMPOTENCY_KEY
from customerio_track_mcp.runtime import open_runtime
from customerio_track_mcp.sandbox import RunningSandbox
from customerio_track_mcp.settings.server import Settings
from customerio_track_mcp.upstream import Upstream
from tests.support.http_service import OTHER_TOKEN, TOKEN, TWO_CALLERS, bearer, call, message_in, running_service
from tests.support.once import EVENT
from tests.support.raw_messages import LEGACY, MODERN, headers_of, raw_request
from tests.support.scripted_server import ScriptedServer, respond, respond_when
from tests.support.waiting import wait_until

PREFIX: Final = "customerio-track-mcp/"
PERSON: Final = {"customer_id": "1", "email": "ann@example.com"}


@pytest.fixture
async def http(sandbox: RunningSandbox) -> AsyncIterator[httpx.AsyncClient]:
    async with running_service(sandbox.url, tokens=TWO_CALLERS) as client:
        yield client


async def send(
    http: httpx.AsyncClient, request: Mapping[str, Any], token: str = TOKEN, **headers: str
) -> dict[str, Any]:
    """Return the result of a call."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    response = await http.post("/mcp", json=request, headers=bearer(token) | named)
    result: dict[str, Any] = message_in(response)["result"]
    return result


def event_id(result: Mapping[str, Any]) -> str:
    return str(result["_meta"][f"{PREFIX}event-id"])


@pytest.mark.parametrize("version", [LEGACY, MODERN])
async def test_a_key_in_the_header_or_the_message_is_the_same_event_on_every_replica(
    sandbox: RunningSandbox, version: str
) -> None:
    headers = headers_of(version, "tools/call", "send_event")
    params = ['"name":"send_event"', '"arguments":{"customer_id":"1","event_name":"bought"}']
    ids = []
    for header in ("order-17", '"order-17"', "order-18"):
        async with running_service(sandbox.url) as http:
            content = raw_request(version, "tools/call", "1", *params)
            response = await http.post("/mcp", content=content, headers=headers | {"Idempotency-Key": header})
            ids.append(event_id(message_in(response)["result"]))
    assert ids[0] == ids[1] != ids[2]
    assert len(sandbox.workspace.events) == 2


async def test_the_key_in_the_message_is_used_if_there_are_two(http: httpx.AsyncClient) -> None:
    request = call()
    with_key = request | {"params": request["params"] | {"_meta": {IDEMPOTENCY_KEY: "a"}}}
    ids = [
        event_id(await send(http, with_key, Idempotency_Key="b")),
        event_id(await send(http, request, Idempotency_Key="a")),
        event_id(await send(http, request, Idempotency_Key="b")),
    ]
    assert ids[0] == ids[1] != ids[2]


async def test_the_same_key_of_another_caller_is_another_event(
    http: httpx.AsyncClient, sandbox: RunningSandbox
) -> None:
    for token in (TOKEN, OTHER_TOKEN, TOKEN):
        await send(http, call(), token, Idempotency_Key="a")
    assert len(sandbox.workspace.events) == 2


@pytest.mark.parametrize("tool", ["send_event", "create_or_update_customer"])
@pytest.mark.parametrize("key", ["", '" "', "x" * 256])
async def test_an_invalid_key_is_reported_and_nothing_is_sent(
    http: httpx.AsyncClient, sandbox: RunningSandbox, tool: str, key: str
) -> None:
    result = await send(http, call(tool, **(EVENT if tool == "send_event" else PERSON)), Idempotency_Key=key)
    assert result["structuredContent"]["error"].startswith("Nothing was sent. Idempotency-Key: is ")
    assert result["_meta"][f"{PREFIX}attempts"] == 0
    assert f"{PREFIX}event-id" not in result["_meta"]
    assert (len(sandbox.workspace.events), list(sandbox.workspace.as_json()["people"])) == (0, [])


async def test_callers_with_different_tokens_do_not_join(scripted: ScriptedServer) -> None:
    answered = anyio.Event()
    scripted.acts = [respond_when(answered)] * 2
    results: list[dict[str, Any]] = []

    async def run(client: httpx.AsyncClient, token: str) -> None:
        results.append(await send(client, call(), token))

    async with running_service(scripted.url, tokens=TWO_CALLERS) as client, anyio.create_task_group() as tasks:
        for token in (TOKEN, OTHER_TOKEN, TOKEN, OTHER_TOKEN):
            tasks.start_soon(run, client, token)
        await wait_until(lambda: len(scripted.requests) == 2)
        answered.set()
    assert len(scripted.requests) == 2
    assert len({event_id(result) for result in results}) == 2


@pytest.mark.parametrize("mode", ["legacy", "auto"])
async def test_results_report_ids_and_attempts_to_clients(scripted: ScriptedServer, mode: Any) -> None:
    settings = Settings(api_key="site:key")
    key: Any = {IDEMPOTENCY_KEY: "a"}
    async with (
        open_runtime(Upstream(settings, scripted.url)) as runtime,
        Client(runtime.server, mode=mode) as client,
    ):
        success = await client.call_tool("send_event", EVENT, meta=key)
        scripted.acts = [respond(401, "{}")]
        failure = await client.call_tool("send_event", EVENT)
        invalid = await client.call_tool("send_event", {})
        update = await client.call_tool("create_or_update_customer", PERSON)
    sent = [request.json.get("id") for request in scripted.requests]
    metas = [result.meta or {} for result in (success, failure, invalid, update)]
    own = [{name: value for name, value in meta.items() if name.startswith(PREFIX)} for meta in metas]
    request_ids = {meta.pop(f"{PREFIX}request-id") for meta in own}
    assert len(request_ids) == 4
    assert all(re.fullmatch("[0-9a-f]{32}", str(request_id)) for request_id in request_ids)
    assert own == [
        {f"{PREFIX}attempts": 1, f"{PREFIX}event-id": sent[0]},
        {f"{PREFIX}attempts": 1, f"{PREFIX}event-id": sent[1]},
        {f"{PREFIX}attempts": 0},
        {f"{PREFIX}attempts": 1},
    ]
    stamps = [meta.get("io.modelcontextprotocol/serverInfo") for meta in metas]
    assert all((stamp is not None) is (mode == "auto") for stamp in stamps)


async def test_the_memory_can_be_turned_off(scripted: ScriptedServer) -> None:
    settings = Settings(api_key="site:key", resend_window=0, max_attempts=1)
    async with open_runtime(Upstream(settings, scripted.url)) as runtime, Client(runtime.server) as client:
        scripted.acts = [respond(503, "")]
        error = (await client.call_tool("send_event", EVENT)).structured_content["error"]
        await client.call_tool("send_event", EVENT)
    assert "Do not resend it yourself" in error
    assert len({request.json["id"] for request in scripted.requests}) == 2


@pytest.mark.parametrize(("replicas", "processes", "is_safe"), [(1, 1, True), (2, 1, False), (1, 2, False)])
async def test_resending_is_safe_only_if_every_call_reaches_the_memory(
    scripted: ScriptedServer, replicas: int, processes: int, is_safe: bool
) -> None:
    settings = Settings(api_key="site:key", replicas=replicas, max_attempts=1)
    scripted.acts = [respond(503, "")]
    async with (
        open_runtime(Upstream(settings, scripted.url), processes=processes) as runtime,
        Client(runtime.server) as client,
    ):
        error = (await client.call_tool("send_event", EVENT)).structured_content["error"]
    assert ("is safe: it has the same event id" in error) is is_safe
    assert ("Do not resend it yourself" in error) is not is_safe
