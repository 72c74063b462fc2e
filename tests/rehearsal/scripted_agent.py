"""An agent without a model: it makes the tool calls of a script, through the server of an MCP configuration.

It runs as the command of a rehearsal: `python scripted_agent.py SCRIPTS {config} {prompt}`. SCRIPTS is a JSON file with
the steps for each prompt, by its first line.
"""

from __future__ import annotations

import asyncio
import json
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NotRequired, TypedDict

from mcp import Client, StdioServerParameters
from mcp.client.stdio import stdio_client


class Step(TypedDict):
    """One call. Without `when`, it is made in any case.

    Attributes:
        tool: the tool's name.
        arguments: its arguments.
        when: a regular expression: the call is made only if the result of the last one is an error that matches it.
        result: what the result must be: "ok", or a regular expression that its error matches.
    """

    tool: str
    arguments: dict[str, Any]
    when: NotRequired[str]
    result: str


class ScriptError(Exception):
    """A result is not what the script expects. The text says which."""


def server_of(config: Path) -> StdioServerParameters:
    """Return the only server of an MCP configuration in the format of Claude Desktop."""
    (server,) = json.loads(config.read_text(encoding="utf-8"))["mcpServers"].values()
    return StdioServerParameters(command=server["command"], args=server["args"], env=server.get("env"))


async def play(steps: Sequence[Step], client: Client) -> list[str]:
    """Make the calls of a script one after the other.

    Returns:
        What happened, one line for each step.

    Raises:
        ScriptError: a result is not what a step expects.
    """
    report = []
    error = ""
    for step in steps:
        if "when" in step and not (error and re.search(step["when"], error)):
            report.append(f"{step['tool']}: not called")
            continue
        result = await client.call_tool(step["tool"], step["arguments"])
        fields = result.structured_content or {}
        error = "" if fields.get("success") else str(fields.get("error"))
        expected = step["result"]
        if bool(error) if expected == "ok" else not re.search(expected, error):
            raise ScriptError(f"{step['tool']}: expected {expected!r}, but the result is {error or 'ok'!r}")
        report.append(f"{step['tool']}: {error or 'ok'}")
    return report


async def run(steps: Sequence[Step], server: StdioServerParameters) -> None:
    """Start a server, play a script with it, and print what happened."""
    async with Client(stdio_client(server)) as client:
        for line in await play(steps, client):
            print(line)  # noqa: T201


def main(scripts: str, config: str, prompt: str) -> None:
    """Play the script of a prompt."""
    steps = json.loads(Path(scripts).read_text(encoding="utf-8"))[prompt.splitlines()[0]]
    asyncio.run(run(steps, server_of(Path(config))))


if __name__ == "__main__":
    main(*sys.argv[1:])
