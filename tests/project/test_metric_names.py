"""Metric names, types and labels are what dashboards and alerts query: a change must show in review."""

from __future__ import annotations

import json
import os
from pathlib import Path

from prometheus_client import generate_latest
from prometheus_client.parser import text_string_to_metric_families

from customerio_track_mcp.instrumentation.calls import CallContext, CallRecord
from customerio_track_mcp.instrumentation.metrics import Metrics
from customerio_track_mcp.tools.registry import TOOLS
from customerio_track_mcp.track import TrackRequest

SNAPSHOT = Path(__file__).parents[1] / "data" / "snapshots" / "metrics.json"


async def test_metric_names_and_labels_are_the_snapshot() -> None:
    """`UPDATE_SNAPSHOTS=1 make test` writes the new one."""
    metrics = Metrics(TOOLS)
    metrics.call(CallRecord("send_event", 0.1, CallContext()))
    metrics.in_flight(1)
    metrics.shared(shared=True)
    metrics.upstream_reachable(reachable=False)
    metrics.refused(401)
    metrics.waited(0.0)
    with metrics.attempting(TrackRequest("GET", "/", "/"), 1):
        pass
    families = {
        family.name: {
            "type": family.type,
            "labels": sorted({label for sample in family.samples for label in sample.labels} - {"le"}),
        }
        for family in text_string_to_metric_families(generate_latest(metrics._registry).decode())
        if not family.name.endswith("_created")
    }
    if os.environ.get("UPDATE_SNAPSHOTS"):
        SNAPSHOT.write_text(json.dumps(families, indent=2) + "\n", encoding="utf-8")
    assert families == json.loads(SNAPSHOT.read_text(encoding="utf-8"))
