"""Validate numbers that configure a client. They are the program's own, so an invalid one is a `ValueError`."""

from __future__ import annotations

import sys


def require_positive(parameter: str, value: float, *, or_zero: bool = False) -> None:
    """Check that `value` is a finite number above 0.

    Args:
        parameter: the name to report.
        value: the number to check.
        or_zero: whether 0 is accepted, too.

    Raises:
        ValueError: it is not such a number.
    """
    is_number = isinstance(value, int | float) and not isinstance(value, bool) and abs(value) <= sys.float_info.max
    if or_zero and not (is_number and value >= 0):
        raise ValueError(f"{parameter}: must be a finite number, 0 or above")
    if not or_zero and not (is_number and value > 0):
        raise ValueError(f"{parameter}: must be a finite number above 0")


def require_count(parameter: str, value: int) -> None:
    """Check that `value` is a whole number of at least 1.

    Args:
        parameter: the name to report.
        value: the number to check.

    Raises:
        ValueError: it is not such a number.
    """
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        raise ValueError(f"{parameter}: must be a whole number of at least 1")
