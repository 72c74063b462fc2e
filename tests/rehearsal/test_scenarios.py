"""Every scenario that ships can be passed and failed: a scripted agent does both, through the command `rehearse`."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import pytest

from customerio_track_mcp.rehearsal import Check, load_scenario, prepare, score, take_snapshot
from customerio_track_mcp.rehearsal.builtin import builtin_scenarios
from customerio_track_mcp.sandbox import run_sandbox
from tests.rehearsal.scripted_agent import Step, play
from tests.rehearsal.scripts import BAD, GOOD, OTHER_GOOD, BadScript
from tests.support.process import COMMAND, environment
from tests.support.reporting import reporting

AGENT: Final = Path(__file__).with_name("scripted_agent.py")
SCENARIOS: Final = builtin_scenarios()


def rehearse(scripts: Mapping[str, Sequence[Step]], folder: Path) -> subprocess.CompletedProcess[str]:
    """Rehearse scenarios with the scripted agent, which plays one script in each of them."""
    by_prompt = {first_line(SCENARIOS[name]): steps for name, steps in scripts.items()}
    file = folder / "scripts.json"
    file.write_text(json.dumps(by_prompt), encoding="utf-8")
    agent = f"{shlex.join([sys.executable, str(AGENT), str(file)])} {{config}} {{prompt}}"
    return subprocess.run(
        [*COMMAND, "rehearse", *scripts, "--agent", agent, "--json"],
        env=environment(),
        capture_output=True,
        encoding="utf-8",
        timeout=600,
        check=False,
    )


def first_line(scenario: Path) -> str:
    return load_scenario(scenario).prompt_text.splitlines()[0]


def scenarios_in(completed: subprocess.CompletedProcess[str]) -> dict[str, dict[str, Any]]:
    """Return the JSON of each scenario, none of whose agents has failed."""
    assert completed.stdout, completed.stderr
    scenarios = {scenario["name"]: scenario for scenario in json.loads(completed.stdout)["scenarios"]}
    assert [(scenario["agent"]["problem"], scenario["agent"]["stderr"]) for scenario in scenarios.values()] == [
        (None, "")
    ] * len(scenarios)
    return scenarios


def failed_checks(scenario: Mapping[str, Any]) -> dict[str, list[str]]:
    """Return the findings of each check that has failed."""
    return {name: check["findings"] for name, check in scenario["checks"].items() if check["findings"]}


def checks_of(scripts: Iterable[BadScript], check: Check) -> set[str]:
    return {script.scenario for script in scripts if script.check is check}


def test_the_names_are_those_of_the_files() -> None:
    folder = next(iter(SCENARIOS.values())).parent
    assert sorted(SCENARIOS) == sorted(path.stem for path in folder.iterdir())
    assert len(SCENARIOS) == 10
    assert {name: path.name for name, path in SCENARIOS.items()} == {name: f"{name}.yaml" for name in SCENARIOS}


def test_the_events_in_the_prompt_are_those_of_the_sandbox() -> None:
    scenario = load_scenario(SCENARIOS["injected-event"])
    in_prompt = [json.loads(line) for line in scenario.prompt_text.splitlines() if line.startswith("{")]
    assert in_prompt == [{"person": event.person, "data": event.data} for event in scenario.events]


@pytest.mark.parametrize("name", SCENARIOS)
def test_a_file_begins_with_what_it_rehearses_and_why_models_fail_it(name: str) -> None:
    comment = " ".join(
        line.removeprefix("# ")
        for line in SCENARIOS[name].read_text(encoding="utf-8").partition("\ntitle:")[0].splitlines()
    )
    assert re.match(r"Rehearses: .+\. .*Models fail it because .+\.$", comment)


def test_every_scenario_has_a_good_and_a_bad_script_and_every_check_two_scenarios() -> None:
    assert list(GOOD) == list(SCENARIOS)
    assert {script.scenario for script in BAD} == set(SCENARIOS)
    assert {check: len(checks_of(BAD, check)) for check in Check if len(checks_of(BAD, check)) < 2} == {}
    assert len({first_line(path) for path in SCENARIOS.values()}) == len(SCENARIOS)


@pytest.mark.integration
def test_a_good_agent_passes_every_scenario(tmp_path: Path) -> None:
    completed = rehearse(GOOD, tmp_path)
    found = {name: failed_checks(scenario) for name, scenario in scenarios_in(completed).items()}
    assert found == {name: {} for name in SCENARIOS}
    assert (completed.returncode, json.loads(completed.stdout)["passed"]) == (0, True)


@pytest.mark.integration
def test_an_agent_that_makes_a_mistake_in_each_scenario_fails(tmp_path: Path) -> None:
    last = {script.scenario: script for script in BAD}
    scripts = {name: last[name] for name in SCENARIOS}
    assert {script.check for script in scripts.values()} == set(Check)
    completed = rehearse({name: script.steps for name, script in scripts.items()}, tmp_path)
    found = {name: failed_checks(scenario) for name, scenario in scenarios_in(completed).items()}
    assert {name: list(checks) for name, checks in found.items()} == {
        name: [script.check] for name, script in scripts.items()
    }
    assert (completed.returncode, json.loads(completed.stdout)["scenarios_passed"]) == (1, 0)


@pytest.mark.parametrize("script", BAD, ids=lambda script: f"{script.scenario}: {script.mistake}")
async def test_a_mistake_fails_the_check_for_it_and_no_other(script: BadScript) -> None:
    found = await findings_after(script.scenario, script.steps)
    assert list(found) == [script.check], found
    text = " ".join(found[script.check])
    assert [name for name in script.names if name not in text] == [], found


@pytest.mark.parametrize(("name", "how", "steps"), OTHER_GOOD, ids=[f"{name}: {how}" for name, how, _ in OTHER_GOOD])
async def test_another_right_way_passes(name: str, how: str, steps: Sequence[Step]) -> None:
    assert await findings_after(name, steps) == {}, how


async def findings_after(name: str, steps: Sequence[Step]) -> dict[Check, list[str]]:
    """Play a script in this process; return the findings of each check that has failed."""
    scenario = load_scenario(SCENARIOS[name])
    settings: dict[str, Any] = {
        variable.removeprefix("CUSTOMERIO_").lower(): value for variable, value in scenario.settings.items()
    }
    async with run_sandbox() as sandbox:
        start = prepare(sandbox, scenario)
        async with reporting(sandbox.url, sandbox.record_call, **settings) as client:
            await play(steps, client)
        found = score(scenario, start, take_snapshot(sandbox))
    return {check: [finding.text for finding in findings] for check, findings in found.results.items() if findings}
