"""The command `log`: print a summary of write logs, for people or as JSON."""

from __future__ import annotations

import gzip
import json
import zlib
from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from io import BufferedIOBase, BufferedReader
from typing import Final

from customerio_track_mcp.cli.log_summary import Group, Summary
from customerio_track_mcp.cli.options.log import LogOptions
from customerio_track_mcp.cli.output import print_result, print_status
from customerio_track_mcp.track import shorten

_MAX_NAME_CHARACTERS: Final = 40
_MAX_OUTCOMES: Final = 20  # more than there are words, unless something else has written the file
_HEADINGS: Final = ("TOOL", "EVENT OR SEGMENT", "OUTCOME", "CALLS", "PEOPLE", "FIRST (UTC)", "LAST (UTC)")
_STDIN: Final = 0
_GZIP: Final = b"\x1f\x8b"
_NUMBERS: Final = ("CALLS", "PEOPLE")


def log(options: LogOptions) -> int:
    """Print a summary of write logs; return 1 if one of them cannot be read, else 0."""
    summary = Summary(options.since)
    status = 0
    for name in options.files:
        try:
            with open(name if name != "-" else _STDIN, "rb", closefd=name != "-") as file:
                summary.read(_unpacked(file))
        except (OSError, ValueError, EOFError, zlib.error) as error:
            reason = error.strerror if isinstance(error, OSError) and error.strerror else error
            print_status(f"the write log {name} cannot be read: {reason}")
            status = 1
    print_result(json.dumps(_as_json(summary), indent=2) if options.json else "\n".join(_as_text(summary)))
    return status


def _unpacked(file: BufferedReader) -> BufferedIOBase:
    """Return what a file contains: log rotation compresses the older ones."""
    is_compressed = file.peek(len(_GZIP)).startswith(_GZIP)
    return gzip.open(file) if is_compressed else file


def _as_text(summary: Summary) -> list[str]:
    groups = summary.sorted_groups()
    since = f" since {_time(summary.since)}" if summary.since else ""
    if not groups:
        lines = [f"No calls{since}."]
    else:
        rows = [_HEADINGS, *map(_row, groups)]
        widths = [max(len(row[column]) for row in rows) for column in range(len(_HEADINGS))]
        lines = [*(_aligned(row, widths) for row in rows), "", _total(summary)]
    if summary.lost:
        lines.append(f"{_count(summary.lost, 'more call')} could not be recorded: the file could not be written.")
    if summary.unreadable:
        lines.append(f"{_count(summary.unreadable, 'line')} could not be read.")
    if summary.are_groups_left_out:
        lines.append("There are more kinds of calls than can be listed; the rest is under (others).")
    return lines


def _total(summary: Summary) -> str:
    calls, outcomes = 0, Counter[str]()
    for group in summary.groups.values():
        calls += group.calls
        outcomes[group.key.outcome] += group.calls
    words = ", ".join(
        f"{number} {shorten(word, _MAX_NAME_CHARACTERS)}" for word, number in outcomes.most_common(_MAX_OUTCOMES)
    )
    people = f"{_at_least(summary)}{_count(len(summary.people), 'person', 'different people')}"
    members = f", and {_count(summary.additions, 'addition')} to segments" if summary.additions else ""
    return f"{_count(calls, 'call')} ({words}) about {people}{members}."


def _row(group: Group) -> tuple[str, ...]:
    return (
        shorten(group.key.tool, _MAX_NAME_CHARACTERS) + (" (sandbox)" if group.key.sandbox else ""),
        shorten(group.key.event or group.key.segment or "-", _MAX_NAME_CHARACTERS),
        shorten(
            f"{group.key.outcome} ({group.key.code})" if group.key.code else group.key.outcome, _MAX_NAME_CHARACTERS
        ),
        str(group.calls),
        f"{'>=' if group.has_more_people else ''}{group.number_of_people}",
        _minute(group.first),
        _minute(group.last),
    )


def _aligned(row: Sequence[str], widths: Sequence[int]) -> str:
    cells = [
        cell.rjust(width) if heading in _NUMBERS else cell.ljust(width)
        for heading, cell, width in zip(_HEADINGS, row, widths, strict=True)
    ]
    return "  ".join(cells).rstrip()


def _as_json(summary: Summary) -> dict[str, object]:
    groups = summary.sorted_groups()
    return {
        "since": _time(summary.since) if summary.since else None,
        "calls": sum(group.calls for group in groups),
        "people": len(summary.people),
        "people_is_minimum": summary.has_more_people,
        "segment_additions": summary.additions,
        "lost_calls": summary.lost,
        "unreadable_lines": summary.unreadable,
        "groups": [
            {
                "tool": group.key.tool,
                "event": group.key.event,
                "segment": group.key.segment,
                "outcome": group.key.outcome,
                "code": group.key.code,
                "sandbox": group.key.sandbox,
                "calls": group.calls,
                "people": group.number_of_people,
                "people_is_minimum": group.has_more_people,
                "first": _time(group.first),
                "last": _time(group.last),
            }
            for group in groups
        ],
    }


def _at_least(summary: Summary) -> str:
    return "at least " if summary.has_more_people else ""


def _time(time: datetime) -> str:
    return time.isoformat(timespec="seconds").replace("+00:00", "Z")


def _minute(time: datetime) -> str:
    return f"{time:%Y-%m-%d %H:%M}"


def _count(number: int, noun: str, plural: str = "") -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {plural or f'{noun}s'}"
