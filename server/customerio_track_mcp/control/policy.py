"""Refuse events, segments and attributes that the operator does not allow."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from customerio_track_mcp.control.call import Call
from customerio_track_mcp.control.chain import Send
from customerio_track_mcp.control.errors import RefusedError
from customerio_track_mcp.control.write import Write
from customerio_track_mcp.instrumentation.calls import Caller
from customerio_track_mcp.settings.allowed_names import TOOL_NAMES, AllowedNames, quoted
from customerio_track_mcp.settings.suggestions import closest
from customerio_track_mcp.track import Receipt, shorten

ALWAYS_ALLOWED: Final = frozenset({"email"})
"""Attributes without which the tool cannot be called."""
MAX_NAMED: Final = 20
"""Rejected names, and allowed ones, that a refusal names."""
MAX_SUGGESTIONS: Final = 5
"""Rejected attributes for which a refusal looks for the closest allowed one."""

_NOT_ALLOWED: Final = "not allowed by the operator of this server"
_MAX_NAME_CHARACTERS: Final = 100


class NotAllowedError(RefusedError):
    """The operator does not allow a tool, an event, a segment or an attribute.

    Args:
        text: what is not allowed, and what is.
        advice: what to do next, as sentences.
    """

    code = "not_allowed"

    def __init__(self, text: str, advice: str) -> None:
        super().__init__(text)
        self.advice = advice


class Policy:
    """Sends what the operator allows the caller; a control. Calls of tools that are not allowed do not reach it."""

    async def __call__(self, write: Write, call: Call, proceed: Send) -> Receipt | None:
        """Send a write if its event, segment and attributes are allowed.

        Raises:
            NotAllowedError: they are not.
            TrackError: as `proceed` does.
        """
        allowed = call.caller.restrictions
        if allowed.events is not None and write.event_name and write.event_name not in allowed.events:
            raise _event_not_allowed(write.event_name, allowed.events)
        if allowed.segments is not None and write.segment_id and write.segment_id not in allowed.segments:
            raise _segment_not_allowed(write.segment_id, allowed.segments)
        if allowed.attributes is not None and write.attributes:
            given = set(write.attributes) - ALWAYS_ALLOWED
            if rejected := sorted(name for name in given if name not in allowed.attributes):
                raise _attributes_not_allowed(rejected, allowed.attributes, given)
        return await proceed(write, call)


def tool_not_allowed(tool: str, caller: Caller) -> NotAllowedError:
    """Return why the operator does not allow a caller to use a tool."""
    names = ", ".join(filter(caller.may_use, TOOL_NAMES)) or "none"
    return NotAllowedError(
        f"The tool {tool} is {_NOT_ALLOWED}; this caller may use: {names}",
        f"{_remedy(caller.restrictions.tools, [tool])} Retrying will not help until this is fixed; ask the user.",
    )


def _event_not_allowed(name: str, allowed: AllowedNames) -> NotAllowedError:
    shown = quoted(shorten(name, _MAX_NAME_CHARACTERS))
    return NotAllowedError(
        f"event_name: {shown} is {_NOT_ALLOWED}{_suggestion(name, allowed.names)}; {_accepted(allowed)}",
        "Call again with an allowed name only if it means the same; otherwise ask the user. "
        f"{_remedy(allowed, [name])}",
    )


def _segment_not_allowed(segment_id: str, allowed: AllowedNames) -> NotAllowedError:
    # The closest number would be any segment.
    return NotAllowedError(
        f"segment_id: {quoted(segment_id)} is {_NOT_ALLOWED}; {_accepted(allowed)}",
        f"Call again only if you meant one of these; otherwise ask the user. {_remedy(allowed, [segment_id])}",
    )


def _attributes_not_allowed(names: list[str], allowed: AllowedNames, given: set[str]) -> NotAllowedError:
    others = [name for name in allowed.names if name not in given]
    shown = [
        f"{_parameter(name)}{_suggestion(name, others) if position < MAX_SUGGESTIONS else ''}"
        for position, name in enumerate(names[:MAX_NAMED])
    ]
    more = f", and {len(names) - MAX_NAMED} more" if len(names) > MAX_NAMED else ""
    verb = "is" if len(names) == 1 else "are"
    return NotAllowedError(
        f"{', '.join(shown)}{more}: {verb} {_NOT_ALLOWED}; besides email, {_accepted(allowed)}",
        f"Call again with allowed names that mean the same, or without these attributes. {_remedy(allowed, names)}",
    )


def _parameter(attribute: str) -> str:
    return attribute if attribute == "created_at" else f"attributes.{shorten(attribute)}"


def _suggestion(name: str, candidates: Iterable[str]) -> str:
    meant = closest(name, candidates)
    return f" (did you mean {quoted(meant)}?)" if meant else ""


def _accepted(allowed: AllowedNames) -> str:
    return f"allowed are {allowed.listed(MAX_NAMED)}"


def _remedy(allowed: AllowedNames | None, names: Iterable[str]) -> str:
    sources = dict.fromkeys(source for name in names for source in allowed.sources_without(name)) if allowed else ()
    return f"Only the operator can allow more, with {' and '.join(sources)}."
