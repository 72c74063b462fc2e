"""The three tools as MCP publishes them: name, title, description, hints, schemas, and the OAuth scope each needs."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Final

import mcp_types as types

from customerio_track_mcp.control.call import Call
from customerio_track_mcp.tools.handlers import ToolHandlers
from customerio_track_mcp.tools.schemas import (
    AddCustomersToSegmentInput,
    AddCustomersToSegmentOutput,
    CreateOrUpdateCustomerInput,
    CreateOrUpdateCustomerOutput,
    SendEventInput,
    SendEventOutput,
    ToolInput,
    ToolOutput,
    published_schema,
)

Handler = Callable[[ToolHandlers, Mapping[str, object], Call], Awaitable[ToolOutput]]


@dataclass(frozen=True, slots=True)
class RegisteredTool:
    """One tool.

    Attributes:
        definition: what `tools/list` returns for it.
        output: its output model.
        handler: the method that runs it.
        scope: the OAuth scope that a caller needs for it.
    """

    definition: types.Tool
    output: type[ToolOutput]
    handler: Handler
    scope: str


def _tool(
    handler: Handler,
    input_model: type[ToolInput],
    output_model: type[ToolOutput],
    *,
    name: str,
    title: str,
    description: str,
    idempotent: bool,
    scope: str,
) -> RegisteredTool:
    definition = types.Tool(
        name=name,
        title=title,
        description=description,
        input_schema=published_schema(input_model),
        output_schema=published_schema(output_model),
        annotations=types.ToolAnnotations(
            title=title,
            read_only_hint=False,
            # Every tool can mail real people, which cannot be undone. Hosts ask the user before a destructive call.
            destructive_hint=True,
            # Hosts repeat an idempotent call by themselves, for example after a lost connection.
            idempotent_hint=idempotent,
            open_world_hint=True,
        ),
    )
    return RegisteredTool(definition, output_model, handler, scope)


TOOLS: Final[Mapping[str, RegisteredTool]] = {
    tool.definition.name: tool
    for tool in (
        _tool(
            ToolHandlers.create_or_update_customer,
            CreateOrUpdateCustomerInput,
            CreateOrUpdateCustomerOutput,
            name="create_or_update_customer",
            title="Create or update a customer",
            description=(
                "Create a customer's profile in Customer.io, or set attributes of the existing customer identified by "
                "customer_id. Use it when somebody signs up or their data changes, and before sending their first "
                "event. Attributes that are not passed keep their values; a passed one replaces the old value, and "
                "null clears it. A wrong customer_id overwrites another person's profile, and changed attributes can "
                "move people into and out of segments and campaigns. Repeating a call with the same arguments has no "
                "further effect. Customer.io does not report drops: an email that differs from the one set, or that "
                "another person has, drops the whole update, an unknown cio_id too; a suppressed person is ignored. A "
                "new customer_id with a known email renames that person. To change an email, pass 'cio_' and the "
                "cio_id as customer_id, or the id if the workspace allows it."
            ),
            idempotent=True,
            scope="customers:write",
        ),
        _tool(
            ToolHandlers.send_event,
            SendEventInput,
            SendEventOutput,
            name="send_event",
            title="Send an event",
            description=(
                "Record that a customer did something, for example a purchase, a sign-in or a page view. Call it once "
                "for each thing that really happened. An event can start a campaign that emails a real person at once "
                "and cannot be undone, and every call records another event: do not repeat a call unless its error "
                "says so. Campaigns match event names exactly, so use the names that the workspace already uses."
            ),
            idempotent=False,
            scope="events:write",
        ),
        _tool(
            ToolHandlers.add_customers_to_segment,
            AddCustomersToSegmentInput,
            AddCustomersToSegmentOutput,
            name="add_customers_to_segment",
            title="Add customers to a manual segment",
            description=(
                "Add up to 1000 existing customers to an existing manual segment. Use it for lists that are maintained "
                "by hand; data-driven segments update themselves and reject additions. Joining a segment can start a "
                "campaign that emails all of these people, and this server cannot remove anybody from a segment. "
                "Customer.io does not report which ids it found: unknown ids, and ids that are not of the type in "
                "id_type, are ignored. Adding somebody twice has no further effect. Split longer lists into several "
                "calls."
            ),
            idempotent=True,
            scope="segments:write",
        ),
    )
}
"""Every tool by name, in the order in which `tools/list` returns them."""
