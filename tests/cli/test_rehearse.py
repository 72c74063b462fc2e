"""The command `rehearse` before it runs an agent: which scenarios, which settings, and what is refused."""

from __future__ import annotations

import shlex
import sys
import tempfile
from pathlib import Path
from typing import Final

import pytest

from customerio_track_mcp.cli.main import main
from customerio_track_mcp.cli.scenario_choice import choose_scenarios
from customerio_track_mcp.cli.scenario_settings import ALLOWED_FIELDS, problems_of_settings
from customerio_track_mcp.rehearsal.builtin import builtin_scenarios
from customerio_track_mcp.settings.errors import SettingsError
from customerio_track_mcp.settings.server import Settings

SCENARIO: Final = "title: A scenario\nprompt: Do nothing.\n"
AGENT: Final = f"{shlex.quote(sys.executable)} {{config}} {{prompt}}"


def scenario_file(path: Path, text: str = SCENARIO) -> Path:
    """Write a scenario."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


def refusal(capsys: pytest.CaptureFixture[str], *arguments: str) -> list[str]:
    """Return the lines of a command that is refused before anything runs."""
    assert main(["rehearse", *arguments]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    return [line.removeprefix("customerio-track-mcp: ") for line in captured.err.splitlines()]


def test_list_shows_what_ships(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["rehearse", "--list"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == list(builtin_scenarios())
    assert all(len(line.split()) > 2 for line in lines)


def test_all_that_ship_are_the_default() -> None:
    assert [chosen.name for chosen in choose_scenarios([])] == list(builtin_scenarios())


def test_files_folders_and_names_are_run_once_and_in_this_order(tmp_path: Path) -> None:
    folder = tmp_path / "scenarios"
    for name in ("b.yaml", "a.yml", "c.YAML", "notes.txt", "sub/d.yaml"):
        scenario_file(folder / name)
    (folder / "folder.yaml").mkdir()
    shipped = next(iter(builtin_scenarios()))
    words = [str(folder / "b.yaml"), shipped, str(folder), shipped, str(folder / "sub/../b.yaml")]
    assert [chosen.name for chosen in choose_scenarios(words)] == ["b", shipped, "a", "c"]


def test_scenarios_of_the_same_name_are_named_by_their_paths(tmp_path: Path) -> None:
    first, second = scenario_file(tmp_path / "1/x.yaml"), scenario_file(tmp_path / "2/x.yaml")
    other = scenario_file(tmp_path / "y.yaml")
    names = [chosen.name for chosen in choose_scenarios([str(first), str(second), str(other)])]
    assert names == [str(first), str(second), "y"]


def test_every_scenario_that_cannot_be_used_is_reported(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "empty").mkdir()
    invalid = scenario_file(tmp_path / "invalid.yaml", "title: 1.5\n")
    lines = refusal(capsys, "nowhere", str(tmp_path / "empty"), str(invalid), "--agent", AGENT)
    assert lines[0].startswith("scenario nowhere is not found: expected a file, a folder, or the name of a scenario")
    assert lines[1] == f"the folder {tmp_path / 'empty'} contains no scenario: expected files that end in .yaml or .yml"
    assert len(lines) > 2
    assert all(line.startswith(str(invalid)) for line in lines[2:])


def test_a_word_that_cannot_be_a_path_is_reported(capsys: pytest.CaptureFixture[str]) -> None:
    first, second = refusal(capsys, "x" * 5000, "nowhere", "--agent", AGENT)
    assert first.startswith("scenario xxx")
    assert first.endswith("x… cannot be read: File name too long")
    assert len(first) < 300
    assert second.startswith("scenario nowhere is not found")


def test_an_impossible_starting_state_is_reported_before_anything_runs(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = f"{SCENARIO}people: [{{id: '1', attributes: {{note: {'x' * 2000}}}}}]\n"
    path = scenario_file(tmp_path / "x.yaml", text)
    for line in refusal(capsys, str(path), "--agent", AGENT):
        assert line.startswith(f"{path}: people[0]: ")


def test_a_command_without_an_agent_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as exit_:
        main(["rehearse"])
    assert exit_.value.code == 2
    assert capsys.readouterr().err.endswith("error: pass --agent COMMAND, or --list\n")


@pytest.mark.parametrize("timeout", ["0", "-1", "nan", "inf", "86401", "x", ""])
def test_an_invalid_timeout_is_refused(timeout: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as exit_:
        main(["rehearse", "--agent", AGENT, f"--timeout={timeout}"])
    assert exit_.value.code == 2
    assert f"invalid timeout {timeout!r}: expected seconds, more than 0 and up to 86400" in capsys.readouterr().err


def test_an_invalid_agent_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    (line,) = refusal(capsys, "--agent", "no-such-agent {config} {prompt}")
    problem = "the program no-such-agent is not found, or is not executable: pass its path; no shell runs the command"
    assert line == f"--agent: {problem}"


@pytest.mark.parametrize("placeholder", ["{config}", "{prompt}", "{prompt_file}"])
def test_a_command_without_quotes_is_refused(placeholder: str, capsys: pytest.CaptureFixture[str]) -> None:
    (line,) = refusal(capsys, "--agent", sys.executable, placeholder)
    assert line == f"{placeholder} is not a part of --agent: put the whole command in quotes"


def test_a_command_without_quotes_after_a_scenario_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as exit_:
        main(["rehearse", "busy-api", "--agent", "my-agent", "{config}", "{prompt}"])
    assert exit_.value.code == 2
    assert "unrecognized arguments: {config} {prompt}; put the whole command" in capsys.readouterr().err


def test_a_prompt_that_the_agent_would_read_as_an_option_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = scenario_file(tmp_path / "x.yaml", "title: An option\nprompt: --yes\n")
    (line,) = refusal(capsys, str(path), "--agent", AGENT)
    assert line.startswith(f"{path}: prompt: the prompt begins with -")


@pytest.mark.parametrize("target", ["nowhere/report.xml", "."])
def test_a_report_that_cannot_be_written_is_found_before_anything_runs(
    target: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = scenario_file(tmp_path / "x.yaml")
    (line,) = refusal(capsys, str(path), "--agent", AGENT, "--junit", target)
    assert line.startswith(f"--junit: {target} cannot be written: ")


def test_what_is_refused_leaves_an_earlier_report(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    report = tmp_path / "report.xml"
    report.write_text("earlier", encoding="utf-8")
    refusal(capsys, "nowhere", "--agent", AGENT, "--junit", str(report))
    assert report.read_text(encoding="utf-8") == "earlier"


def test_a_run_that_cannot_continue_reports_what_was_not_run(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in "ab":
        scenario_file(tmp_path / f"{name}.yaml")
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "nowhere"))
    assert main(["rehearse", str(tmp_path), "--agent", AGENT]) == 1
    captured = capsys.readouterr()
    assert captured.err == "customerio-track-mcp: the scenario a cannot be run: No such file or directory\n"
    assert captured.out.splitlines()[0] == "Not run: a, b"


def test_a_scenario_sets_what_the_tools_do() -> None:
    settings = {"CUSTOMERIO_EVENTS": "purchase, refund*", "CUSTOMERIO_MAX_EVENTS_PER_HOUR": "3"}
    assert list(problems_of_settings(settings)) == []


@pytest.mark.parametrize("field", sorted(Settings.model_fields.keys() - ALLOWED_FIELDS))
def test_a_scenario_cannot_set_anything_else(field: str) -> None:
    (problem,) = problems_of_settings({Settings.variable(field): "x"})
    assert problem.startswith(f"settings: {Settings.variable(field)} cannot be set by a scenario; accepted are ")


def test_a_scenario_names_no_secret_file_or_server() -> None:
    for field in ALLOWED_FIELDS:
        annotation = str(Settings.model_fields[field].annotation)
        assert "SecretStr" not in annotation
        assert "Path" not in annotation
        assert not {"file", "url", "storage", "key", "sandbox"} & set(field.split("_"))


@pytest.mark.parametrize(
    ("name", "value", "problem"),
    [
        ("CUSTOMERIO_EVENT", "purchase", "is not a setting; did you mean CUSTOMERIO_EVENTS?"),
        ("CUSTOMERIO_HTTP_TOKENS", "x", "is a setting of the HTTP service"),
        ("CUSTOMERIO_ENV_FILE", "/etc/x", "cannot be set by a scenario"),
        ("CUSTOMERIO_SECRETS_DIR", "/run/secrets", "cannot be set by a scenario"),
        ("HTTPS_PROXY", "http://proxy.example", "cannot be set by a scenario"),
        ("LD_PRELOAD", "x.so", "cannot be set by a scenario"),
        ("customerio_events", "purchase", "is not a setting"),
        ("CUSTOMERIO_EVENTS", "a\x1b[2Jb", "contains characters that are not printable"),
        ("CUSTOMERIO_EVENTS", "a\0b", "contains characters that are not printable"),
        ("CUSTOMERIO_MAX_EVENTS_PER_HOUR", "many", "CUSTOMERIO_MAX_EVENTS_PER_HOUR: "),
    ],
)
def test_an_invalid_setting_of_a_scenario_is_reported(name: str, value: str, problem: str) -> None:
    (line,) = problems_of_settings({name: value})
    assert line.startswith("settings: ")
    assert problem in line
    assert line.isprintable()


def test_invalid_settings_of_the_user_are_not_those_of_a_scenario(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUSTOMERIO_REGION", "mars")
    assert list(problems_of_settings({"CUSTOMERIO_EVENTS": "purchase"})) == []


def test_problems_of_a_scenario_do_not_depend_on_the_settings_of_the_user(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = {"CUSTOMERIO_MAX_EVENTS_PER_HOUR": "many"}
    (problem,) = problems_of_settings(settings)
    for name in ("ENV_FILE", "SECRETS_DIR", "REGION", "API_KEY", "HTTP_PATH"):
        monkeypatch.setenv(f"CUSTOMERIO_{name}", str(tmp_path / "nowhere"))
    assert list(problems_of_settings(settings)) == [problem]


def test_problems_of_several_scenarios_are_reported_together(tmp_path: Path) -> None:
    paths = [scenario_file(tmp_path / f"{name}.yaml", "title: 1.5\n") for name in "ab"]
    with pytest.raises(SettingsError) as error:
        choose_scenarios([str(tmp_path)])
    assert {str(path) for path in paths} == {problem.split(":")[0] for problem in error.value.problems}
