"""The API key, the Site ID and personal data are in no output, whatever fails."""

from __future__ import annotations

import base64
import json

import anyio
import pytest

from tests.support.loaded_command import run_loaded
from tests.support.messages import INITIALIZE
from tests.support.process import KEY, environment
from tests.support.scripted_server import Act, ScriptedServer, close, reset, respond

SITE = "site-id-that-must-not-show"
EMAIL = "somebody@private.example"
CUSTOMER = "customer-id-of-somebody"
BASIC = base64.b64encode(f"{SITE}:{KEY}".encode()).decode()


def stdin() -> str:
    """Return calls with personal data, and one line that is not JSON."""
    calls = [
        ("create_or_update_customer", {"customer_id": CUSTOMER, "email": EMAIL, "attributes": {"note": "private"}}),
        ("create_or_update_customer", {"customer_id": CUSTOMER, "email": EMAIL, "created_at": 10**12}),
        ("send_event", {"customer_id": EMAIL, "event_name": "bought", "data": {"note": "private"}}),
        ("add_customers_to_segment", {"segment_id": "1", "customer_ids": [EMAIL], "id_type": "email"}),
        ("no_such_tool", {"email": EMAIL}),
    ]
    messages = [dict(INITIALIZE)]
    messages += [
        {"jsonrpc": "2.0", "id": number, "method": "tools/call", "params": {"name": name, "arguments": arguments}}
        for number, (name, arguments) in enumerate(calls, start=1)
    ]
    return "".join(json.dumps(message) + "\n" for message in messages) + f"{{not JSON {EMAIL}\n"


@pytest.mark.parametrize(
    "act",
    [
        respond(200, "{}"),
        respond(400, json.dumps({"meta": {"error": f"{SITE}:{KEY} {BASIC}"}})),
        respond(401, "{}"),
        respond(307, "", Location=f"https://user:{KEY}@track-eu.customer.io/{EMAIL}"),
        respond(503, f"<html>{KEY}</html>", "text/html"),
        respond(200, KEY),
        reset,
        close,
    ],
)
async def test_secrets_are_in_no_output_and_personal_data_is_not_on_stderr(scripted: ScriptedServer, act: Act) -> None:
    scripted.acts = [act] * 20
    settings = environment(site_id=SITE, api_key=KEY, track_url=scripted.url, log_level="debug", max_attempts="2")
    process = await anyio.to_thread.run_sync(lambda: run_loaded(stdin=stdin(), env=settings))
    assert process.returncode == 0
    assert len(process.stdout.splitlines()) == 7
    assert scripted.requests
    for secret in (KEY, BASIC, SITE):
        assert secret not in process.stdout + process.stderr
    for private in (EMAIL, CUSTOMER, "private", SITE):
        assert private not in process.stderr
    assert "tool=send_event" in process.stderr


def test_secrets_are_in_no_output_if_startup_is_refused() -> None:
    process = run_loaded(env=environment(site_id=SITE, api_key=KEY, track_url=f"http://user:{KEY}@track.example.com"))
    assert process.returncode == 2
    assert KEY not in process.stdout + process.stderr
    assert SITE not in process.stdout + process.stderr
