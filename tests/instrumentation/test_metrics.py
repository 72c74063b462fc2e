"""The Prometheus metrics: samples, label values, access, documentation."""

from __future__ import annotations

import re

import anyio
import pytest
from prometheus_client.parser import text_string_to_metric_families

from customerio_track_mcp.instrumentation.calls import Outcome
from customerio_track_mcp.instrumentation.metrics import Metrics
from customerio_track_mcp.tools.registry import TOOLS
from tests.support.documents import DEPLOY, section
from tests.support.http_service import TOKEN, another_call, bearer, call, running_service
from tests.support.scripted_server import ScriptedServer, close, respond, respond_when
from tests.support.track_errors import concrete_error_classes


async def test_calls_attempts_and_refused_requests_are_counted(scripted: ScriptedServer) -> None:
    go = anyio.Event()
    scripted.acts = [respond(503, "{}"), close, respond(200, "{}"), respond(400, "{}"), respond_when(go)]
    async with running_service(scripted.url, tokens=f"ann {TOKEN}, prometheus {TOKEN[::-1]} metrics:read") as http:

        async def samples() -> dict[str, float]:
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
                while (await samples())["customerio_track_mcp_calls_in_flight[]"] != 1:
                    await anyio.lowlevel.checkpoint()
            go.set()
        values = await samples()
    prefix = "customerio_track_mcp_"
    assert values[f"{prefix}tool_calls_total['ok', 'send_event']"] == 2
    assert values[f"{prefix}tool_calls_total['rejected', 'send_event']"] == 1
    assert values[f"{prefix}tool_calls_total['invalid_arguments', 'send_event']"] == 1
    assert values[f"{prefix}tool_call_duration_seconds_count['send_event']"] == 4
    assert values[f"{prefix}tool_call_attempts_sum['send_event']"] == 5
    for status, count in (("200", 2), ("400", 1), ("503", 1), ("none", 1)):
        assert values[f"{prefix}upstream_attempts_total['{status}']"] == count
    assert values[f"{prefix}upstream_attempt_duration_seconds_count[]"] == 5
    assert values[f"{prefix}rate_budget_wait_seconds_count[]"] == 5
    assert values[f"{prefix}http_refused_requests_total['401']"] == 1
    assert values[f"{prefix}calls_in_flight[]"] == 0


async def test_label_values_are_bounded() -> None:
    metrics = Metrics(TOOLS)
    for status in (799, 1000, 404):
        metrics.refused(status)
    async with running_service("http://127.0.0.1:1") as http:
        await http.post("/mcp", json=call("no_such_tool"))
        exposed = (await http.get("/metrics")).text
    labels = [sample.labels for family in text_string_to_metric_families(exposed) for sample in family.samples]
    assert {label["tool"] for label in labels if "tool" in label} == set(TOOLS)
    samples = [sample for family in metrics._registry.collect() for sample in family.samples]
    statuses = {sample.labels["status"] for sample in samples if "status" in sample.labels}
    assert statuses == {"other", "404"}


@pytest.mark.parametrize("headers", [{"Host": "evil.example"}, {"Origin": "https://evil.example"}])
async def test_other_websites_cannot_read_metrics(headers: dict[str, str]) -> None:
    async with running_service("http://127.0.0.1:1") as http:
        assert (await http.get("/metrics")).status_code == 200
        assert (await http.get("/metrics", headers=headers)).status_code in (403, 421)
    async with running_service("http://127.0.0.1:1", tokens=f"prometheus {TOKEN} metrics:read") as http:
        response = await http.get("/metrics", headers=bearer(TOKEN) | {"Host": "10.0.0.7:8000"})
        assert response.status_code == 200


def test_every_metric_and_outcome_is_documented() -> None:
    table = section("## Watch it", DEPLOY)
    documented = set(re.findall(r"^\| `(\w+?)(?:_total)?(?:\{[\w,]*\})?` \|", table, re.MULTILINE))
    assert documented == {family.name for family in Metrics(TOOLS)._registry.collect()}
    outcomes = {*Outcome, *(error.code for error in concrete_error_classes())}
    assert {outcome for outcome in outcomes if f"`{outcome}`" not in table} == set()


async def test_waits_for_the_rate_limit_are_counted_when_time_runs_out(scripted: ScriptedServer) -> None:
    async with running_service(scripted.url, {"rate_limit": 0.5, "time_budget": 0.2}) as http:
        async with anyio.create_task_group() as tasks:
            for _ in range(3):
                tasks.start_soon(lambda: http.post("/mcp", json=another_call()))
        text = (await http.get("/metrics")).text
    assert "rate_budget_wait_seconds_count 3.0" in text
    assert 'outcome="out_of_time",tool="send_event"} 2.0' in text
