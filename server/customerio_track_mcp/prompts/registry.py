"""The three prompts: name, title, description, arguments, and the tool that each is for."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import mcp_types as types

from customerio_track_mcp.prompts.arguments import (
    Argument,
    column_problems,
    data,
    event_name_problems,
    id_type_problems,
    segment_id_problems,
)
from customerio_track_mcp.prompts.texts import Values, fill_segment, record_events, sync_customers
from customerio_track_mcp.upstream import Destination


@dataclass(frozen=True, slots=True)
class RegisteredPrompt:
    """One prompt.

    Attributes:
        name, title, description: what `prompts/list` returns for it.
        arguments: its arguments; hosts that ask for them in one line expect the required ones first.
        tool: the tool that the model calls. A caller who may not use it does not see the prompt.
        render: returns its text for where the calls go.
    """

    name: str
    title: str
    description: str
    arguments: Sequence[Argument]
    tool: str
    render: Callable[[Values, Destination], str]

    @property
    def definition(self) -> types.Prompt:
        """What `prompts/list` returns for it."""
        return types.Prompt(
            name=self.name,
            title=self.title,
            description=self.description,
            arguments=[
                types.PromptArgument(
                    name=argument.name,
                    title=argument.title,
                    description=argument.description,
                    required=argument.required,
                )
                for argument in self.arguments
            ],
        )


PROMPTS: Final[Mapping[str, RegisteredPrompt]] = {
    prompt.name: prompt
    for prompt in (
        RegisteredPrompt(
            "sync_customers",
            "Bring customers into Customer.io",
            "Create or update one profile for each row of a table, after you have confirmed how its columns are read.",
            (
                data("customers", "Customers", "A table of customers"),
                Argument("id_column", "Id column", "The column with each customer's id.", column_problems),
            ),
            "create_or_update_customer",
            sync_customers,
        ),
        RegisteredPrompt(
            "record_events",
            "Record events",
            "Record one event for each row of a table, after you have confirmed how its columns are read.",
            (
                data("events", "Events", "A table of events, each with the id of a customer"),
                Argument("event_name", "Event name", "The name of all events, if it is the same.", event_name_problems),
            ),
            "send_event",
            record_events,
        ),
        RegisteredPrompt(
            "fill_segment",
            "Fill a manual segment",
            "Add a list of people to a manual segment, after you have confirmed it.",
            (
                Argument(
                    "segment_id", "Segment id", "The number on the segment's page.", segment_id_problems, required=True
                ),
                data("people", "People", "A list of ids or addresses"),
                Argument("id_type", "Type of ids", "id, email or cio_id.", id_type_problems),
            ),
            "add_customers_to_segment",
            fill_segment,
        ),
    )
}
"""Every prompt by name, in the order in which `prompts/list` returns them."""
