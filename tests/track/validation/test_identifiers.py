"""Identifiers of people and segments: which shapes are accepted, and which cannot be intended."""

from __future__ import annotations

import pytest

from customerio_track_mcp.track.validation.identifiers import (
    IdType,
    email_problems,
    identifier_problems,
    is_email,
    segment_id_problems,
    segment_member_problems,
)


@pytest.mark.parametrize(
    "email",
    [
        "ann@example.com",
        "ann+news@example.co.uk",
        "josé@intranet",
        "o'neill@example.com",
        "почта@пример.рф",
        "a@b",
        "very.long-local_part/with=odd!chars@sub.example.com",
    ],
)
def test_email_addresses_that_customer_io_accepts_are_valid(email: str) -> None:
    assert is_email(email)
    assert email_problems("email", email) == []


@pytest.mark.parametrize(
    "email",
    [
        "ann",
        "ann@",
        "@example.com",
        "ann@@example.com",
        "ann@example.com, bob@example.com",
        "Ann <ann@example.com>",
        "ann@example..com",
        "ann@.example.com",
        "ann@example.com.",
        "ann example@example.com",
        "mailto:ann@example.com",
        "ann@exam\nple.com",
    ],
)
def test_invalid_email_address_is_reported(email: str) -> None:
    (problem,) = email_problems("email", email)
    assert problem.parameter == "email"
    assert "is not a valid email address" in problem.text


@pytest.mark.parametrize(
    ("identifier", "reported_size"),
    [("x" * 150, None), ("x" * 151, "151 bytes"), ("é" * 75, None), ("é" * 75 + "x", "151 bytes")],
)
def test_identifier_is_limited_in_bytes(identifier: str, reported_size: str | None) -> None:
    problems = identifier_problems("customer_id", identifier)
    expected = [True] if reported_size else []
    assert [reported_size in problem.text for problem in problems if reported_size] == expected
    assert bool(problems) == (reported_size is not None)


@pytest.mark.parametrize(
    ("length", "as_identifier", "as_email"),
    [(150, True, True), (151, False, True), (254, False, True), (255, False, False)],
)
def test_email_address_may_be_longer_than_an_identifier(length: int, as_identifier: bool, as_email: bool) -> None:
    email = "x" * (length - len("@example.com")) + "@example.com"
    assert (identifier_problems("customer_id", email) == []) is as_identifier
    assert (email_problems("email", email) == []) is as_email


@pytest.mark.parametrize("identifier", ["", " ", "\t\n", ".", "..", "\ud800"])
def test_identifier_that_a_path_cannot_contain_is_reported(identifier: str) -> None:
    (problem,) = identifier_problems("customer_id", identifier)
    assert problem.parameter == "customer_id"


@pytest.mark.parametrize("segment_id", ["1", "7", "2147483647", "0042"])
def test_positive_int32_is_a_segment_id(segment_id: str) -> None:
    assert segment_id_problems("segment_id", segment_id) == []


@pytest.mark.parametrize("segment_id", ["", "0", "-1", "+1", "1.0", "1e3", "2147483648", "vip", "٣", "9" * 5000])
def test_invalid_segment_id_is_reported(segment_id: str) -> None:
    (problem,) = segment_id_problems("segment_id", segment_id)
    assert "(1 to 2147483647)" in problem.text


@pytest.mark.parametrize(("number", "accepted"), [(0, False), (1, True), (1000, True), (1001, False)])
def test_segment_call_is_limited_to_1000_ids(number: int, accepted: bool) -> None:
    problems = segment_member_problems("customer_ids", [str(n) for n in range(number)], IdType.ID)
    assert (problems == []) is accepted
    if not accepted:
        assert f"contains {number} ids; pass 1 to 1000" in problems[0].text


@pytest.mark.parametrize(
    ("id_type", "valid", "invalid"),
    [
        (IdType.ID, ["42", "ann@example.com", "cio_03000001", "x" * 150], ["", "x" * 151]),
        (IdType.EMAIL, ["ann@example.com"], ["42", "cio_03000001", " "]),
        (IdType.CIO_ID, ["03000001", "cio_03000001"], ["ann@example.com", "cio_", "a b", "é"]),
    ],
)
def test_every_id_must_match_the_id_type(id_type: IdType, valid: list[str], invalid: list[str]) -> None:
    problems = segment_member_problems("customer_ids", valid + invalid, id_type)
    first = len(valid)
    expected = [f"customer_ids[{first + index}]" for index in range(len(invalid))]
    assert [problem.parameter for problem in problems] == expected
