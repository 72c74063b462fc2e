"""Add up write logs of any size, in bounded memory."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from datetime import UTC, datetime
from io import BufferedIOBase
from typing import Annotated, Final, NamedTuple

from pydantic import AfterValidator, AwareDatetime, BaseModel, Field, ValidationError

MAX_GROUPS: Final = 10_000
MAX_PEOPLE: Final = 500_000
"""Different people that are remembered, over all groups; beyond that, numbers of people are lower bounds."""
MAX_LINE_BYTES: Final = 65_536

_OTHERS: Final = "(others)"
_MAX_NAME_CHARACTERS: Final = 300
_MAX_NUMBER: Final = 10**9


def _in_utc(time: datetime) -> datetime:
    try:
        return time.astimezone(UTC)
    except OverflowError as error:  # just before the year 1 or after 9999
        raise ValueError(str(error)) from None


_Time = Annotated[AwareDatetime, AfterValidator(_in_utc)]
_Name = Annotated[str, Field(max_length=_MAX_NAME_CHARACTERS)]
_Number = Annotated[int, Field(ge=0, le=_MAX_NUMBER)]


class Line(BaseModel):
    """What the summary needs of a line. `lost` is a number of calls, in a line that is about nothing else."""

    time: _Time
    tool: _Name = ""
    outcome: _Name = ""
    code: _Name = ""
    person: str | None = None
    people: _Number = 0
    event: _Name = ""
    segment: _Name = ""
    sandbox: bool = False
    lost: _Number = 0


class GroupKey(NamedTuple):
    """What the calls of a group have in common."""

    tool: str
    event: str
    segment: str
    outcome: str
    code: str
    sandbox: bool


@dataclass(slots=True)
class Group:
    """Calls of one kind with one outcome.

    Attributes:
        key: what they have in common.
        first: the time of the first one.
        last: the time of the last one.
        calls: how many there are.
        people: digests of the people whom calls name.
        additions: the sum of the people of calls that name none: those that add to a segment.
        has_more_people: whether `people` lacks some, since there were too many to remember.
    """

    key: GroupKey
    first: datetime
    last: datetime
    calls: int = 0
    people: set[bytes] = field(default_factory=set)
    additions: int = 0
    has_more_people: bool = False

    @property
    def number_of_people(self) -> int:
        """How many people the calls are about. A person is counted once, but for each addition to a segment."""
        return len(self.people) + self.additions


class Summary:
    """The sum of write logs.

    Args:
        since: the time from which on calls count; None for all.

    Attributes:
        groups: the calls, by what they have in common.
        people: digests of all people whom calls name.
        additions: how many additions to segments there are.
        lost: calls that are not in the files, since those could not be written.
        unreadable: lines that are not of a write log.
        has_more_people: whether `people` lacks some, since there were too many to remember.
        are_groups_left_out: whether there were too many groups, so that one contains the rest.
    """

    def __init__(self, since: datetime | None = None) -> None:
        self.since = since
        self.groups: dict[GroupKey, Group] = {}
        self.people: set[bytes] = set()
        self.additions = 0
        self.lost = 0
        self.unreadable = 0
        self.has_more_people = False
        self.are_groups_left_out = False
        self._remembered = 0

    def read(self, file: BufferedIOBase) -> None:
        """Add the lines of a file.

        Raises:
            OSError: it cannot be read.
        """
        is_rest = False  # of a line that is too long
        while text := file.readline(MAX_LINE_BYTES):
            is_end = text.endswith(b"\n")
            if not is_end and len(text) == MAX_LINE_BYTES:
                self.unreadable += not is_rest
                is_rest = True
                continue
            if not is_rest and not text.isspace():
                self._add_text(text)
            is_rest = False

    def sorted_groups(self) -> list[Group]:
        """Return the groups by tool, event, segment and number of calls."""
        return sorted(
            self.groups.values(),
            key=lambda group: (group.key.sandbox, group.key.tool, group.key.event, group.key.segment, -group.calls),
        )

    def _add_text(self, text: bytes) -> None:
        try:
            line = Line.model_validate_json(text)
        except ValidationError:
            self.unreadable += 1
            return
        if not (line.lost or (line.tool and line.outcome)):
            self.unreadable += 1
        elif self.since is None or line.time >= self.since:
            self._add(line)

    def _add(self, line: Line) -> None:
        if line.lost:
            self.lost += line.lost
            return
        key = GroupKey(line.tool, line.event, line.segment, line.outcome, line.code, line.sandbox)
        if key not in self.groups and len(self.groups) >= MAX_GROUPS:
            self.are_groups_left_out = True
            key = GroupKey(_OTHERS, "", "", _OTHERS, "", sandbox=False)
        group = self.groups.setdefault(key, Group(key, line.time, line.time))
        group.calls += 1
        group.first, group.last = min(group.first, line.time), max(group.last, line.time)
        if line.person is None:
            group.additions += line.people
            self.additions += line.people
        else:
            self._remember(hashlib.blake2b(line.person.encode(), digest_size=8).digest(), group)

    def _remember(self, person: bytes, group: Group) -> None:
        for owner in (group, self):
            if person in owner.people:
                continue
            if self._remembered < MAX_PEOPLE:
                owner.people.add(person)
                self._remembered += 1
            else:
                owner.has_more_people = True
