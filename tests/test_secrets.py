"""The API key, the Site ID and somebody's data show in no output, whatever goes wrong."""

from __future__ import annotations

import base64
import json

import anyio
import pytest

from tests.process import KEY, environment, run
from tests.scripted import Act, ScriptedServer, answer, close, reset

SITE = "site-id-that-must-not-show"
EMAIL = "somebody@private.example"
CUSTOMER = "customer-id-of-somebody"
TOKEN = base64.b64encode(f"{SITE}:{KEY}".encode()).decode()


def stdin() -> str:
    calls = [
        ("create_or_update_customer", {"customer_id": CUSTOMER, "email": EMAIL, "attributes": {"note": "private"}}),
        ("create_or_update_customer", {"customer_id": CUSTOMER, "email": EMAIL, "created_at": 10**12}),
        ("send_event", {"customer_id": EMAIL, "event_name": "bought", "data": {"note": "private"}}),
        ("add_customers_to_segment", {"segment_id": "1", "customer_ids": [EMAIL], "id_type": "email"}),
        ("no_such_tool", {"email": EMAIL}),
    ]
    initialize = {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "t", "version": "1"}}
    messages = [{"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": initialize}]
    messages += [
        {"jsonrpc": "2.0", "id": number, "method": "tools/call", "params": {"name": name, "arguments": arguments}}
        for number, (name, arguments) in enumerate(calls, start=1)
    ]
    return "".join(json.dumps(message) + "\n" for message in messages) + f"{{not JSON {EMAIL}\n"


@pytest.mark.parametrize(
    "act",
    [
        answer(200, "{}"),
        answer(400, json.dumps({"meta": {"error": f"{SITE}:{KEY} {TOKEN}"}})),
        answer(401, "{}"),
        answer(307, "", Location=f"https://user:{KEY}@track-eu.customer.io/{EMAIL}"),
        answer(503, f"<html>{KEY}</html>", "text/html"),
        answer(200, KEY),
        reset,
        close,
    ],
)
async def test_nothing_secret_in_any_output_and_no_personal_data_on_stderr(scripted: ScriptedServer, act: Act) -> None:
    scripted.acts = [act] * 20
    settings = environment(site_id=SITE, api_key=KEY, track_url=scripted.url, log_level="debug", max_attempts="2")
    ended = await anyio.to_thread.run_sync(lambda: run(stdin=stdin(), env=settings))
    assert ended.returncode == 0
    assert len(ended.stdout.splitlines()) == 7
    assert scripted.requests
    for secret in (KEY, TOKEN):
        assert secret not in ended.stdout + ended.stderr
    for private in (EMAIL, CUSTOMER, "private", SITE):
        assert private not in ended.stderr
    assert "tool=send_event" in ended.stderr


def test_nothing_secret_when_the_start_is_refused() -> None:
    ended = run(env=environment(site_id=SITE, api_key=KEY, track_url=f"http://user:{KEY}@track.example.com"))
    assert ended.returncode == 2
    assert KEY not in ended.stdout + ended.stderr
    assert SITE not in ended.stdout + ended.stderr
