"""Which scenarios `rehearse` runs: files, folders of them, and those that ship with the package."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from customerio_track_mcp.rehearsal import Scenario, ScenarioError, load_scenario
from customerio_track_mcp.rehearsal.agent_command import is_placeholder
from customerio_track_mcp.rehearsal.builtin import builtin_scenarios
from customerio_track_mcp.settings.errors import SettingsError
from customerio_track_mcp.track import shorten

_SUFFIXES: Final = (".yaml", ".yml")
_MAX_WORD_CHARACTERS: Final = 200


@dataclass(frozen=True, slots=True)
class ChosenScenario:
    """A scenario to run.

    Attributes:
        name: what the reports call it: the name of its file without the suffix, or its path if two have the same name.
        path: its file.
        scenario: what the file contains.
    """

    name: str
    path: Path
    scenario: Scenario


def choose_scenarios(words: Sequence[str]) -> list[ChosenScenario]:
    """Load the scenarios that `words` name, each once and in this order; all that ship if there are none.

    Args:
        words: names of scenarios that ship, files, and folders, of which all YAML files are used.

    Raises:
        SettingsError: one is not found, or a file is not a valid scenario. Every problem is in it.
    """
    problems: list[str] = []
    paths: dict[Path, Path] = {}
    for word in words or list(builtin_scenarios()):
        try:
            found = {path.resolve(): path for path in _paths(word)}
            if not found:
                problems.append(_why_not_found(word))
        except OSError as error:
            problems.append(f"scenario {shorten(word, _MAX_WORD_CHARACTERS)} cannot be read: {error.strerror}")
            continue
        paths.update((file, path) for file, path in found.items() if file not in paths)
    names = Counter(path.stem for path in paths.values())
    chosen = []
    for path in paths.values():
        try:
            name = path.stem if names[path.stem] == 1 else str(path)
            chosen.append(ChosenScenario(name, path, load_scenario(path)))
        except ScenarioError as error:
            problems += error.problems
    if problems:
        raise SettingsError(problems)
    return chosen


def _paths(word: str) -> Iterator[Path]:
    if shipped := builtin_scenarios().get(word):
        yield shipped
        return
    path = Path(word)
    if path.is_dir():
        yield from sorted(file for file in path.iterdir() if file.suffix.lower() in _SUFFIXES and file.is_file())
    elif path.exists():
        yield path


def _why_not_found(word: str) -> str:
    if Path(word).is_dir():
        return f"the folder {word} contains no scenario: expected files that end in {' or '.join(_SUFFIXES)}"
    if is_placeholder(word):
        return f"{word} is not a part of --agent: put the whole command in quotes"
    return (
        f"scenario {word} is not found: expected a file, a folder, or the name of a scenario that ships; "
        "'customerio-track-mcp rehearse --list' lists those"
    )
