"""Static bearer tokens: which are accepted, what they allow, and how their entries are parsed."""

from __future__ import annotations

import hashlib
import logging
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest
from mcp import Client
from mcp.client.streamable_http import streamable_http_client
from mcp.shared._httpx_utils import create_mcp_http_client

from customerio_track_mcp.http.auth.static_tokens import StaticTokens, new_token
from customerio_track_mcp.sandbox import RunningSandbox
from customerio_track_mcp.settings.errors import SettingsError
from tests.support.http_service import (
    HEADERS,
    OTHER_TOKEN,
    PING,
    TOKEN,
    TOOLS_LIST,
    bearer,
    call,
    message_in,
    payload_in,
    running_service,
)

DIGEST = f"sha256:{hashlib.sha256(TOKEN.encode()).hexdigest()}"


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
        (f"Bearer {DIGEST}", 401),
        (None, 401),
    ],
)
@pytest.mark.parametrize("entry", [f"ann {TOKEN}", f"ann {DIGEST}"])
async def test_only_the_exact_token_is_accepted(
    sandbox: RunningSandbox, entry: str, authorization: str | None, status: int
) -> None:
    headers = [(b"Authorization", authorization.encode("latin-1"))] if authorization is not None else []
    async with running_service(sandbox.url, tokens=entry) as http:
        response = await http.post("/mcp", json=call(), headers=headers)
    assert response.status_code == status
    if status == 401:
        assert response.headers["www-authenticate"].startswith("Bearer ")
        assert not list(sandbox.workspace.events)


async def test_token_in_the_url_is_not_accepted(sandbox: RunningSandbox) -> None:
    async with running_service(sandbox.url, tokens=f"ann {TOKEN}") as http:
        assert (await http.post("/mcp", params={"access_token": TOKEN}, json=PING)).status_code == 401


async def test_sdk_client_can_use_a_token(sandbox: RunningSandbox) -> None:
    async with (
        running_service(sandbox.url, tokens=f"ann {TOKEN}") as http,
        create_mcp_http_client(headers={"Authorization": f"Bearer {TOKEN}"}) as http_client,
        Client(streamable_http_client(f"{http.base_url}/mcp", http_client=http_client)) as client,
    ):
        result = await client.call_tool("create_or_update_customer", {"customer_id": "1", "email": "ann@example.com"})
        assert result.structured_content["success"]


async def test_scopes_limit_which_tools_are_listed_and_called(sandbox: RunningSandbox) -> None:
    tokens = f"ann {TOKEN}, shop {OTHER_TOKEN} events:write"
    async with running_service(sandbox.url, tokens=tokens) as http:
        listed = [
            message_in(await http.post("/mcp", json=TOOLS_LIST, headers=bearer(token)))["result"]["tools"]
            for token in (TOKEN, OTHER_TOKEN)
        ]
        assert [len(tools) for tools in listed] == [3, 1]
        assert listed[1][0]["name"] == "send_event"
        response = await http.post(
            "/mcp",
            json=call("create_or_update_customer", customer_id="1", email="ann@example.com"),
            headers=bearer(OTHER_TOKEN),
        )
        assert message_in(response)["result"]["isError"]
        error = payload_in(response)["error"]
        assert error.startswith(
            "Nothing was sent. 403: this caller may not use create_or_update_customer; it may use: send_event. "
            "To use more, the caller's token needs these scopes: customers:write, segments:write."
        )
        assert not list(sandbox.workspace.people)
        assert payload_in(await http.post("/mcp", json=call(), headers=bearer(OTHER_TOKEN)))["success"]


async def test_changed_file_is_read_again(sandbox: RunningSandbox, tmp_path: Path) -> None:
    file = tmp_path / "tokens"
    file.write_text(f"# name and token\nann {TOKEN}\n", encoding="utf-8")

    async def status(http: httpx.AsyncClient, token: str) -> int:
        return (await http.post("/mcp", json=PING, headers=bearer(token))).status_code

    async with running_service(sandbox.url, tokens_file=file) as http:
        assert [await status(http, token) for token in (TOKEN, OTHER_TOKEN)] == [200, 401]
        # A rotation: both tokens are valid for a while, then the old one is revoked.
        file.write_text(f"ann {TOKEN}\nann {OTHER_TOKEN}  # new\n", encoding="utf-8")
        assert [await status(http, token) for token in (TOKEN, OTHER_TOKEN)] == [200, 200]
        # A secret store replaces the file by another one, here of the same size.
        (tmp_path / "new").write_text(f"ann {OTHER_TOKEN}\nbob {'b' * len(TOKEN)}  # new\n", encoding="utf-8")
        (tmp_path / "new").replace(file)
        assert [await status(http, token) for token in (TOKEN, OTHER_TOKEN)] == [401, 200]


