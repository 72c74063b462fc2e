"""The tools' payloads, without what the logs are told beside them."""

from __future__ import annotations

from collections.abc import Mapping

from customerio_track_mcp.contract import AddCustomersToSegmentOutput, CreateOrUpdateCustomerOutput, SendEventOutput
from customerio_track_mcp.tools import Tools


class Outputs:
    """The tools, answering with their payloads alone."""

    def __init__(self, tools: Tools) -> None:
        self._tools = tools

    async def create_or_update_customer(self, arguments: Mapping[str, object]) -> CreateOrUpdateCustomerOutput:
        return (await self._tools.create_or_update_customer(arguments)).output

    async def send_event(self, arguments: Mapping[str, object]) -> SendEventOutput:
        return (await self._tools.send_event(arguments)).output

    async def add_customers_to_segment(self, arguments: Mapping[str, object]) -> AddCustomersToSegmentOutput:
        return (await self._tools.add_customers_to_segment(arguments)).output
