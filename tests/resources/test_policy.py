"""The policy says what the settings allow, and nothing secret."""

from __future__ import annotations

from typing import Any

import pytest

from customerio_track_mcp.instrumentation.calls import Caller
from customerio_track_mcp.resources.policy import policy_text
from customerio_track_mcp.settings.allowed_names import AllowedNames
from customerio_track_mcp.settings.restrictions import Restrictions
from customerio_track_mcp.settings.server import Settings
from customerio_track_mcp.track import RESERVED_KEYS
from tests.support.tokens import estimated_tokens

CREDENTIALS = {"site_id": "site-0123456789", "api_key": "key-9876543210"}
MAX_TOKENS = 400


def policy(note: str = "", caller: Caller | None = None, **settings: Any) -> str:
    return policy_text(Settings(**{**CREDENTIALS, **settings}), note, caller or Caller())


@pytest.mark.parametrize(
    ("settings", "line"),
    [
        ({"region": "EU"}, "Calls go to a live Customer.io workspace in region EU."),
        ({"dry_run": True}, "Calls go nowhere: this is a dry run. Without it, they would go to a live Customer.io"),
        ({"track_url": "https://user-only.example"}, "Calls go to the Track API at an address that the operator has"),
        ({}, "operator has allowed: none. The server rejects all others"),
        ({"allow_reserved_keys": "unsubscribed,id"}, "operator has allowed: `id`, `unsubscribed`."),
        ({"rate_limit": 12.5}, "Rate limit: 12.5 requests per second"),
        ({"max_attempts": 7, "time_budget": 9}, "Retries: up to 7 attempts within 9 seconds"),
        ({}, "Credentials: set."),
        ({"api_key": None, "dry_run": True}, "CUSTOMERIO_API_KEY is not set, which a dry run does not need."),
        ({"api_key": None}, "Credentials: CUSTOMERIO_API_KEY is not set; every call fails until that is done."),
    ],
)
def test_each_setting_that_a_caller_meets_is_in_the_policy(settings: dict[str, Any], line: str) -> None:
    assert line in policy(**settings)


def test_a_sandbox_is_named_as_one() -> None:
    note = "This is a sandbox without real data: watch what arrives at http://127.0.0.1:8765"
    text = policy(note)
    assert f"- {note}\n" in text
    assert "live" not in text


def test_a_caller_sees_which_tools_they_may_use() -> None:
    caller = Caller("ann", tools={"send_event"}, remedy="To use more, ask.")
    assert "you may use: `send_event` (scope events:write). To use more, ask.\n" in policy(caller=caller)
    assert "segments:write). To use more" not in policy(caller=Caller("ann", remedy="To use more, ask."))
    assert "scope" not in policy()


def test_scopes_are_not_asked_for_if_they_do_not_help() -> None:
    only_events = Restrictions(tools=AllowedNames(("send_event",), "CUSTOMERIO_TOOLS"))
    for scopes, remedy in (({"send_event"}, ""), (set(), " To use more, ask.")):
        caller = Caller("ann", tools=scopes, remedy="To use more, ask.", restrictions=only_events)
        shown = "`send_event` (scope events:write)" if scopes else "none"
        assert f"you may use: {shown}.{remedy}\n" in policy(caller=caller)


def test_the_policy_contains_no_secret_and_is_of_a_bounded_size() -> None:
    text = policy(
        allow_reserved_keys=",".join(RESERVED_KEYS),
        track_url="https://internal.example",
        log_hash_key="hash-key-5555555555",
        rate_limit_storage="redis://:redis-password@redis.example:6379/0",
    )
    secrets = (*CREDENTIALS.values(), "internal.example", "hash-key", "redis", "site-", "key-98")
    assert [secret for secret in secrets if secret in text] == []
    assert estimated_tokens(text) <= MAX_TOKENS
