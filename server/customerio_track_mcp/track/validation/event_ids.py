"""Event ids: the ULIDs by which the Track API recognizes a repeated event."""

from __future__ import annotations

import re
from typing import Final

from ulid import ULID

from customerio_track_mcp.track.errors import Problem

_CHARACTERS: Final = "[0-9A-HJKMNP-TV-Z]"
# 26 characters of 5 bits are 130 bits. A ULID has 128, so the first character is 7 at most.
_ULID: Final = re.compile(f"[0-7]{_CHARACTERS}{{25}}")
_ACCEPTED: Final = (
    "pass 26 digits and upper-case letters (0 to 9, A to Z without I, L, O and U; the first one 0 to 7), as "
    "new_event_id() returns"
)


def new_event_id() -> str:
    """Return a new ULID, as the id of one event: 26 characters.

    Store it with the event before the first attempt, and pass it with each further one: `TrackClient.track(...,
    event_id=...)`.
    """
    return str(ULID())


def event_id_problems(parameter: str, event_id: object) -> list[Problem]:
    """Validate `event_id` as a ULID in its canonical form, which is in upper case.

    The specification decodes lower case, too. Whether the Track API takes both for the same id is not documented, so
    the same event must always have the same characters.
    """
    if isinstance(event_id, str) and _ULID.fullmatch(event_id):
        return []
    if isinstance(event_id, str) and _ULID.fullmatch(event_id.strip().upper()):
        form = "is not in upper case" if event_id.strip() == event_id else "has white space around it"
        return [Problem(parameter, f"{form}, and the Track API may take it for another id; {_ACCEPTED}")]
    return [
        Problem(parameter, f"is not a ULID, and the Track API recognizes a repeated event by nothing else; {_ACCEPTED}")
    ]
