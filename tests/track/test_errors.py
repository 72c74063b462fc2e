"""The error classes: one per failure, with its code."""

from __future__ import annotations

import inspect

import pytest

from customerio_track_mcp.track import IdType, InvalidArgumentsError
from customerio_track_mcp.track.operations import add_to_segment
from tests.support.track_errors import concrete_error_classes


def test_long_list_of_problems_is_shortened_in_the_text_only() -> None:
    with pytest.raises(InvalidArgumentsError) as caught:
        add_to_segment("1", ["no address"] * 30, id_type=IdType.EMAIL)
    assert len(caught.value.problems) == 30
    assert str(caught.value).endswith("and 10 more")
    assert "customer_ids[19]" in str(caught.value)
    assert "customer_ids[20]" not in str(caught.value)


def test_every_error_has_its_own_code_and_is_in_the_hierarchy() -> None:
    errors = concrete_error_classes()
    codes = {error.__dict__.get("code") for error in errors}
    assert None not in codes
    assert len(codes) == len(errors)
    for error in errors:
        assert error.code in str(inspect.getdoc(inspect.getmodule(error))), error
