"""Which maxima the settings ask for, and the share that each process has of them."""

from __future__ import annotations

from collections.abc import Mapping

from customerio_track_mcp.control.quotas.base import Unit
from customerio_track_mcp.settings.errors import SettingsError
from customerio_track_mcp.settings.server import IN_PROCESS_STORAGE, Settings


def maxima_per_hour(settings: Settings) -> dict[Unit, int]:
    """Return the units per hour that are allowed, without those that are not limited."""
    maxima = {Unit.EVENTS: settings.max_events_per_hour, Unit.PEOPLE: settings.max_people_per_hour}
    return {unit: maximum for unit, maximum in maxima.items() if maximum is not None}


def shares_per_hour(settings: Settings, processes: int) -> dict[Unit, int]:
    """Return the units per hour for one process, if all of them together must not exceed the maxima.

    Args:
        settings: the maxima, the number of replicas, and whether Redis counts for all of them.
        processes: the number of processes of this replica.

    Raises:
        SettingsError: a process would have no share, and Redis does not count.
    """
    maxima, number = maxima_per_hour(settings), settings.replicas * processes
    problems = [
        f"{unit.variable}: {maximum} cannot be divided among {number} processes; set at least {number}, or set "
        "CUSTOMERIO_RATE_LIMIT_STORAGE to a Redis that counts for all of them"
        for unit, maximum in maxima.items()
        if maximum < number and not is_shared(settings)
    ]
    if problems:
        raise SettingsError(problems)
    return {unit: maximum // number for unit, maximum in maxima.items()}


def share_warnings(settings: Settings, processes: int) -> list[str]:
    """Return what an operator must know about the shares, as lines; empty if Redis counts or there is one process.

    Args:
        settings: as for `shares_per_hour`.
        processes: likewise.

    Raises:
        SettingsError: likewise.
    """
    shares, maxima = shares_per_hour(settings, processes), maxima_per_hour(settings)
    if is_shared(settings) or settings.replicas * processes == 1:
        return []
    return [_warning(unit, share, maxima) for unit, share in shares.items()]


def is_shared(settings: Settings) -> bool:
    """Return whether Redis counts for all processes."""
    return settings.rate_limit_storage.get_secret_value() != IN_PROCESS_STORAGE


def _warning(unit: Unit, share: int, maxima: Mapping[Unit, int]) -> str:
    return (
        f"WARNING: each process sends at most {share} of the {maxima[unit]} {unit} per hour ({unit.variable}), since "
        "they do not share a Redis (CUSTOMERIO_RATE_LIMIT_STORAGE)"
    )
