"""What docs/deploy.md gives to hosts: each configuration connects to the service with the SDK's client."""

from __future__ import annotations

import json
import re
import shlex
import tomllib
from collections.abc import Callable, Mapping
from typing import Any, Final, NamedTuple

import pytest
from mcp import Client
from mcp.client.streamable_http import streamable_http_client
from mcp.shared._httpx_utils import create_mcp_http_client

from customerio_track_mcp.sandbox import RunningSandbox
from tests.support.documents import DEPLOY, HTTP_VARIABLES, VARIABLES, blocks, section
from tests.support.http_service import TOKEN, running_service

URL: Final = "https://mcp.example.com/mcp"
SECTION: Final = section("## Connect a host", DEPLOY)


class Connection(NamedTuple):
    """What a host connects with."""

    url: str
    authorization: str


def block_of(host: str, language: str) -> str:
    """Return the configuration of a host, which follows its name in bold."""
    _, name, after = SECTION.partition(f"**{host}**")
    assert name, host
    return blocks(after, language)[0]


def claude_code() -> Connection:
    words = shlex.split(block_of("Claude Code", "console"))
    assert words[:6] == ["claude", "mcp", "add", "--transport", "http", "customerio-track"]
    url, option, header = words[6:]
    assert option == "--header"
    return Connection(url, header.removeprefix("Authorization: "))


def from_json(host: str, servers: str, url: str) -> Connection:
    configuration = json.loads(block_of(host, "json"))
    assert set(configuration) <= {servers, "inputs"}
    server = configuration[servers]["customerio-track"]
    authorization = server["headers"]["Authorization"]
    for prompt in configuration.get("inputs", ()):
        assert prompt["password"]
        authorization = authorization.replace(f"${{input:{prompt['id']}}}", "TOKEN")
    return Connection(server[url], authorization)


def vs_code() -> Connection:
    assert json.loads(block_of("VS Code", "json"))["servers"]["customerio-track"]["type"] == "http"
    return from_json("VS Code", "servers", "url")


def codex() -> Connection:
    server = tomllib.loads(block_of("Codex", "toml"))["mcp_servers"]["customerio-track"]
    variable = server["bearer_token_env_var"]
    assert f"`{variable}`" in SECTION
    # Not a setting of this server, which would report it as unknown.
    assert variable not in VARIABLES | HTTP_VARIABLES
    assert not variable.startswith("CUSTOMERIO_")
    return Connection(server["url"], "Bearer TOKEN")


HOSTS: Final[Mapping[str, Callable[[], Connection]]] = {
    "Claude Code": claude_code,
    "Cursor": lambda: from_json("Cursor", "mcpServers", "url"),
    "VS Code": vs_code,
    "Windsurf": lambda: from_json("Windsurf", "mcpServers", "serverUrl"),
    "Gemini CLI": lambda: from_json("Gemini CLI", "mcpServers", "httpUrl"),
    "Codex": codex,
}


@pytest.mark.parametrize("host", HOSTS)
async def test_a_host_can_call_with_what_the_page_gives_it(sandbox: RunningSandbox, host: str) -> None:
    connection = HOSTS[host]()
    assert connection == (URL, "Bearer TOKEN")
    headers: dict[str, Any] = {"Authorization": connection.authorization.replace("TOKEN", TOKEN)}
    async with (
        running_service(sandbox.url, tokens=f"ann {TOKEN}", public_url=URL) as http,
        create_mcp_http_client(headers=headers) as http_client,
        Client(
            streamable_http_client(connection.url.replace(URL, f"{http.base_url}/mcp"), http_client=http_client)
        ) as client,
    ):
        result = await client.call_tool("send_event", {"customer_id": "1", "event_name": "connected"})
        assert result.structured_content["success"]


def test_each_host_has_a_test_and_connectors_are_explained() -> None:
    named = set(re.findall(r"^\*\*([\w .]+)\*\*", SECTION, re.MULTILINE))
    assert named == set(HOSTS) | {"Claude Desktop and claude.ai"}
    _, _, connectors = SECTION.partition("**Claude Desktop and claude.ai**")
    for requirement in ("public `https` URL", "[OAuth](#oauth)", "https://claude.ai/api/mcp/auth_callback"):
        assert requirement in connectors
