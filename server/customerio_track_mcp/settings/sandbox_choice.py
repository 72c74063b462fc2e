"""What `CUSTOMERIO_SANDBOX` and `--sandbox` may be: true, false, or the URL of a sandbox."""

from __future__ import annotations

from typing import Final

from pydantic import TypeAdapter, ValidationError

from customerio_track_mcp.settings.sandbox_port import SANDBOX_PORT
from customerio_track_mcp.track import validated_url, without_api_path

_EXAMPLE: Final = f"http://127.0.0.1:{SANDBOX_PORT}"
_BOOL: Final = TypeAdapter(bool)


def sandbox_choice(value: object) -> object:
    """Return whether to use a sandbox, or the base URL of the one to use.

    Raises:
        ValueError: it is neither true, false nor a URL.
    """
    if not isinstance(value, str):
        return value
    if "://" in value:
        return sandbox_url(value)
    try:
        return _BOOL.validate_python(value.strip())
    except ValidationError:
        raise ValueError(f"expected true, false or the URL of a sandbox, such as {_EXAMPLE}") from None


def sandbox_url(text: str) -> str:
    """Return the base URL of a sandbox: http for every hostname too, since a sandbox has neither secrets nor real data.

    Raises:
        ValueError: it is not a URL, or contains a user, a query or a fragment.
    """
    return without_api_path(validated_url(text, _EXAMPLE, allow_http=True))
