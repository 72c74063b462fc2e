"""Read a scenario from its file, and report every problem of it at once."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Final

from pydantic import ValidationError

from customerio_track_mcp.rehearsal.consistency import contradictions_in
from customerio_track_mcp.rehearsal.places import Place, shown_place, written_place
from customerio_track_mcp.rehearsal.problems import MATCHER, what_is_wrong
from customerio_track_mcp.rehearsal.scenario import Scenario, ScenarioError
from customerio_track_mcp.rehearsal.shown_text import shown

if TYPE_CHECKING:
    from customerio_track_mcp.rehearsal.yaml_document import Document

MAX_FILE_BYTES: Final = 2**20
"""A scenario's file. A larger one is not read."""
MAX_PROBLEMS: Final = 50
"""Problems that are reported; beyond it, their number."""


def load_scenario(path: Path) -> Scenario:
    """Read a scenario.

    Args:
        path: a YAML file in UTF-8, of at most 1 MiB.

    Raises:
        ScenarioError: the file cannot be read, or is not a valid scenario. Each problem begins with the file and, if it
            is known, the line.
    """
    from customerio_track_mcp.rehearsal.yaml_document import parse_yaml  # PyYAML, which only this needs

    document = parse_yaml(_text_of(path))
    if document.value is None:
        document.value = {}  # an empty file: the keys that must be there are reported
    scenario, problems = _validated(document) if document.is_complete else (None, [])
    found = [(line, place, text) for place, line, text in document.problems]
    reported = {place for _, place, _ in found}
    around = {place[:length] for place in reported for length in range(len(place) + 1)}
    for place, text in problems:
        # A problem may be a consequence of one that is reported: what could not be read is null.
        if place not in around and not any(place[:length] in reported for length in range(1, len(place))):
            found.append((_line_of(place, document), place, text))
    if scenario is None or found:
        raise ScenarioError(list(_sentences(path, found)))
    return scenario


def _text_of(path: Path) -> str:
    try:
        with path.open("rb") as file:
            content = file.read(MAX_FILE_BYTES + 1)
    except (OSError, ValueError) as error:  # a null character in the path is a ValueError
        reason = error.strerror if isinstance(error, OSError) else error
        raise ScenarioError([f"{shown(str(path))}: cannot be read ({reason})"]) from None
    if len(content) > MAX_FILE_BYTES:
        raise ScenarioError([f"{shown(str(path))}: larger than {MAX_FILE_BYTES >> 20} MiB, the maximum for a scenario"])
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise ScenarioError([f"{shown(str(path))}:{line}: not valid UTF-8; save the file as UTF-8"]) from None


def _validated(document: Document) -> tuple[Scenario | None, list[tuple[Place, str]]]:
    """Return the scenario in a document, and what is wrong with it."""
    try:
        scenario = Scenario.model_validate(document.value)
    except ValidationError as error:
        return None, list(_problems_of(error, document))
    return scenario, list(contradictions_in(scenario))


def _problems_of(error: ValidationError, document: Document) -> Iterator[tuple[Place, str]]:
    """Yield each problem with its place in the document, which is not the model's where a type was chosen by `kind`."""
    found: dict[Place, list[str]] = {}
    for problem in error.errors(include_url=False):
        place = written_place(problem["loc"], document.value)
        found.setdefault(place, []).append(what_is_wrong(problem, place))
    for place, texts in found.items():
        others = [text for text in texts if text != MATCHER]
        if len(others) < len(texts):  # a value of one of several types
            others = [f"{others[0] if others else 'expected'}, or {MATCHER}"]
        yield from ((place, text) for text in others)


def _line_of(place: Place, document: Document) -> int:
    """Return the line of a value, or of the innermost value around it that is in the document."""
    while place and place not in document.lines:
        place = place[:-1]
    return document.lines.get(place, 1)


def _sentences(path: Path, found: list[tuple[int, Place, str]]) -> Iterator[str]:
    unique = list(dict.fromkeys(sorted(found, key=lambda item: item[0])))
    for line, place, text in unique[:MAX_PROBLEMS]:
        where = f"{shown_place(place)}: " if place else ""
        yield f"{shown(str(path))}:{line}: {where}{text}"
    if len(unique) > MAX_PROBLEMS:
        yield f"{shown(str(path))}: {len(unique) - MAX_PROBLEMS} more problems; correct these first"
