"""The error classes: one per failure, with its code."""

from __future__ import annotations

import copy
import inspect
import pickle

import pytest

from customerio_track_mcp.track import IdType, InvalidArgumentsError, Problem, RedirectedError, Region, TrackError
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


@pytest.mark.parametrize("kind", concrete_error_classes())
def test_error_can_be_copied_and_raised_by_another_process(kind: type[TrackError]) -> None:
    error: TrackError
    if kind is InvalidArgumentsError:
        error = InvalidArgumentsError([Problem("email", "is blank"), Problem("data", "is blank")])
    elif kind is RedirectedError:
        error = RedirectedError("the Track API redirected", status=301, region=Region.EU)
    else:
        error = kind("no response")
        vars(error).update(status=503, attempts=2, outcome_unknown=True, event_id="01ARZ3NDEKTSV4RRFFQ69G5FAV")
    for copied in (pickle.loads(pickle.dumps(error)), copy.copy(error)):  # noqa: S301 - its own
        assert type(copied) is kind
        assert str(copied) == str(error)
        assert vars(copied) == vars(error)
