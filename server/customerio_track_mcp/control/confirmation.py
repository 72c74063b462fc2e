"""Ask a person before a write is sent."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from customerio_track_mcp.control.asking import CannotAskError
from customerio_track_mcp.control.call import Call
from customerio_track_mcp.control.chain import Send
from customerio_track_mcp.control.question import question_about
from customerio_track_mcp.control.write import Write
from customerio_track_mcp.instrumentation.calls import ConfirmedBy
from customerio_track_mcp.settings.confirmed_tools import ConfirmedTool
from customerio_track_mcp.track import Receipt


class Confirmation:
    """Sends what a person agrees to.

    Args:
        tools: the tools that ask.
        is_required: whether to refuse a write if the host cannot ask, instead of sending it.
        is_dry_run: whether nothing is sent, which each question says.
    """

    def __init__(self, tools: Iterable[ConfirmedTool], *, is_required: bool = True, is_dry_run: bool = False) -> None:
        self._people_without_question: dict[str, int] = {}
        for tool in tools:
            known = self._people_without_question.get(tool.name, tool.people_without_question)
            self._people_without_question[tool.name] = min(known, tool.people_without_question)
        self._is_required = is_required
        self._is_dry_run = is_dry_run

    async def __call__(self, write: Write, call: Call, proceed: Send) -> Receipt | None:
        """Send a write if it needs no confirmation or a person agrees to it.

        Raises:
            ConfirmationRequired: the call ends with a question.
            RefusedError: nobody agreed.
            TrackError: as `proceed` does.
        """
        if not self._asks(write):
            return await proceed(write, call)
        question = question_about(write, is_dry_run=self._is_dry_run)
        request = write.request
        try:
            event_id = await call.asker.ask(question, request.event_id or "")
        except CannotAskError:
            if self._is_required:
                raise
            call.record.confirmed_by = ConfirmedBy.NOBODY
            return await proceed(write, call)
        call.record.confirmed_by = ConfirmedBy.PERSON
        if request.event_id is not None and request.event_id != event_id:
            write = replace(write, request=request.with_event_id(event_id))
            call.record.event_id = event_id
        return await proceed(write, call)

    def _asks(self, write: Write) -> bool:
        without_question = self._people_without_question.get(write.tool)
        return without_question is not None and write.request.people > without_question
