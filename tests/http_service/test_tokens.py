"""Static bearer tokens: who gets in, and with what they get out again."""

from __future__ import annotations

import hashlib
import logging
import os
from pathlib import Path
from typing import Any

import httpx
import pytest
from mcp import Client
from mcp.client.streamable_http import streamable_http_client
from mcp.shared._httpx_utils import create_mcp_http_client

from customerio_track_mcp.http.auth.static_tokens import StaticTokens, new_token
from customerio_track_mcp.sandbox import RunningSandbox
from customerio_track_mcp.settings.base import BadSettingsError
from tests.http_service.serving import (
    HEADERS,
    OTHER_TOKEN,
    PING,
    TOKEN,
    TOOLS_LIST,
    answer_in,
    bearer,
    call,
    payload_in,
    serving,
)
from tests.process import run

HASHED = f"sha256:{hashlib.sha256(TOKEN.encode()).hexdigest()}"


@pytest.mark.parametrize(
    ("authorization", "status"),
    [
        (f"Bearer {TOKEN}", 200),
        (f"bearer {TOKEN}", 200),
        (f"Bearer {OTHER_TOKEN}", 401),
        (f"Bearer {TOKEN[:-1]}", 401),
        (f"Bearer {TOKEN}x", 401),
        ("Bearer", 401),
        ("Bearer \xff\xfe", 401),
        (f"Basic {TOKEN}", 401),
        (TOKEN, 401),
        (f"Bearer {HASHED}", 401),
        (None, 401),
    ],
)
@pytest.mark.parametrize("entry", [f"ann {TOKEN}", f"ann {HASHED}"])
async def test_who_holds_a_token_gets_in_and_nobody_else(
    sandbox: RunningSandbox, entry: str, authorization: str | None, status: int
) -> None:
    headers = [(b"Authorization", authorization.encode("latin-1"))] if authorization is not None else []
    async with serving(sandbox.url, tokens=entry) as http:
        reply = await http.post("/mcp", json=call(), headers=headers)
    assert reply.status_code == status
    if status == 401:
        assert reply.headers["www-authenticate"].startswith("Bearer ")
        assert not list(sandbox.workspace.events)


async def test_a_token_in_the_url_is_no_token(sandbox: RunningSandbox) -> None:
    async with serving(sandbox.url, tokens=f"ann {TOKEN}") as http:
        assert (await http.post("/mcp", params={"access_token": TOKEN}, json=PING)).status_code == 401


async def test_the_sdks_client_gets_in_with_a_token(sandbox: RunningSandbox) -> None:
    async with (
        serving(sandbox.url, tokens=f"ann {TOKEN}") as http,
        create_mcp_http_client(headers={"Authorization": f"Bearer {TOKEN}"}) as own,
        Client(streamable_http_client(f"{http.base_url}/mcp", http_client=own)) as client,
    ):
        result = await client.call_tool("create_or_update_customer", {"customer_id": "1", "email": "ann@example.com"})
        assert result.structured_content["success"]


async def test_scopes_limit_what_is_listed_and_what_can_be_called(sandbox: RunningSandbox) -> None:
    tokens = f"ann {TOKEN}, shop {OTHER_TOKEN} events:write"
    async with serving(sandbox.url, tokens=tokens) as http:
        told = [
            answer_in(await http.post("/mcp", json=TOOLS_LIST, headers=bearer(token))) for token in (TOKEN, OTHER_TOKEN)
        ]
        assert [len(one["result"]["tools"]) for one in told] == [3, 1]
        assert told[1]["result"]["tools"][0]["name"] == "send_event"
        reply = await http.post(
            "/mcp",
            json=call("create_or_update_customer", customer_id="1", email="ann@example.com"),
            headers=bearer(OTHER_TOKEN),
        )
        assert answer_in(reply)["result"]["isError"]
        error = payload_in(reply)["error"]
        assert error.startswith(
            "Nothing was sent. 403: this caller may not use create_or_update_customer; allowed are: send_event. "
            "The caller's token needs the scopes for more: customers:write, segments:write."
        )
        assert not list(sandbox.workspace.people)
        assert payload_in(await http.post("/mcp", json=call(), headers=bearer(OTHER_TOKEN)))["success"]


async def test_a_changed_file_is_read_again(sandbox: RunningSandbox, tmp_path: Path) -> None:
    file = tmp_path / "tokens"
    file.write_text(f"# who has what\nann {TOKEN}\n", encoding="utf-8")

    async def status(http: httpx.AsyncClient, token: str) -> int:
        return (await http.post("/mcp", json=PING, headers=bearer(token))).status_code

    async with serving(sandbox.url, tokens_file=file) as http:
        assert [await status(http, token) for token in (TOKEN, OTHER_TOKEN)] == [200, 401]
        # Both for a while, as in a rotation; then the old one is revoked.
        file.write_text(f"ann {TOKEN}\nann {OTHER_TOKEN}  # new\n", encoding="utf-8")
        assert [await status(http, token) for token in (TOKEN, OTHER_TOKEN)] == [200, 200]
        # As a secret store replaces it: another file of the same size under the same name.
        (tmp_path / "new").write_text(f"ann {OTHER_TOKEN}\nbob {'b' * len(TOKEN)}  # new\n", encoding="utf-8")
        (tmp_path / "new").replace(file)
        assert [await status(http, token) for token in (TOKEN, OTHER_TOKEN)] == [401, 200]


