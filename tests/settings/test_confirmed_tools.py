"""Which tools ask a person first."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from customerio_track_mcp.settings.errors import SettingsError
from customerio_track_mcp.settings.server import Settings


@pytest.mark.parametrize(
    ("text", "tools"),
    [
        ("send_event", ["send_event"]),
        ("send_event, create_or_update_customer", ["send_event", "create_or_update_customer"]),
        ("add_customers_to_segment>50", ["add_customers_to_segment>50"]),
        (" Add_Customers_To_Segment > 50 ,send_event", ["add_customers_to_segment>50", "send_event"]),
        ("add_customers_to_segment>0 send_event>0", ["add_customers_to_segment", "send_event"]),
        ("add_customers_to_segment>999", ["add_customers_to_segment>999"]),
        (",", []),
    ],
)
def test_valid_setting(read_settings: Callable[..., Settings], text: str, tools: list[str]) -> None:
    assert [str(tool) for tool in read_settings(confirm=text).confirm] == tools


@pytest.mark.parametrize(
    "text",
    [
        "all",
        "*",
        "send_events",
        "send_event>1",
        "create_or_update_customer>50",
        "add_customers_to_segment>1000",
        "add_customers_to_segment>",
        "add_customers_to_segment>-1",
        "add_customers_to_segment>1.5",
        "add_customers_to_segment>=50",
        "add_customers_to_segment<50",
        "add_customers_to_segment>\N{ARABIC-INDIC DIGIT FIVE}",
        ">50",
        "send_event;create_or_update_customer",
        '["send_event"]',
    ],
)
def test_invalid_setting_is_reported_without_repeating_it(read_settings: Callable[..., Settings], text: str) -> None:
    with pytest.raises(SettingsError, match=r"^CUSTOMERIO_CONFIRM: invalid entry: expected create_or_") as caught:
        read_settings(confirm=text)
    assert len(caught.value.problems) == 1
