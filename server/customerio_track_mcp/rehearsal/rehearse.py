"""Rehearse one scenario with an agent, in a sandbox of its own."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

import anyio

from customerio_track_mcp.rehearsal.agent import AgentRun, run_agent
from customerio_track_mcp.rehearsal.agent_command import AgentCommand, agent_environment
from customerio_track_mcp.rehearsal.findings import Score
from customerio_track_mcp.rehearsal.preparation import prepare
from customerio_track_mcp.rehearsal.scenario import Scenario
from customerio_track_mcp.rehearsal.scoring import score
from customerio_track_mcp.rehearsal.server_config import write_server_config
from customerio_track_mcp.rehearsal.snapshot import take_snapshot
from customerio_track_mcp.sandbox import RunningSandbox, run_sandbox

SETTLING_SECONDS: Final = 10.0
"""Time for calls that an agent has left behind to end, before the score."""
_POLL_SECONDS: Final = 0.02


@dataclass(frozen=True, slots=True)
class Rehearsal:
    """The result of one scenario.

    Attributes:
        name: the scenario's name.
        scenario: the scenario.
        score: what the state of the sandbox says.
        agent: how the agent ended.
        used_sandbox: whether a tool was called or a request was sent.
    """

    name: str
    scenario: Scenario
    score: Score
    agent: AgentRun
    used_sandbox: bool = True

    @property
    def passed(self) -> bool:
        """Whether the agent ended without a failure, and every check passed."""
        return self.score.passed and not self.agent.problem

    @property
    def hint(self) -> str:
        """Why the scenario may have failed, if the agent has used no tool; else an empty text."""
        if self.used_sandbox:
            return ""
        return "the agent called no tool of the server in {config}: check that it waits for this server to be connected"


async def rehearse(
    name: str, scenario: Scenario, command: AgentCommand, *, time_limit: float, on_start: Callable[[str], None]
) -> Rehearsal:
    """Run an agent in a fresh sandbox, and score what the sandbox recorded.

    Args:
        name: the scenario's name.
        scenario: what the sandbox contains at first, and what it must contain at the end.
        command: the agent's command.
        time_limit: after this many seconds the agent is ended.
        on_start: called with the URL of the sandbox when it is ready.

    Raises:
        OSError: the sandbox cannot listen, or the configuration cannot be written.
        ScenarioError: the starting state is impossible.
    """
    async with run_sandbox() as sandbox:
        start = prepare(sandbox, scenario)
        with TemporaryDirectory(prefix="customerio-track-rehearsal-", ignore_cleanup_errors=True) as folder:
            words = _prepared_words(Path(folder), sandbox.url, scenario, command)
            on_start(sandbox.url)
            agent = await run_agent(words, agent_environment(), time_limit)
        await _settle(sandbox)
        end = take_snapshot(sandbox)
        return Rehearsal(name, scenario, score(scenario, start, end), agent, bool(end.calls or end.requests))


def _prepared_words(folder: Path, sandbox_url: str, scenario: Scenario, command: AgentCommand) -> list[str]:
    """Write the files for the agent into its folder, and return its command."""
    config, prompt_file = folder / "mcp.json", folder / "prompt.txt"
    write_server_config(config, sandbox_url, scenario.settings)
    prompt_file.write_text(scenario.prompt_text, encoding="utf-8", newline="")
    return command.words(config, scenario.prompt_text, prompt_file)


async def _settle(sandbox: RunningSandbox) -> None:
    """Wait until every request has ended, and the server has reported every call that sent one.

    A call without a report may still retry. A server that was killed never reports its last one.
    """
    with anyio.move_on_after(SETTLING_SECONDS):
        while _is_busy(sandbox):  # noqa: ASYNC110 - the sandbox has no event for it
            await anyio.sleep(_POLL_SECONDS)


def _is_busy(sandbox: RunningSandbox) -> bool:
    reported = {call.id for call in sandbox.calls.log}
    return any(
        request.seconds is None or (request.call is not None and request.call not in reported)
        for request in sandbox.requests
    )
