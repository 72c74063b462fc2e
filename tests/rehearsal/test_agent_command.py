"""The agent's command: how it is split, what replaces its placeholders, and what is refused."""

from __future__ import annotations

import shlex
import shutil
import sys
from pathlib import Path
from typing import Final

import pytest

from customerio_track_mcp.rehearsal.agent_command import (
    MAX_ARGUMENT_BYTES,
    AgentCommand,
    AgentCommandError,
    agent_environment,
)

PYTHON: Final = shlex.quote(sys.executable)
CONFIG: Final = Path("/rehearsal/mcp.json")
PROMPT_FILE: Final = Path("/rehearsal/prompt.txt")


def words(text: str, prompt: str = "Say hello.") -> list[str]:
    """Return the arguments that the agent gets."""
    return AgentCommand.parse(f"{PYTHON} {text}").words(CONFIG, prompt, PROMPT_FILE)[1:]


def test_placeholders_are_replaced_within_arguments() -> None:
    assert words("-c {config} --ask={prompt} {prompt_file}") == [
        "-c",
        str(CONFIG),
        "--ask=Say hello.",
        str(PROMPT_FILE),
    ]


def test_other_braces_are_left_as_they_are() -> None:
    assert words("""'{"a": {}}' {x} {{config}} {config.} {prompt}""") == [
        '{"a": {}}',
        "{x}",
        f"{{{CONFIG}}}",
        "{config.}",
        "Say hello.",
    ]


@pytest.mark.parametrize(
    "prompt", ["a; rm -rf / `x` $(x) $HOME \"'\\ * | &", "two\nlines", "", "{config} {prompt} {prompt_file}", "日本 🎉"]
)
def test_a_prompt_is_one_argument_as_it_is(prompt: str) -> None:
    assert words("{config} {prompt}", prompt) == [str(CONFIG), prompt]


def test_quotes_and_backslashes_are_those_of_a_shell() -> None:
    assert words(r"""'a b' "c d" e\ f # "" {config} {prompt}""")[:5] == ["a b", "c d", "e f", "#", ""]


def test_a_backslash_is_an_ordinary_character_on_windows(tmp_path: Path) -> None:
    program = tmp_path / "agent"
    shutil.copy("/bin/sh", program)
    command = AgentCommand.parse(
        rf'"{program}" C:\agents\run.py "C:\my agents\" {{config}} {{prompt}}', is_windows=True
    )
    assert list(command.arguments[:2]) == [r"C:\agents\run.py", "C:\\my agents\\"]


def test_a_batch_file_of_windows_gets_no_prompt_as_an_argument(tmp_path: Path) -> None:
    program = tmp_path / "agent.CMD"
    shutil.copy("/bin/sh", program)
    with pytest.raises(AgentCommandError, match="is a batch file, which Windows runs through a shell"):
        AgentCommand.parse(f'"{program}" {{config}} {{prompt}}', is_windows=True)
    AgentCommand.parse(f'"{program}" {{config}} {{prompt_file}}', is_windows=True)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "the command is empty"),
        ("   ", "the command is empty"),
        ("'agent {config} {prompt}", "cannot be split into words (no closing quotation)"),
        ("agent \\", "cannot be split into words (no escaped character)"),
        (f"{PYTHON} {{prompt}}", "do not contain {config}"),
        (f"{PYTHON} {{config}}", "contain neither {prompt} nor {prompt_file}"),
        (f"{PYTHON} {{configuration}} {{prompt}}", "do not contain {config}"),
        ("no-such-agent {config} {prompt}", "the program no-such-agent is not found"),
        ("/nowhere/agent {config} {prompt}", "the program /nowhere/agent is not found"),
        ("/etc/passwd {config} {prompt}", "is not executable"),
        ("{config} {prompt} {config}", "the program {config} is not found"),
    ],
)
def test_an_invalid_command_is_refused(text: str, problem: str) -> None:
    with pytest.raises(AgentCommandError) as error:
        AgentCommand.parse(text)
    assert problem in str(error.value)


@pytest.mark.parametrize(
    ("arguments", "prompt", "problem"),
    [
        ("{config} {prompt}", "--dangerously-skip-permissions", "begins with -"),
        ("{config} {prompt}", "a\0b", "contains a null character"),
        ("{config} {prompt_file}", "a\0b", "contains a null character"),
        ("{config} {prompt}", "é" * (MAX_ARGUMENT_BYTES // 2 + 1), "bytes, and an argument at most"),
        ("{config} {prompt}", "x" * MAX_ARGUMENT_BYTES, ""),
        ("{config} {prompt_file}", "x" * (MAX_ARGUMENT_BYTES + 1), ""),
        ("{config} {prompt_file}", "-x", ""),
        ("{config} --ask={prompt}", "-x", ""),
        ("{config} {prompt}", "Use - as a bullet.", ""),
    ],
)
def test_a_prompt_that_cannot_be_passed_is_refused(arguments: str, prompt: str, problem: str) -> None:
    reason = AgentCommand.parse(f"{PYTHON} {arguments}").why_not_for(prompt)
    assert problem in reason
    assert bool(reason) == bool(problem)


def test_the_agent_gets_no_setting_of_the_server(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("CUSTOMERIO_API_KEY", "customerio_site_id", "CUSTOMERIO_ENV_FILE", "CUSTOMER_IO_API_KEY"):
        monkeypatch.setenv(name, "real-key")
    monkeypatch.setenv("MODEL_KEY", "the-agent-needs-it")
    environment = agent_environment()
    assert "real-key" not in environment.values()
    assert environment["MODEL_KEY"] == "the-agent-needs-it"
    assert environment["PATH"]