async def test_a_bad_line_costs_no_other_its_token_and_a_lost_file_costs_all(
    sandbox: RunningSandbox, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    file = tmp_path / "tokens"
    file.write_text(f"ann {TOKEN}\nbob {OTHER_TOKEN}\n", encoding="utf-8")
    async with serving(sandbox.url, tokens_file=file) as http:
        file.write_text(f"ann {TOKEN}\nbob short\n", encoding="utf-8")
        for token, status in ((TOKEN, 200), (OTHER_TOKEN, 401)):
            assert (await http.post("/mcp", json=PING, headers=bearer(token))).status_code == status
        problems = [vars(record)["problem"] for record in caplog.records if "problem" in vars(record)]
        assert problems == [
            "CUSTOMERIO_HTTP_TOKENS_FILE: line 2 has a token of under 32 characters, which could be guessed"
        ]
        file.unlink()
        with caplog.at_level(logging.ERROR):
            for _ in range(2):
                assert (await http.post("/mcp", json=PING, headers=bearer(TOKEN))).status_code == 401
        assert [record.message for record in caplog.records].count(
            "tokens file can't be read: none of its tokens is valid"
        ) == 1
        file.write_text(f"ann {TOKEN}\n", encoding="utf-8")
        assert (await http.post("/mcp", json=PING, headers=bearer(TOKEN))).status_code == 200
    assert TOKEN not in caplog.text


async def test_a_bad_line_that_is_added_is_told_though_no_token_changes(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    file = tmp_path / "tokens"
    file.write_text(f"ann {TOKEN}\n", encoding="utf-8")
    tokens = StaticTokens(None, file)
    file.write_text(f"ann {TOKEN}\nbob short\n", encoding="utf-8")
    for _ in range(3):
        assert tokens.verify(TOKEN) is not None
    problems = [record for record in caplog.records if record.getMessage() == "tokens file: a line was left out"]
    assert len(problems) == 1


def test_a_change_that_keeps_size_and_time_is_seen(tmp_path: Path) -> None:
    file = tmp_path / "tokens"
    file.write_text(f"ann {TOKEN}\n", encoding="utf-8")
    long_ago = (1_000_000_000, 1_000_000_000)
    os.utime(file, ns=long_ago)
    tokens = StaticTokens(None, file)
    assert tokens.verify(TOKEN) is not None
    with file.open("r+", encoding="utf-8") as opened:
        opened.write(f"ann {TOKEN[::-1]}")
    os.utime(file, ns=long_ago)
    assert tokens.verify(TOKEN) is None
    assert tokens.verify(TOKEN[::-1]) is not None


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ("", "holds no token"),
        (" , ", "holds no token"),
        ("ann", "entry 1 has no token after the name"),
        ("ann short", "entry 1 has a token of under 32 characters"),
        (f"ann {TOKEN}, an/n {TOKEN}", "entry 2 has to begin with a name of letters, digits"),
        ("ann sha256:abc", "entry 1 has a digest that is not of 64 hexadecimal digits"),
        (f"ann {TOKEN} events:read", "entry 1 holds 1 unknown scopes after the token; allowed are customers:write"),
    ],
)
def test_tokens_that_can_t_be_used_stop_the_start(given: str, told: str) -> None:
    with pytest.raises(BadSettingsError) as raised:
        StaticTokens(given, None)
    (problem,) = raised.value.problems
    assert told in problem
    assert TOKEN not in problem
    assert "short" not in problem


def test_a_file_that_can_t_be_read_stops_the_start(tmp_path: Path) -> None:
    with pytest.raises(BadSettingsError, match=r"CUSTOMERIO_HTTP_TOKENS_FILE: can't be read \(FileNotFoundError\)"):
        StaticTokens(None, tmp_path / "none")


def test_no_token_is_kept_in_memory() -> None:
    def kept(value: object) -> str:
        return str([vars(value), [str(entry) for entry in vars(value)["_given"]]])

    tokens = StaticTokens(f"ann {TOKEN}", None)
    holder = tokens.verify(TOKEN)
    assert holder is not None
    assert (holder.client_id, holder.token) == ("ann", "")
    assert TOKEN not in kept(tokens)


def test_a_new_token_is_accepted_by_what_stands_for_it() -> None:
    token, hashed = new_token()
    tokens = StaticTokens(f"ann {hashed}", None)
    assert tokens.verify(token) is not None
    assert tokens.verify(hashed) is None


def test_the_command_makes_a_token_and_its_line(tmp_path: Path) -> None:
    ended = run("token", "ann")
    assert ended.returncode == 0
    told: list[Any] = [line.strip() for line in ended.stdout.splitlines() if line.startswith("    ")]
    token, line = told
    (tmp_path / "tokens").write_text(line, encoding="utf-8")
    holder = StaticTokens(None, tmp_path / "tokens").verify(token)
    assert holder is not None
    assert holder.client_id == "ann"
    assert run("token", "an n").returncode == 2


async def test_metrics_need_their_own_scope(sandbox: RunningSandbox) -> None:
    tokens = f"ann {TOKEN}, prometheus {OTHER_TOKEN} metrics:read"
    async with serving(sandbox.url, tokens=tokens) as http:
        statuses = [
            (await http.get("/metrics", headers=headers)).status_code
            for headers in (HEADERS, bearer(TOKEN), bearer(OTHER_TOKEN))
        ]
        assert statuses == [401, 403, 200]
        reply = await http.post("/mcp", json=TOOLS_LIST, headers=bearer(OTHER_TOKEN))
        assert answer_in(reply)["result"]["tools"] == []
