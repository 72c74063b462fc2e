"""How a call asks a person, and the three ways in which they do not agree."""

from __future__ import annotations

from typing import Final, Protocol

from customerio_track_mcp.control.errors import RefusedError

ANSWER_TIMEOUT: Final = 600.0
"""Seconds for which an answer is accepted: a person may be at lunch, and must not start a campaign by an answer to a
question of last week. The SDK has the same default."""


class DeclinedError(RefusedError):
    """The person declined."""

    code = "declined"
    advice = "Do not call again with these arguments unless the user asks for it."

    def __init__(self) -> None:
        super().__init__("The user was asked to confirm this call and declined")


class ConfirmationCanceledError(RefusedError):
    """The question ended without a decision."""

    code = "confirmation_canceled"
    advice = "Ask the user what they want before you call again."


class CannotAskError(RefusedError):
    """The host cannot ask a person."""

    code = "cannot_ask"
    advice = (
        "Retrying will not help until this is fixed; ask the user. They can use a host that supports elicitation, or "
        "the operator can remove the tool from CUSTOMERIO_CONFIRM or set CUSTOMERIO_CONFIRM_FALLBACK=allow."
    )

    def __init__(self, reason: str) -> None:
        super().__init__(f"The operator requires a person to confirm this call, and {reason}")


class ConfirmationRequired(Exception):  # noqa: N818 - not an error: the call ends with a question, and comes again
    """The call ends with a question to a person, and the host makes it again with their answer.

    Attributes:
        question: what to ask.
        event_id: the id that the event will have; empty if the call is not about an event.
    """

    def __init__(self, question: str, event_id: str) -> None:
        super().__init__(question)
        self.question = question
        self.event_id = event_id


class Asker(Protocol):
    """Asks the person at the host that makes one call.

    Attributes:
        is_answer: whether this call carries the answer to a question that was asked before.
        event_id: the id that the event had when the person was asked, if this call carries their answer; else empty.
            An answer that is received twice is one event if both calls begin with it.
    """

    is_answer: bool
    event_id: str

    async def ask(self, question: str, event_id: str) -> None:
        """Return if the person agrees.

        Args:
            question: what to ask.
            event_id: the id that the event will have; empty if the call is not about an event.

        Raises:
            ConfirmationRequired: the call ends with the question.
            DeclinedError: the person declined.
            ConfirmationCanceledError: the question ended without a decision.
            CannotAskError: the host cannot ask.
        """


class NoAsker:
    """Asks nobody: for a call from within this process."""

    is_answer = False
    event_id = ""

    async def ask(self, question: str, event_id: str) -> None:
        """Raise `CannotAskError`."""
        del question, event_id
        raise CannotAskError("nobody can be asked")


NO_ASKER: Final = NoAsker()
