"""Placeholders are not identifiers."""

from __future__ import annotations

import pytest

from customerio_track_mcp.track import IdType, InvalidArgumentsError, operations
from customerio_track_mcp.track.validation.identifiers import (
    email_problems,
    identifier_problems,
    segment_member_problems,
)

PLACEHOLDERS = [
    "undefined", "null", "None", "NaN", "nil", "NULL", "NAN", "none", "Undefined", "UNDEFINED", "n/a",
    "[object Object]", "[object Undefined]", "[customer_id]", "[]", "{}", "<nil>", "(null)",
    "{{customer.id}}", "{{ id }}", "={{ $json.id }}", "user-{{id}}", "${id}", "user_${user.id}", "#{id}", "$(id)",
    "{% id %}", "<%= id %>", "[[id]]", "*|ID|*", "%customer_id%", "%(id)s", "%s", "$CUSTOMER_ID", "{id}", "{0}",
    "{customer-id}", "{ customer.id }", "<customer_id>", "<your customer id>", "<built-in function id>",
    " undefined ", '"null"', "'None'", "`undefined`", "\N{LEFT DOUBLE QUOTATION MARK}null", '""', "''",
    "user:[object Object]", "[object Object],[object Object]", "user-<customer_id>", "id={id}", "{id}-{id}",
    "user {id}", "tel:{phone}", "{first} {last}", "%{id}", "%id%-1", "%%id%%", "<<id>>", "x-{{", "a${",
    "YOUR_CUSTOMER_ID", "__CUSTOMER_ID__", "<?php echo $id ?>", "<User object at 0x7f12>", "$email",
    "<null>", "[undefined]",
    "['None']",
    "user_undefined", "undefined_1", "undefined-7", "undefinedundefined", "null undefined", "CIO_undefined",
    "a.undefined", "undefined:b", "{firstName}", "{YOUR_ID}", "id=undefined",
    "cio_undefined", "cio_{{id}}", "cio_<cio_id>", "cio_",
]  # fmt: skip
REAL = [
    "0", "-1", "1", "test", "guest", "anonymous", "none-123", "nullable", "undefined7", "Nanette", "nona", "trueman",
    "Nan", "Nil", "Null", "None1", "true", "False", "id", "customer_id", "user_id", "_id_", "Youri", "your1",
    "$ann", "[A-42]", "{abc}", "{ab12}", "<sub_9f8a7c>", "<Ann>", "%ann%", "$ann@x.com", "{idris}", "<Maximus>",
    "100%", "50%off", "x%41y", "<3", "a{b}c", "a|b", "user:{42}", "{12345}", "<U12345>", "O'Brien", "日本", "+4912345",
    "{6F9619FF-8B86-D011-B42D-00CF4FC964FF}", "{6f9619ff8b86d011b42d00cf4fc964ff}",
    "(CED78EA9-480E-C4EA-744D-B3B06335F04E)", "auth0|5f7c8ec7", "$device:18f0-ab", "DOMAIN\\user", "cio_03000001",
    '<img src=x onerror="alert(1)">',
]  # fmt: skip


@pytest.mark.parametrize("identifier", PLACEHOLDERS)
def test_placeholder_is_reported_for_every_identifier(identifier: str) -> None:
    for problems in (
        identifier_problems("p", identifier),
        segment_member_problems("p", [identifier], IdType.ID),
        segment_member_problems("p", [identifier], IdType.CIO_ID),
        email_problems("p", identifier),
    ):
        (problem,) = problems
        assert problem.text.startswith("is a placeholder, not an identifier; everybody")
    for name in ("id", "cio_id", "anonymous_id"):
        with pytest.raises(InvalidArgumentsError, match=rf"attributes\.{name}: is a placeholder"):
            operations.identify("1", attributes={name: identifier})


def test_message_explains_what_to_do_if_the_id_is_real() -> None:
    start = (
        "is a placeholder, not an identifier; everybody it is sent for would become one person; pass the person's real "
        "id; if this is the real id, pass 'cio_' followed by the cio_id"
    )
    for identifier in ("null", "{id}@example.com"):
        (in_path,) = identifier_problems("p", identifier)
        (member,) = segment_member_problems("p", [identifier], IdType.ID)
        assert (in_path.text, member.text) == (start, f"{start}, with id_type 'cio_id'")


@pytest.mark.parametrize("identifier", REAL)
def test_real_identifier_is_accepted(identifier: str) -> None:
    assert identifier_problems("p", identifier) == segment_member_problems("p", [identifier], IdType.ID) == []


@pytest.mark.parametrize(
    "email",
    [
        "undefined@example.com", "undefined@undefined", "null@null", "none@none.com", "NaN@NaN.com",
        "{{name}}@example.com", "${user}@example.com", "%email%@example.com", "{email}@example.com", "ann@{{domain}}",
        "*|EMAIL|*@example.com", "user-{id}@example.com", "%{id}@example.com", "$email@example.com",
    ],
)  # fmt: skip
def test_address_made_from_a_placeholder_is_reported(email: str) -> None:
    for problems in (
        email_problems("p", email),
        identifier_problems("p", email),
        segment_member_problems("p", [email], IdType.EMAIL),
        segment_member_problems("p", [email], IdType.ID),
    ):
        (problem,) = problems
        assert problem.text.startswith("is a placeholder")
    with pytest.raises(InvalidArgumentsError, match=r"attributes\.email: is a placeholder"):
        operations.identify("1", attributes={"email": email})


@pytest.mark.parametrize(
    "email",
    ["null@example.com", "nan@example.com", "none@example.com", "undefined.user@example.com", "test@test.com",
     "ann{b}c@example.com", "user%domain@example.com"],
)  # fmt: skip
def test_address_that_only_resembles_a_placeholder_is_accepted(email: str) -> None:
    assert email_problems("p", email) == identifier_problems("p", email) == []
