"""The controls in force, in words: for `check`, the startup lines, the server's instructions and its policy."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

from customerio_track_mcp.control.pause import pause_reason
from customerio_track_mcp.settings.control import ControlSettings

_NAMES: Final = {
    "pause_file": "pause file",
    "tools": "allowed tools",
    "events": "allowed events",
    "segments": "allowed segments",
    "attributes": "allowed attributes",
    "max_events_per_hour": "maximum of events per hour",
    "max_people_per_hour": "maximum of people per hour",
    "confirm": "confirmation by a person",
    "write_log": "write log",
    "resend_window": "resend window",
}
"""Every control except the dry run, of which each reader has a line of its own."""
_LISTS: Final = {
    "tools": "Tools that may be used",
    "events": "Events that may be sent",
    "segments": "Segments that people may be added to",
    "attributes": "Attributes that may be set",
}
_MAXIMA: Final = {
    "max_events_per_hour": "Maximum of events per hour",
    "max_people_per_hour": "Maximum of people per hour who are updated or added to segments",
}


def control_names(settings: ControlSettings) -> list[str]:
    """Return the controls that are set, the dry run aside, in a few words each."""
    return [name for field, name in _NAMES.items() if _is_set(settings, field)]


def instruction_lines(settings: ControlSettings) -> list[str]:
    """Return what a model must know before its first call."""
    lines = []
    if settings.dry_run:
        lines.append(
            "This is a dry run: nothing is sent. Calls are checked, and their results show what would be sent."
        )
    if names := control_names(settings):
        lines.append(
            f"The operator has set: {', '.join(names)}. The resource customerio-track://policy has the details."
        )
    return lines


def control_lines(settings: ControlSettings) -> list[str]:
    """Return a sentence for each control that is set, for callers: the allow lists aside, which may differ for each.

    The sentences do not contain paths, and no file is looked up.
    """
    paused = "Calls are refused while the operator's pause file exists"
    return [*_lines_before_lists(settings, paused), *_lines_after_lists(settings, "recorded")]


def report_lines(settings: ControlSettings) -> list[str]:
    """Return the controls that are set, for the operator, with paths and whether the pause file exists."""
    pause = _pause(settings.pause_file) if settings.pause_file is not None else ""
    lines = [
        *_lines_before_lists(settings, pause),
        *_allow_lists(settings),
        *_lines_after_lists(settings, f"recorded in {settings.write_log}"),
    ]
    if not lines:
        return ["No controls are set: nothing is restricted, confirmed or recorded."]
    return ["A server with these settings has these controls:", *(f"- {line}" for line in lines)]


def _lines_before_lists(settings: ControlSettings, pause: str) -> Iterator[str]:
    if settings.dry_run:
        yield "Dry run: nothing is sent (CUSTOMERIO_DRY_RUN)."
    if settings.pause_file is not None:
        yield f"{pause} (CUSTOMERIO_PAUSE_FILE)."


def _allow_lists(settings: ControlSettings) -> Iterator[str]:
    for field, text in _LISTS.items():
        if (allowed := getattr(settings, field)) is not None:
            yield f"{text}: {_listed(allowed)} ({settings.variable(field)})."


def _lines_after_lists(settings: ControlSettings, recorded: str) -> Iterator[str]:
    for field, text in _MAXIMA.items():
        if (maximum := getattr(settings, field)) is not None:
            yield f"{text}: {maximum} ({settings.variable(field)})."
    if settings.confirm:
        otherwise = "the call is refused" if settings.confirm_fallback == "refuse" else "the call is made"
        yield f"Tools that ask a person first: {_listed(settings.confirm)} (CUSTOMERIO_CONFIRM)."
        yield f"If the host cannot ask a person, {otherwise} (CUSTOMERIO_CONFIRM_FALLBACK)."
    if settings.write_log is not None:
        people = "as keyed hashes" if settings.write_log_identifiers == "hash" else "in clear"
        yield f"Calls are {recorded} (CUSTOMERIO_WRITE_LOG), people {people} (CUSTOMERIO_WRITE_LOG_IDENTIFIERS)."
    if _is_set(settings, "resend_window"):
        yield _resend_window(settings.resend_window)


def _is_set(settings: ControlSettings, field: str) -> bool:
    return bool(getattr(settings, field) != ControlSettings.model_fields[field].default)


def _pause(path: Path) -> str:
    if _exists(path):
        return f"PAUSED: {path} exists; calls are refused until it is deleted"
    return f"Not paused: {path} does not exist; while it exists, calls are refused"


def _exists(path: Path) -> bool:
    try:
        return pause_reason(path) is not None
    except (OSError, ValueError):
        return True


def _resend_window(seconds: float) -> str:
    if seconds == 0:
        return "Undelivered events are not remembered: an identical call is a new event (CUSTOMERIO_RESEND_WINDOW)."
    return (
        f"Undelivered events are remembered for {seconds:g} seconds: an identical call is the same event "
        "(CUSTOMERIO_RESEND_WINDOW)."
    )


def _listed(items: Iterable[object]) -> str:
    return ", ".join(map(str, items)) or "none"
