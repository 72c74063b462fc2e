"""What Prometheus is told."""

from __future__ import annotations

import re

import anyio
import pytest
from prometheus_client.parser import text_string_to_metric_families

from customerio_track_mcp.instrumentation.calls import Outcome
from customerio_track_mcp.instrumentation.metrics import Metrics
from tests.http_service.serving import TOKEN, bearer, call, serving
from tests.scripted import ScriptedServer, answer, answer_when, close
from tests.test_documents import DEPLOY, section


async def test_calls_attempts_and_refusals_are_counted(scripted: ScriptedServer) -> None:
    go = anyio.Event()
    scripted.acts = [answer(503, "{}"), close, answer(200, "{}"), answer(400, "{}"), answer_when(go)]
    async with serving(scripted.url, tokens=f"ann {TOKEN}, prometheus {TOKEN[::-1]} metrics:read") as http:

        async def told() -> dict[str, float]:
            text = (await http.get("/metrics", headers=bearer(TOKEN[::-1]))).text
            return {
                f"{sample.name}{sorted(sample.labels.values())}": sample.value
                for family in text_string_to_metric_families(text)
                for sample in family.samples
                if sample.name.startswith("customerio_track_mcp_")
            }

        for arguments in ({}, {}, {"customer_id": ""}):
            await http.post("/mcp", json=call(**arguments), headers=bearer(TOKEN))
        await http.post("/mcp", json=call())
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(lambda: http.post("/mcp", json=call(), headers=bearer(TOKEN)))
            await scripted.received.wait()
            with anyio.fail_after(20):
                while (await told())["customerio_track_mcp_calls_in_flight[]"] != 1:
                    await anyio.lowlevel.checkpoint()
            go.set()
        counted = await told()
    of = "customerio_track_mcp_"
    assert counted[f"{of}tool_calls_total['ok', 'send_event']"] == 2
    assert counted[f"{of}tool_calls_total['rejected', 'send_event']"] == 1
    assert counted[f"{of}tool_calls_total['invalid_arguments', 'send_event']"] == 1
    assert counted[f"{of}tool_call_duration_seconds_count['send_event']"] == 4
    assert counted[f"{of}tool_call_attempts_sum['send_event']"] == 5
    for status, number in (("200", 2), ("400", 1), ("503", 1), ("none", 1)):
        assert counted[f"{of}upstream_attempts_total['{status}']"] == number
    assert counted[f"{of}upstream_attempt_duration_seconds_count[]"] == 5
    assert counted[f"{of}rate_budget_wait_seconds_count[]"] == 5
    assert counted[f"{of}http_refused_requests_total['401']"] == 1
    assert counted[f"{of}calls_in_flight[]"] == 0


async def test_label_values_are_bounded() -> None:
    metrics = Metrics()
    for status in (799, 1000, 404):
        metrics.refused(status)
    async with serving("http://127.0.0.1:1") as http:
        await http.post("/mcp", json=call("no_such_tool"))
        told = (await http.get("/metrics")).text
    assert "no_such_tool" not in told
    told = "".join(str(sample) for family in metrics._registry.collect() for sample in family.samples)
    assert "'other'" in told
    assert "'404'" in told
    assert "799" not in told


@pytest.mark.parametrize("headers", [{"Host": "evil.example"}, {"Origin": "https://evil.example"}])
async def test_a_web_page_elsewhere_does_not_read_them(headers: dict[str, str]) -> None:
    async with serving("http://127.0.0.1:1") as http:
        assert (await http.get("/metrics")).status_code == 200
        assert (await http.get("/metrics", headers=headers)).status_code in (403, 421)
    async with serving("http://127.0.0.1:1", tokens=f"prometheus {TOKEN} metrics:read") as http:
        reply = await http.get("/metrics", headers=bearer(TOKEN) | {"Host": "10.0.0.7:8000"})
        assert reply.status_code == 200


def test_the_documents_name_every_metric_and_outcome() -> None:
    table = section("## Watch it", DEPLOY)
    documented = set(re.findall(r"^\| `(\w+?)(?:_total)?(?:\{[\w,]*\})?` \|", table, re.MULTILINE))
    assert documented == {family.name for family in Metrics()._registry.collect()}
    assert {outcome for outcome in Outcome if f"`{outcome}`" not in table} == set()


async def test_waits_that_come_to_nothing_are_counted_too(scripted: ScriptedServer) -> None:
    async with serving(scripted.url, {"rate_limit": 0.5, "time_budget": 0.2}) as http:
        async with anyio.create_task_group() as tasks:
            for _ in range(3):
                tasks.start_soon(lambda: http.post("/mcp", json=call()))
        told = (await http.get("/metrics")).text
    assert "rate_budget_wait_seconds_count 3.0" in told
    assert 'outcome="out_of_time",tool="send_event"} 2.0' in told
