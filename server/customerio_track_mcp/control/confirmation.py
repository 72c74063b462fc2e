"""Ask a person before a write is sent."""

from __future__ import annotations

from collections.abc import Iterable

from customerio_track_mcp.control.asking import ANSWER_TIMEOUT, CannotAskError, ConfirmationRequired
from customerio_track_mcp.control.call import Call
from customerio_track_mcp.control.chain import Send
from customerio_track_mcp.control.once.event_id import use_event_id
from customerio_track_mcp.control.once.memory import ProcessMemory
from customerio_track_mcp.control.question import question_about
from customerio_track_mcp.control.write import Write
from customerio_track_mcp.instrumentation.calls import ConfirmedBy
from customerio_track_mcp.settings.confirmed_tools import ConfirmedTool
from customerio_track_mcp.track import Receipt


class Confirmation:
    """Sends what a person agrees to.

    A call that ends with a question is in flight until it is answered: identical ones of the same process ask about the
    same event, so that a host that dispatches each call twice, and gets two answers, sends one event.

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
        self._asked = ProcessMemory(ANSWER_TIMEOUT, 0)  # by fingerprint
        self._sent = ProcessMemory(ANSWER_TIMEOUT, 0)  # by event id

    async def __call__(self, write: Write, call: Call, proceed: Send) -> Receipt | None:
        """Send a write if it needs no confirmation or a person agrees to it. A person who declined is never overruled.

        Raises:
            ConfirmationRequired: the call ends with a question.
            RefusedError: nobody agreed.
            TrackError: as `proceed` does.
        """
        # An answer counts even if these settings do not ask for it, as those of another replica did.
        if not (self._asks(write) or call.asker.is_answer):
            return await proceed(write, call)
        try:
            write = await self._ask(write, call)
        except CannotAskError:
            if self._is_required:
                raise
            call.record.confirmed_by = ConfirmedBy.NOBODY
            return await proceed(write, call)
        call.record.confirmed_by = ConfirmedBy.PERSON
        if write.request.event_id is None:
            return await proceed(write, call)
        event_id = write.request.event_id
        key = event_id.encode()
        call.record.is_reused = call.record.is_reused or self._sent.get(key) is not None
        receipt = await proceed(write, call)
        if receipt is not None:
            self._sent.put(key, event_id)
        return receipt

    async def _ask(self, write: Write, call: Call) -> Write:
        """Return what a person agrees to: if they are asked now, about the event that they are asked about already.

        Raises:
            ConfirmationRequired: the call ends with a question.
            RefusedError: nobody agreed.
        """
        question = question_about(write, is_dry_run=self._is_dry_run)
        event_id = write.request.event_id
        if event_id is None:
            await call.asker.ask(question, "")
            return write
        if not (call.asker.is_answer or call.record.is_reused):
            event_id = (await self._asked.claim(call.fingerprint, event_id)).event_id
            if event_id != write.request.event_id:
                write = use_event_id(write, call, event_id)
        try:
            await call.asker.ask(question, event_id)
        except ConfirmationRequired:
            raise
        except BaseException:
            self._asked.forget(call.fingerprint, call.asker.event_id or event_id)
            raise
        self._asked.forget(call.fingerprint, call.asker.event_id or event_id)
        return write

    def _asks(self, write: Write) -> bool:
        without_question = self._people_without_question.get(write.tool)
        return without_question is not None and write.request.people > without_question
