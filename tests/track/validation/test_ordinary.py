"""What is ordinary is valid: the test of a whole list accepts nothing that the validation of each entry reports."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Final

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from customerio_track_mcp.track.validation.attributes import attributes_problems
from customerio_track_mcp.track.validation.identifiers import IdType, segment_member_problems
from customerio_track_mcp.track.validation.ordinary import (
    are_ordinary_addresses,
    are_ordinary_cio_ids,
    are_ordinary_ids,
    are_ordinary_names,
)

Test = Callable[[Collection[str]], bool]

OF_TYPE: Final[dict[IdType, Test]] = {
    IdType.ID: are_ordinary_ids,
    IdType.EMAIL: are_ordinary_addresses,
    IdType.CIO_ID: are_ordinary_cio_ids,
}
NOT_ORDINARY: Final = {IdType.ID: "ö", IdType.EMAIL: "ö@example.com", IdType.CIO_ID: "9" * 150}
"""A valid id of each type that is not ordinary, so that a list with it is validated one by one."""

LONGEST_ADDRESS: Final = f"{'a' * 64}@{'b' * 63}" + f".{'c' * 30}" * 4

PARTS: Final = st.sampled_from(
    [
        *("undefined", "null", "NULL", "none", "None", "nil", "nan", "NaN", "n/a", "#N/A", "__", "_", "your", "YOUR"),
        *(
            "cio_",
            "id",
            "customer",
            "@",
            ".",
            "..",
            "@.",
            "@null.com",
            "@nan",
            "{{",
            "}}",
            "{",
            "<",
            "%",
            "$",
            "[",
            "(",
        ),
        *(
            "|",
            "*|",
            "|*",
            "#{",
            "-",
            "+",
            "'",
            '"',
            "`",
            "\\",
            " ",
            "\n",
            "\t",
            "\x7f",
            "\x00",
            "\u200b",
            "\ud800",
            "é",
        ),
        *("x" * 64, "x" * 65, "x" * 140, "x" * 149, "x" * 150, "x" * 180, "x" * 189),
    ]
)
TEXTS: Final = st.lists(
    PARTS | st.text(max_size=4) | st.text(st.characters(codec="ascii"), max_size=4), max_size=6
).map("".join)


@given(st.sampled_from(IdType), st.lists(TEXTS, min_size=1, max_size=3))
@example(IdType.ID, ["a\nb"])
@example(IdType.ID, ["cio_"])
@example(IdType.ID, ["cio_null"])
@example(IdType.ID, ["null@nan"])
@example(IdType.EMAIL, ["null@nan.example"])
@example(IdType.EMAIL, [LONGEST_ADDRESS])
def test_ordinary_ids_are_valid(id_type: IdType, ids: list[str]) -> None:
    if OF_TYPE[id_type](ids):
        assert segment_member_problems("ids", [*ids, NOT_ORDINARY[id_type]], id_type) == []


@given(st.lists(TEXTS, min_size=1, max_size=3))
@example(["a\nb"])
@example([" a"])
@example(["a "])
def test_ordinary_names_are_valid(names: list[str]) -> None:
    if are_ordinary_names(names):
        assert attributes_problems("attributes", dict.fromkeys([*names, "ö"]), others=0) == []


@pytest.mark.parametrize(
    ("id_type", "ids"),
    [
        (IdType.ID, ["1042", "customer-00001", "auth0|5f7c8ec7c33c6c004bbafe82", "ann@example.com", "x" * 150]),
        (IdType.ID, ["0b0f3a0c-5c1d-4f0e-9a3e-2f6f4e1f6d1a", "cio_03000001", "a/b:c=d~e"]),
        (IdType.EMAIL, ["ann@example.com", "ann.lee+news@mail.example.co.uk", LONGEST_ADDRESS]),
        (IdType.CIO_ID, ["cio_03000001", "03000001", "x" * 146]),
    ],
)
def test_usual_ids_are_ordinary(id_type: IdType, ids: list[str]) -> None:
    assert OF_TYPE[id_type](ids)
    assert segment_member_problems("ids", ids, id_type) == []


@pytest.mark.parametrize("name", ["plan", "First name", "x" * 150, "a.b[0]", "$set", "!"])
def test_usual_names_are_ordinary(name: str) -> None:
    assert are_ordinary_names([name, "other"])


@pytest.mark.parametrize("id_type", IdType)
@pytest.mark.parametrize("test", [pytest.param(None, id="not ordinary"), pytest.param("undefined", id="invalid")])
def test_one_other_id_does_not_change_what_is_reported(id_type: IdType, test: str | None) -> None:
    usual = {IdType.EMAIL: "ann@example.com"}.get(id_type, "1042")
    ids = [usual] * 3 + [test or NOT_ORDINARY[id_type]] + [usual]
    assert not OF_TYPE[id_type](ids)
    reported = [problem.parameter for problem in segment_member_problems("ids", ids, id_type)]
    assert reported == (["ids[3]"] if test else [])