async def test_invalid_line_revokes_its_token_and_missing_file_revokes_all(
    sandbox: RunningSandbox, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    file = tmp_path / "tokens"
    file.write_text(f"ann {TOKEN}\nbob {OTHER_TOKEN}\n", encoding="utf-8")
    async with running_service(sandbox.url, tokens_file=file) as http:
        file.write_text(f"ann {TOKEN}\nbob short\n", encoding="utf-8")
        for token, status in ((TOKEN, 200), (OTHER_TOKEN, 401)):
            assert (await http.post("/mcp", json=PING, headers=bearer(token))).status_code == status
        problems = [vars(record)["problem"] for record in caplog.records if "problem" in vars(record)]
        assert problems == [
            "CUSTOMERIO_HTTP_TOKENS_FILE: line 2 has a token of fewer than 32 characters, which can be guessed"
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


@pytest.mark.parametrize("line", [f"bob {OTHER_TOKEN} events:write events=purchase", f"bob {OTHER_TOKEN} # a comment"])
def test_line_that_is_being_written_never_gives_more_than_the_whole_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, line: str
) -> None:
    file, whole = tmp_path / "tokens", f"ann {TOKEN}\n{line}\n"
    file.write_text(whole, encoding="utf-8")
    tokens = StaticTokens(None, file)
    expected = tokens.verify(OTHER_TOKEN)
    assert expected is not None
    for end in range(len(f"ann {TOKEN}\n"), len(whole)):
        file.write_text(whole[:end], encoding="utf-8")
        assert tokens.verify(TOKEN) is not None
        assert tokens.verify(OTHER_TOKEN) is None
    problem = (
        "CUSTOMERIO_HTTP_TOKENS_FILE: line 2 may be incomplete: it does not end in a newline, and the file has just"
    )
    assert any(str(vars(record).get("problem")).startswith(problem) for record in caplog.records)
    # Without a newline it is complete, too, once nobody writes any more.
    later = time.time_ns() + 3_000_000_000
    monkeypatch.setattr(time, "time_ns", lambda: later)
    assert tokens.verify(OTHER_TOKEN) == expected


def test_file_that_replaces_another_needs_no_newline_at_its_end(tmp_path: Path) -> None:
    """As Kubernetes mounts a secret."""
    file = tmp_path / "tokens"
    file.write_text(f"ann {TOKEN}", encoding="utf-8")
    tokens = StaticTokens(None, file)
    assert tokens.verify(TOKEN) is not None
    (tmp_path / "new").write_text(f"ann {OTHER_TOKEN}", encoding="utf-8")
    (tmp_path / "new").replace(file)
    for _ in range(3):
        assert tokens.verify(OTHER_TOKEN) is not None


async def test_added_invalid_line_is_logged_once_although_no_token_changes(
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


def test_change_that_keeps_size_and_mtime_is_noticed(tmp_path: Path) -> None:
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
    ("given", "expected"),
    [
        ("", "contains no token"),
        (" , ", "contains no token"),
        ("ann", "entry 1 has no token after the name"),
        ("ann short", "entry 1 has a token of fewer than 32 characters"),
        (f"ann {TOKEN}, an/n {TOKEN}", "entry 2 must start with a name of letters, digits"),
        ("ann sha256:abc", "entry 1 has an invalid digest: expected 64 hexadecimal digits"),
        (
            f"ann {TOKEN} events:read",
            "entry 1 contains 1 unknown scopes after the token; the scopes are customers:write",
        ),
    ],
)
def test_invalid_entries_are_reported_without_the_token(given: str, expected: str) -> None:
    with pytest.raises(SettingsError) as raised:
        StaticTokens(given, None)
    (problem,) = raised.value.problems
    assert expected in problem
    assert TOKEN not in problem
    assert "short" not in problem


def test_unreadable_file_is_reported(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"CUSTOMERIO_HTTP_TOKENS_FILE: cannot be read \(FileNotFoundError\)"):
        StaticTokens(None, tmp_path / "none")


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX links")
def test_file_with_a_byte_order_mark_behind_symbolic_links_is_read(tmp_path: Path) -> None:
    # Kubernetes mounts a secret as a link to a file below a link to a directory.
    (tmp_path / "..2026").mkdir()
    (tmp_path / "..2026" / "tokens").write_bytes(b"\xef\xbb\xbfann " + TOKEN.encode() + b"\r\n# comment\r\n")
    (tmp_path / "..data").symlink_to("..2026")
    (tmp_path / "tokens").symlink_to("..data/tokens")
    assert StaticTokens(f"\ufeffbob {OTHER_TOKEN}", tmp_path / "tokens").verify(TOKEN) is not None


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX files")
@pytest.mark.parametrize(
    ("create", "reason"),
    [
        (lambda path: os.mkfifo(path), "it is not a regular file"),
        (os.mkdir, "it is not a regular file"),
        (lambda path: path.symlink_to("/dev/zero"), "it is not a regular file"),
        (lambda path: path.write_bytes(b"#" * 1_048_577), "it is larger than 1048576 bytes"),
        (lambda path: path.write_bytes(f"ann {TOKEN}".encode("utf-16-le")), "cannot be read as UTF-8 text"),
        (lambda path: path.write_bytes(b"ann \xff"), "cannot be read as UTF-8 text"),
    ],
)
def test_file_of_another_kind_is_reported_at_startup_and_revokes_its_tokens_later(
    tmp_path: Path, create: Callable[[Path], object], reason: str, caplog: pytest.LogCaptureFixture
) -> None:
    file = tmp_path / "tokens"
    create(file)
    with pytest.raises(SettingsError, match=rf"^CUSTOMERIO_HTTP_TOKENS_FILE: .*{reason}; expected a file of lines"):
        StaticTokens(f"bob {OTHER_TOKEN}", file)
    file.rename(tmp_path / "other")
    file.write_text(f"ann {TOKEN}\n", encoding="utf-8")
    tokens = StaticTokens(f"bob {OTHER_TOKEN}", file)
    assert tokens.verify(TOKEN) is not None
    (file.unlink if (tmp_path / "other").is_dir() else (lambda: None))()
    (tmp_path / "other").rename(file)
    for _ in range(3):
        assert tokens.verify(TOKEN) is None
        assert tokens.verify(OTHER_TOKEN) is not None
    (error,) = [record for record in caplog.records if record.levelno == logging.ERROR]
    assert error.message == "tokens file can't be read: none of its tokens is valid"
    assert reason in vars(error)["error"]


def test_added_line_with_a_known_token_is_left_out_and_logged_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    file = tmp_path / "tokens"
    file.write_text(f"ann {TOKEN} events:write\n", encoding="utf-8")
    tokens = StaticTokens(f"bob {OTHER_TOKEN}", file)
    file.write_text(f"ann {TOKEN} events:write\neve {TOKEN}\neve {OTHER_TOKEN}\n", encoding="utf-8")
    for _ in range(3):
        for token, name in ((TOKEN, "ann"), (OTHER_TOKEN, "bob")):
            access = tokens.verify(token)
            assert access is not None
            assert access.client_id == name
    problems = [vars(record)["problem"] for record in caplog.records if "problem" in vars(record)]
    assert [problem.partition(";")[0] for problem in problems] == [
        "CUSTOMERIO_HTTP_TOKENS_FILE: line 2 contains the same token as CUSTOMERIO_HTTP_TOKENS_FILE: line 1",
        "CUSTOMERIO_HTTP_TOKENS_FILE: line 3 contains the same token as CUSTOMERIO_HTTP_TOKENS: entry 1",
    ]


def test_comments_start_at_a_word(tmp_path: Path) -> None:
    (tmp_path / "tokens").write_text(f"#{OTHER_TOKEN}\n  # ann x\nann {TOKEN} events:write #, x\n", encoding="utf-8")
    access = StaticTokens(None, tmp_path / "tokens").verify(TOKEN)
    assert access is not None
    assert access.scopes == ["events:write"]
    # Formerly the token up to the '#' was valid.
    (tmp_path / "tokens").write_text(f"ann {TOKEN}#{OTHER_TOKEN}\n", encoding="utf-8")
    with pytest.raises(SettingsError, match="line 1 has a token that contains '#'"):
        StaticTokens(None, tmp_path / "tokens")


def test_new_token_never_looks_like_a_digest_or_a_placeholder(monkeypatch: pytest.MonkeyPatch) -> None:
    drawn = iter(["a" * 43, "your-" + "x" * 38, "sha256-" + "Q" * 36, "Q7w" * 14 + "-"])
    monkeypatch.setattr("secrets.token_urlsafe", lambda _: next(drawn))
    token, digest = new_token()
    assert token == "Q7w" * 14 + "-"
    assert StaticTokens(f"ann {token}", None).verify(token) is not None
    assert StaticTokens(f"ann {digest}", None).verify(token) is not None


def test_tokens_are_not_kept_in_memory() -> None:
    tokens = StaticTokens(f"ann {TOKEN}", None)
    access = tokens.verify(TOKEN)
    assert access is not None
    assert (access.client_id, access.token) == ("ann", "")
    assert TOKEN not in str([vars(tokens), [vars(tokens._entries), str(tokens._entries.valid)]])


def test_new_token_is_accepted_for_its_digest() -> None:
    token, digest = new_token()
    tokens = StaticTokens(f"ann {digest}", None)
    assert tokens.verify(token) is not None
    assert tokens.verify(digest) is None


async def test_metrics_need_their_own_scope(sandbox: RunningSandbox) -> None:
    tokens = f"ann {TOKEN}, prometheus {OTHER_TOKEN} metrics:read"
    async with running_service(sandbox.url, tokens=tokens) as http:
        statuses = [
            (await http.get("/metrics", headers=headers)).status_code
            for headers in (HEADERS, bearer(TOKEN), bearer(OTHER_TOKEN))
        ]
        assert statuses == [401, 403, 200]
        response = await http.post("/mcp", json=TOOLS_LIST, headers=bearer(OTHER_TOKEN))
        assert message_in(response)["result"]["tools"] == []
