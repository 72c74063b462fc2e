"""What a request to the Track API asked for, read from its log entry."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from customerio_track_mcp.sandbox import Request

_PATH_PARTS = 5
"""Of `/api/v1/customers/{identifier}`, and more with the operation."""


def subject_of(request: Request) -> str:
    """Return the identifier of the person, or the number of the segment, in a request's path; empty without one."""
    parts = urlsplit(request.path).path.split("/")
    return unquote(parts[_PATH_PARTS - 1], errors="replace") if len(parts) >= _PATH_PARTS else ""


def id_type_of(request: Request) -> str:
    """Return the type of the ids in a request for a segment."""
    return parse_qs(urlsplit(request.path).query).get("id_type", ["id"])[0]


def body_of(request: Request) -> Mapping[str, Any]:
    """Return the body of a request; empty if it was not kept, or is not a JSON object."""
    return object_of(request.body)


def object_of(value: object) -> Mapping[str, Any]:
    """Return an object, which may be written as a JSON string; empty for anything else."""
    parsed = parsed_json(value)
    return parsed if isinstance(parsed, Mapping) else {}


def parsed_json(value: object) -> object:
    """Return a value, or what a string contains as JSON; some hosts encode a value twice."""
    for _ in range(2):
        if not isinstance(value, str):
            break
        try:
            value = json.loads(value)
        except (ValueError, RecursionError):
            return value
    return value
