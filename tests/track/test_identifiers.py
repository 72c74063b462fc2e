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
def test_addresses_that_customer_io_would_take_pass(email: str) -> None:
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
def test_what_is_plainly_no_address_is_told(email: str) -> None:
    (problem,) = email_problems("email", email)
    assert problem.parameter == "email"
    assert "is no email address" in problem.text


@pytest.mark.parametrize(
    ("identifier", "size_told"),
    [("x" * 150, None), ("x" * 151, "151 bytes"), ("é" * 75, None), ("é" * 75 + "x", "151 bytes")],
)
def test_an_id_is_limited_in_bytes_not_characters(identifier: str, size_told: str | None) -> None:
    problems = identifier_problems("customer_id", identifier)
    assert [size_told in problem.text for problem in problems if size_told] == ([True] if size_told else [])
    assert bool(problems) == (size_told is not None)


@pytest.mark.parametrize(
    ("length", "as_identifier", "as_email"),
    [(150, True, True), (151, False, True), (254, False, True), (255, False, False)],
)
def test_an_email_address_may_be_longer_than_an_id_but_not_in_its_place(
    length: int, as_identifier: bool, as_email: bool
) -> None:
    email = "x" * (length - len("@example.com")) + "@example.com"
    assert (identifier_problems("customer_id", email) == []) is as_identifier
    assert (email_problems("email", email) == []) is as_email


@pytest.mark.parametrize("identifier", ["", " ", "\t\n", ".", "..", "\ud800"])
def test_identifiers_that_a_path_cannot_carry_are_told(identifier: str) -> None:
    (problem,) = identifier_problems("customer_id", identifier)
    assert problem.parameter == "customer_id"


@pytest.mark.parametrize("segment_id", ["1", "7", "2147483647", "0042"])
def test_positive_int32_numbers_are_segment_ids(segment_id: str) -> None:
    assert segment_id_problems("segment_id", segment_id) == []


@pytest.mark.parametrize("segment_id", ["", "0", "-1", "+1", "1.0", "1e3", "2147483648", "vip", "٣", "9" * 5000])
def test_what_is_no_positive_int32_is_no_segment_id(segment_id: str) -> None:
    (problem,) = segment_id_problems("segment_id", segment_id)
    assert "from 1 to 2147483647" in problem.text


@pytest.mark.parametrize(("number", "accepted"), [(0, False), (1, True), (1000, True), (1001, False)])
def test_a_segment_call_takes_1_to_1000_ids(number: int, accepted: bool) -> None:
    problems = segment_member_problems("customer_ids", [str(n) for n in range(number)], IdType.ID)
    assert (problems == []) is accepted
    if not accepted:
        assert f"holds {number} ids; 1 to 1000" in problems[0].text


@pytest.mark.parametrize(
    ("id_type", "fits", "does_not"),
    [
        (IdType.ID, ["42", "ann@example.com", "cio_03000001", "x" * 150], ["", "x" * 151]),
        (IdType.EMAIL, ["ann@example.com"], ["42", "cio_03000001", " "]),
        (IdType.CIO_ID, ["03000001", "cio_03000001"], ["ann@example.com", "cio_", "a b", "é"]),
    ],
)
def test_each_id_has_to_fit_the_id_type(id_type: IdType, fits: list[str], does_not: list[str]) -> None:
    problems = segment_member_problems("customer_ids", fits + does_not, id_type)
    first = len(fits)
    expected = [f"customer_ids[{first + index}]" for index in range(len(does_not))]
    assert [problem.parameter for problem in problems] == expected
