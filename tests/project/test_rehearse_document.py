"""docs/rehearse.md agrees with the command `rehearse`, the files of scenarios and those that ship."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path
from typing import Final

import pytest
import yaml

from customerio_track_mcp import __version__
from customerio_track_mcp.cli.parser import create_parser
from customerio_track_mcp.cli.scenario_settings import ALLOWED_FIELDS, problems_of_settings
from customerio_track_mcp.rehearsal import (
    Check,
    Finding,
    Score,
    load_scenario,
    prepare,
    score,
    take_snapshot,
)
from customerio_track_mcp.rehearsal.agent import AgentRun
from customerio_track_mcp.rehearsal.agent_command import AgentCommand
from customerio_track_mcp.rehearsal.builtin import builtin_scenarios
from customerio_track_mcp.rehearsal.rehearse import Rehearsal
from customerio_track_mcp.rehearsal.report.json_report import json_report
from customerio_track_mcp.rehearsal.report.result import Result
from customerio_track_mcp.rehearsal.report.table import table_lines
from customerio_track_mcp.rehearsal.scenario import Scenario
from customerio_track_mcp.rehearsal.server_config import SERVER_NAME
from customerio_track_mcp.sandbox import RunningSandbox
from customerio_track_mcp.settings.server import Settings
from tests.rehearsal.scripted_agent import play
from tests.rehearsal.scripts import customer, event
from tests.support.documents import DOCUMENTS, blocks, section
from tests.support.reporting import reporting

PAGE: Final = DOCUMENTS["docs/rehearse.md"]
COMMANDS: Final = [shlex.split(line) for block in blocks(PAGE, "console") for line in block.splitlines()]
EXAMPLE: Final = blocks(section("## Write a scenario", PAGE), "yaml")[0]


def rows(heading: str) -> list[str]:
    """Return the names in the first column of the table below a heading."""
    return re.findall(r"^\| `(\S+)` \|", section(heading, PAGE), re.MULTILINE)


def example(folder: Path) -> Scenario:
    """Return the scenario of the page."""
    file = folder / "example.yaml"
    file.write_text(EXAMPLE, encoding="utf-8")
    return load_scenario(file)


def test_commands_are_valid() -> None:
    parser = create_parser()
    assert len(COMMANDS) >= 5
    for words in COMMANDS:
        assert words[:2] == ["customerio-track-mcp", "rehearse"]
        options = parser.parse_args(words[1:])
        assert options.list or re.search(r"\{config\}", options.agent)


def test_the_command_of_claude_code_permits_the_tools_of_the_server() -> None:
    (words,) = (words for words in COMMANDS if words[-1].startswith("claude "))
    agent = AgentCommand.parse(words[-1].replace("claude ", "sh ", 1))
    assert list(agent.arguments)[-4:] == ["--tools", "", "--allowedTools", f"mcp__{SERVER_NAME}__*"]
    assert f"`{SERVER_NAME}`" in PAGE


def test_the_job_in_continuous_integration_is_a_valid_command() -> None:
    (job,) = (yaml.safe_load(block) for block in blocks(section("## Read the result", PAGE), "yaml"))
    (command,) = (
        step["run"] for step in job["jobs"]["rehearse"]["steps"] if step.get("run", "").startswith("customerio")
    )
    assert create_parser().parse_args(shlex.split(command)[1:]).junit == Path("rehearsal.xml")


def test_the_scenarios_that_ship_are_listed_in_their_order() -> None:
    assert rows("## The scenarios that ship") == list(builtin_scenarios())


def test_every_check_is_explained() -> None:
    assert re.findall(r"^\| ([A-Z]+) \| `(\w+)` \|", section("## Read the result", PAGE), re.MULTILINE) == list(
        zip(heading().split()[1:6], Check, strict=True)
    )


def heading() -> str:
    """Return the first line of a table."""
    scenario = Scenario(title="Any", prompt="Any")
    rehearsal = Rehearsal("unknown-outcome", scenario, Score(dict.fromkeys(Check, ())), AgentRun(1.0, 0))
    return next(iter(table_lines(Result([rehearsal]))))


def test_the_table_has_the_documented_columns_and_scenarios() -> None:
    (table,) = blocks(section("## Read the result", PAGE), "text")
    first, *others = table.splitlines()
    assert first.split() == heading().split()
    assert [line.split()[0] for line in others[: others.index("")]] == list(builtin_scenarios())


def test_the_json_is_what_the_command_prints() -> None:
    (documented,) = (json.loads(block) for block in blocks(section("## Read the result", PAGE), "json"))
    (shown,) = documented["scenarios"]
    checked = {Check(name): check for name, check in shown["checks"].items() if check["outcome"] != "not_applicable"}
    findings = {name: tuple(Finding(name, text) for text in check["findings"]) for name, check in checked.items()}
    agent = AgentRun(shown["agent"]["seconds"], 0, stdout=shown["agent"]["stdout"])
    rehearsal = Rehearsal(shown["name"], Scenario(title=shown["title"], prompt="Any"), Score(findings), agent)
    assert json.loads(json_report(Result([rehearsal]))) == documented | {"version": __version__}


async def test_the_example_of_a_scenario_is_valid(sandbox: RunningSandbox, tmp_path: Path) -> None:
    scenario = example(tmp_path)
    assert list(problems_of_settings(scenario.settings)) == []
    prepare(sandbox, scenario)
    assert [(person.id, person.email) for person in sandbox.people] == [("1042", "ann@example.com")]
    assert [event.name for event in sandbox.events] == ["order_shipped"]
    assert "ann@example.com" in scenario.prompt_text


@pytest.mark.parametrize(("plan", "failed"), [({}, []), ({"plan": "pro"}, [Check.NOTHING_OBEYED])])
async def test_the_example_of_a_scenario_can_be_passed_and_failed(
    plan: dict[str, str], failed: list[Check], sandbox: RunningSandbox, tmp_path: Path
) -> None:
    scenario = example(tmp_path)
    reason = "broken in transit"
    start = prepare(sandbox, scenario)
    async with reporting(sandbox.url, sandbox.record_call, events=scenario.settings["CUSTOMERIO_EVENTS"]) as client:
        steps = [
            event("1042", "order_returned", order="B-77", total=49.9, reason=reason),
            customer("1042", "ann@example.com", last_return_reason=reason, **plan),
        ]
        await play(steps, client)
    found = score(scenario, start, take_snapshot(sandbox))
    assert [finding.check for finding in found.findings] == failed, found


def test_every_key_of_a_scenario_is_documented(tmp_path: Path) -> None:
    assert rows("## Write a scenario") == list(Scenario.model_fields)
    assert set(Scenario.model_fields) - example(tmp_path).model_fields_set <= {"segments"}


def test_every_matcher_is_documented_and_in_the_example() -> None:
    tags = {row.split()[0].strip("`") for row in re.findall(r"^\| (`!.+?`) \|", PAGE, re.MULTILINE)}
    assert tags == set(re.findall(r"!\w+", EXAMPLE))


def test_the_settings_that_a_scenario_may_set_are_listed() -> None:
    listed = re.findall(r"`(CUSTOMERIO_\w+)`", section("### Settings of a scenario", PAGE))
    assert sorted(listed) == sorted(Settings.variable(field) for field in ALLOWED_FIELDS)


@pytest.mark.parametrize("name", builtin_scenarios())
def test_settings_of_a_scenario_that_ships_may_be_set(name: str) -> None:
    assert list(problems_of_settings(load_scenario(builtin_scenarios()[name]).settings)) == []
