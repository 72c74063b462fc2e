"""The command `rehearse`: check everything, run each scenario with the agent, and report."""

from __future__ import annotations

import signal
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO, Final

import anyio

from customerio_track_mcp.cli.options.rehearse import RehearseOptions
from customerio_track_mcp.cli.output import print_result, print_status
from customerio_track_mcp.cli.scenario_choice import ChosenScenario, choose_scenarios
from customerio_track_mcp.cli.scenario_settings import problems_of_settings
from customerio_track_mcp.rehearsal import ScenarioError, prepare
from customerio_track_mcp.rehearsal.agent_command import AgentCommand, AgentCommandError
from customerio_track_mcp.rehearsal.builtin import builtin_scenarios
from customerio_track_mcp.rehearsal.rehearse import Rehearsal, rehearse
from customerio_track_mcp.rehearsal.report.json_report import json_report
from customerio_track_mcp.rehearsal.report.junit import junit_report
from customerio_track_mcp.rehearsal.report.result import Result
from customerio_track_mcp.rehearsal.report.table import table_lines
from customerio_track_mcp.sandbox import run_sandbox
from customerio_track_mcp.settings.errors import SettingsError
from customerio_track_mcp.signals import stop_signals

_FAILED: Final = 1
_SIGNALED: Final = 128
"""Added to the number of a signal, as a shell does."""


def run_rehearsals(options: RehearseOptions) -> int:
    """Rehearse scenarios; return 0 if all passed, 1 if not, and 128 more than the number of the signal that stopped it.

    Raises:
        SettingsError: a scenario or an option is invalid. Nothing was run.
    """
    if options.list:
        return _list()
    scenarios = choose_scenarios(options.scenarios)
    command = _agent_command(options.agent or "")
    problems = [f"{scenario.path}: {problem}" for scenario in scenarios for problem in _problems_of(scenario, command)]
    try:
        problems = problems or anyio.run(_problems_of_starting_states, scenarios)
    except OSError as error:
        print_status(f"cannot start a sandbox: {error.strerror or error}")
        return _FAILED
    if problems:
        raise SettingsError(problems)
    with _report_file(options.junit) as junit_file:
        return _run_and_report(scenarios, command, options, junit_file)


def _run_and_report(
    scenarios: Sequence[ChosenScenario], command: AgentCommand, options: RehearseOptions, junit_file: BinaryIO | None
) -> int:
    started = datetime.now(UTC)
    rehearsals: list[Rehearsal] = []
    try:
        status = anyio.run(_run_all, scenarios, command, options.timeout, rehearsals)
    except KeyboardInterrupt:  # only on Windows, whose event loops have no signals
        status = _SIGNALED + signal.SIGINT
    result = Result(rehearsals, [scenario.name for scenario in scenarios[len(rehearsals) :]])
    if options.json:
        print_result(json_report(result))
    else:
        for line in table_lines(result):
            print_result(line)
    if junit_file is not None and not _write(junit_file, options.junit, junit_report(result, started)):
        status = status or _FAILED
    return status or (0 if result.passed else _FAILED)


async def _run_all(
    scenarios: Sequence[ChosenScenario], command: AgentCommand, time_limit: float, rehearsals: list[Rehearsal]
) -> int:
    """Add a rehearsal of each scenario to `rehearsals`; return an exit status other than 0 if one could not be made."""
    status = 0

    async def cancel_on_signal(scope: anyio.CancelScope) -> None:
        nonlocal status
        status = _SIGNALED + await next_signal()
        print_status("stopping the agent")
        scope.cancel()

    with stop_signals(hangup=True) as next_signal:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(cancel_on_signal, tasks.cancel_scope)
            for number, chosen in enumerate(scenarios, start=1):

                def on_start(url: str, number: int = number, name: str = chosen.name) -> None:
                    print_status(f"{number} of {len(scenarios)}: {name}; watch it at {url}")

                try:
                    rehearsal = await rehearse(
                        chosen.name, chosen.scenario, command, time_limit=time_limit, on_start=on_start
                    )
                except OSError as error:
                    print_status(f"the scenario {chosen.name} cannot be run: {error.strerror or error}")
                    status = _FAILED
                    break
                rehearsals.append(rehearsal)
            tasks.cancel_scope.cancel()
    return status


def _list() -> int:
    scenarios = choose_scenarios(list(builtin_scenarios()))
    width = max(len(scenario.name) for scenario in scenarios)
    for scenario in scenarios:
        print_result(f"{scenario.name:{width}}  {scenario.scenario.title}")
    return 0


def _agent_command(text: str) -> AgentCommand:
    try:
        return AgentCommand.parse(text)
    except AgentCommandError as error:
        raise SettingsError([f"--agent: {error}"]) from None


def _problems_of(chosen: ChosenScenario, command: AgentCommand) -> Iterator[str]:
    yield from problems_of_settings(chosen.scenario.settings)
    if problem := command.why_not_for(chosen.scenario.prompt_text):
        yield f"prompt: {problem}"


async def _problems_of_starting_states(scenarios: Sequence[ChosenScenario]) -> list[str]:
    """Prepare each scenario once: the last one's mistake must not show after an hour."""
    problems = []
    for chosen in scenarios:
        async with run_sandbox() as sandbox:
            try:
                prepare(sandbox, chosen.scenario)
            except ScenarioError as error:
                problems += [f"{chosen.path}: {problem}" for problem in error.problems]
    return problems


@contextmanager
def _report_file(path: Path | None) -> Iterator[BinaryIO | None]:
    """Open the file for a report now, so that one that cannot be written is found before the first scenario.

    Raises:
        SettingsError: it cannot be written.
    """
    if path is None:
        yield None
        return
    try:
        file = path.open("wb")
    except OSError as error:
        raise SettingsError([f"--junit: {path} cannot be written: {error.strerror}"]) from None
    with file:
        yield file


def _write(file: BinaryIO, path: Path | None, content: bytes) -> bool:
    """Write to a file and close it; return whether that succeeded. If not, it is reported."""
    try:
        with file:  # what is buffered is written when it is closed
            file.write(content)
    except OSError as error:
        print_status(f"--junit: {path} cannot be written: {error.strerror}")
        return False
    return True
