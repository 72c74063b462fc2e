"""What a maximum per hour counts, and how its counters answer."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final, Protocol

SECONDS_PER_MINUTE: Final = 60
MINUTES_COUNTED: Final = 61
"""The minutes whose units count: the running one and the 60 before it, which contain every last hour completely."""


class Unit(StrEnum):
    """What is counted. The value is the word for several, in messages and in the names of keys in Redis."""

    EVENTS = "events"
    PEOPLE = "people"

    @property
    def variable(self) -> str:
        """The setting that contains the maximum."""
        return f"CUSTOMERIO_MAX_{self.upper()}_PER_HOUR"

    def quantity(self, number: int) -> str:
        """Return `number` with the word for it."""
        one = {Unit.EVENTS: "event", Unit.PEOPLE: "person"}
        return f"1 {one[self]}" if number == 1 else f"{number} {self}"


@dataclass(frozen=True, slots=True)
class Permit:
    """Units that have been counted for a call.

    Attributes:
        unit: what was counted.
        amount: how many.
        minute: the minute of this process in which they are counted.
        shared_minute: the minute of Redis in which they are counted; None if they are not counted there.
    """

    unit: Unit
    amount: int
    minute: int
    shared_minute: int | None = None


@dataclass(frozen=True, slots=True)
class Shortage:
    """Why units were not counted for a call.

    Attributes:
        maximum: the maximum that applies, in units per hour.
        used: how many of them are used.
        seconds: after this time there is room for the call, unless others use it first; 0 if the call needs more than
            the maximum.
        is_share: whether the maximum is only this process's share.
        is_redis_lost: whether that is because Redis does not respond.
    """

    maximum: int
    used: int
    seconds: int
    is_share: bool = False
    is_redis_lost: bool = False


class Counters(Protocol):
    """Counts units, and refuses what would exceed a maximum within an hour."""

    async def take(self, unit: Unit, amount: int) -> Permit | Shortage:
        """Count `amount` units, all or none of them. Never raises."""

    async def give_back(self, permit: Permit) -> None:
        """Count the units of `permit` no longer: the call was certainly not carried out. Never raises."""
