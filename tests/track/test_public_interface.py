"""`customerio_track_mcp.track` is what other packages import: complete, without duplicates, documented."""

from __future__ import annotations

import ast
import inspect

import pytest

from customerio_track_mcp import track
from customerio_track_mcp.track import RequestFailedError, TrackError
from tests.support.track_errors import concrete_error_classes


def test_every_public_name_exists_once() -> None:
    assert len(set(track.__all__)) == len(track.__all__)
    for name in track.__all__:
        assert hasattr(track, name), name


def test_every_imported_name_is_public() -> None:
    imported = {
        alias.asname or alias.name
        for node in ast.walk(ast.parse(inspect.getsource(track)))
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith(track.__name__)
        for alias in node.names
    }
    assert imported == set(track.__all__)


def test_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'Nonsense'"):
        track.__getattr__("Nonsense")


def test_everything_public_has_a_docstring() -> None:
    for name in track.__all__:
        value = getattr(track, name)
        if inspect.isclass(value) or inspect.isfunction(value) or inspect.ismodule(value):
            assert inspect.getdoc(value), name


def test_every_error_class_is_public() -> None:
    def subclasses(kind: type[TrackError]) -> set[type[TrackError]]:
        return {kind}.union(*map(subclasses, kind.__subclasses__()))

    known = {*concrete_error_classes(), TrackError, RequestFailedError}
    assert {kind for kind in subclasses(TrackError) if kind.__module__.startswith(track.__name__)} == known
