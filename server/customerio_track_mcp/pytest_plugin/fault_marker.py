"""The marker `customerio_fault`: in which order several apply, and which arguments are valid."""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Iterator
from itertools import groupby
from typing import Final

import pytest

from customerio_track_mcp.sandbox import Sandbox

_DEFAULT: Final = "fail_next"
_FAULTS: Final = (_DEFAULT, "lose_reply", "delay_next", "reset_next", "redirect_next")
"""The methods of a sandbox that the marker may call."""


class InvalidFaultError(Exception):
    """The arguments of a marker are invalid. The text names the argument, and says what is accepted."""


def in_written_order(item: pytest.Item, name: str) -> Iterator[pytest.Mark]:
    """Yield the marks with one name of a test, in the order in which they are written: of module, class and function.

    Python applies decorators from bottom to top, and pytest keeps that order. Marks in a list, which `pytestmark` and
    `pytest.param` accept, are in the order of the list.
    """
    for node in item.listchain():
        decorated = _decorated(node)
        for owner, marks in groupby(node.own_markers, key=lambda mark: decorated.get(id(mark))):
            named = [mark for mark in marks if mark.name == name]
            yield from named if owner is None else reversed(named)


def add_fault(sandbox: Sandbox, mark: pytest.Mark) -> None:
    """Add the fault of a mark to a sandbox.

    Raises:
        InvalidFaultError: an argument is unknown, missing or invalid.
    """
    if len(mark.args) > 1:
        raise InvalidFaultError("pass the fault alone without a name, and its arguments with theirs, as in times=2")
    fault = mark.args[0] if mark.args else _DEFAULT
    if fault not in _FAULTS:
        raise InvalidFaultError(f"{fault!r} is not a fault; expected one of {_listed(_FAULTS)}")
    method = getattr(sandbox, fault)
    parameters = inspect.signature(method).parameters
    for name in mark.kwargs:
        if name not in parameters:
            raise InvalidFaultError(
                f"{name} is not an argument of {fault}, which accepts {_listed(parameters)}; the other faults are "
                f"{_listed(other for other in _FAULTS if other != fault)}"
            )
    for name, parameter in parameters.items():
        if parameter.default is parameter.empty and name not in mark.kwargs:
            raise InvalidFaultError(f"{name} is missing, which {fault} requires")
    try:
        method(**mark.kwargs)
    except ValueError as error:
        raise InvalidFaultError(str(error)) from None


def _decorated(node: object) -> dict[int, int]:
    """Return the marks of a node that decorators have added, by `id`, with the `id` of what they decorate.

    A decorator stores a `Mark`; a list that the user has written contains instances of `MarkDecorator`.
    """
    target = getattr(node, "obj", None)
    owners = inspect.getmro(target) if isinstance(target, type) else (target,)
    stored = {id(owner): _stored(owner) for owner in owners}
    return {id(mark): owner for owner, marks in stored.items() for mark in marks if isinstance(mark, pytest.Mark)}


def _stored(owner: object) -> list[object]:
    marks = vars(owner).get("pytestmark", []) if isinstance(owner, type) else getattr(owner, "pytestmark", [])
    return list(marks) if isinstance(marks, list | tuple) else [marks]


def _listed(names: Iterable[str]) -> str:
    return ", ".join(names)
