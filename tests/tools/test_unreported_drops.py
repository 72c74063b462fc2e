"""Customer.io drops some updates with a 200. The tool says so, and the sandbox shows it."""

from __future__ import annotations

from typing import Any

import pytest

from customerio_track_mcp.sandbox import RunningSandbox
from customerio_track_mcp.tools.handlers import ToolHandlers
from customerio_track_mcp.tools.registry import TOOLS
from customerio_track_mcp.track import TrackClient

SAID = ["an email that differs from the one set, or that another person has, drops the whole update", "unknown cio_id"]


async def people(client: TrackClient) -> ToolHandlers:
    """Return the tools of a workspace with two people."""
    tools = ToolHandlers(client)
    await tools.create_or_update_customer({"customer_id": "1", "email": "ann@example.com"})
    await tools.create_or_update_customer({"customer_id": "2", "email": "bob@example.com"})
    return tools


def test_description_says_what_is_not_reported_and_how_to_change_an_email() -> None:
    description = str(TOOLS["create_or_update_customer"].definition.description)
    for words in (*SAID, "a suppressed person is ignored", "To change an email, pass 'cio_' and the cio_id"):
        assert words in description
    assert "A new customer_id with a known email renames that person." in description
    assert len(description) < 1050


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        ({"customer_id": "1", "email": "ann@new.example"}, "changed only through cio_<cio_id>, or through the id"),
        ({"customer_id": "1", "email": "bob@example.com"}, "belong to different people"),
        ({"customer_id": "ann@example.com", "email": "ann@example.com", "attributes": {"id": "9"}}, "existing id can"),
        ({"customer_id": "cio_0badbad0", "email": "ann@example.com"}, "no person has the cio_id in the path"),
    ],
)  # fmt: skip
async def test_dropped_update_succeeds_with_a_message_that_says_so(
    client: TrackClient, sandbox: RunningSandbox, arguments: dict[str, Any], reason: str
) -> None:
    await people(client)
    output = await ToolHandlers(client, {"id"}).create_or_update_customer(arguments)
    assert output.success
    for words in (*SAID, "a suppressed person is ignored"):
        assert words in str(output.message)
    (dropped,) = sandbox.workspace.dropped
    assert (dropped.what, reason in dropped.reason) == ("the whole update", True)
    assert [(person.id, person.email) for person in sandbox.workspace.people] == [
        ("1", "ann@example.com"),
        ("2", "bob@example.com"),
    ]


async def test_new_id_with_a_known_email_renames_the_person_and_the_message_says_so(
    client: TrackClient, sandbox: RunningSandbox
) -> None:
    output = await (await people(client)).create_or_update_customer({"customer_id": "3", "email": "bob@example.com"})
    assert "A new customer_id with a known email renames that person." in str(output.message)
    assert [person.id for person in sandbox.workspace.people] == ["1", "3"]


async def test_advice_for_a_changed_address_works(client: TrackClient, sandbox: RunningSandbox) -> None:
    tools = await people(client)
    refused = await tools.create_or_update_customer({"customer_id": "ann@example.com", "email": "ann@new.example"})
    assert "pass 'cio_' followed by the person's cio_id as customer_id" in str(refused.error)
    ann = next(iter(sandbox.workspace.people))
    output = await tools.create_or_update_customer({"customer_id": f"cio_{ann.cio_id}", "email": "ann@new.example"})
    assert output.success
    assert ann.email == "ann@new.example"
    assert list(sandbox.workspace.dropped) == []
