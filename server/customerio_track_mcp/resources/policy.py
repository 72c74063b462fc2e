"""The resource `customerio-track://policy`: what this server allows a caller, without secrets or the Site ID."""

from __future__ import annotations

from collections.abc import Iterable

from customerio_track_mcp.control.summary import control_lines
from customerio_track_mcp.instrumentation.calls import Caller
from customerio_track_mcp.settings.allowed_names import MAX_ENTRIES
from customerio_track_mcp.settings.restrictions import Restrictions
from customerio_track_mcp.settings.server import Settings
from customerio_track_mcp.tools.registry import TOOLS


def policy_text(settings: Settings, note: str, caller: Caller) -> str:
    """Return the policy, in Markdown.

    Args:
        settings: the server's settings.
        note: what the model must know about the Track API that calls go to; empty for the one in the settings.
        caller: who asks.
    """
    return f"""\
# What this server allows

- {note or _upstream(settings)}
- Tools that you may use: {_tools(caller)}{_allow_lists(caller.restrictions)}{_items(control_lines(settings))}
- Reserved keys that the operator has allowed: {_names(sorted(settings.allow_reserved_keys))}. \
The server rejects all others; customerio-track://guide lists them.
- Rate limit: {settings.rate_limit:g} requests per second. Calls wait for it; you need not slow down.
- Retries: up to {settings.max_attempts} attempts within {settings.time_budget:g} seconds per call, made by the server.
- Credentials: {_credentials(settings)}.

Only the operator can change this, in the server's settings.
"""


def _upstream(settings: Settings) -> str:
    if settings.track_url is not None:
        destination = "the Track API at an address that the operator has set"
    else:
        destination = f"a live Customer.io workspace in region {settings.region}"
    if settings.dry_run:
        return f"Calls go nowhere: this is a dry run. Without it, they would go to {destination}."
    return f"Calls go to {destination}."


def _credentials(settings: Settings) -> str:
    missing = settings.missing_credentials
    if missing and settings.dry_run:
        return f"{missing}, which a dry run does not need"
    return f"{missing}; every call fails until that is done" if missing else "set"


def _tools(caller: Caller) -> str:
    allowed = {name: tool.scope for name, tool in TOOLS.items() if caller.may_use(name)}
    if not caller.name:
        return f"{_names(allowed)}."
    shown = ", ".join(f"`{name}` (scope {scope})" for name, scope in allowed.items())
    lacks_scope = any(caller.is_allowed(name) and not caller.has_scope_for(name) for name in TOOLS)
    return f"{shown or 'none'}. {caller.remedy if lacks_scope else ''}".strip()


def _allow_lists(restrictions: Restrictions) -> str:
    """Return a line for each kind of name that is restricted, the tools aside."""
    lists = {
        "Events that you may send": restrictions.events,
        "Segments that you may add people to": restrictions.segments,
        "Attributes that you may set, besides `email`": restrictions.attributes,
    }
    return _items(f"{what}: {allowed.listed(2 * MAX_ENTRIES)}." for what, allowed in lists.items() if allowed)


def _items(lines: Iterable[str]) -> str:
    return "".join(f"\n- {line}" for line in lines)


def _names(names: Iterable[str]) -> str:
    return ", ".join(f"`{name}`" for name in names) or "none"
