"""docs/privacy.md names every host, log field, metric label and span attribute.

tests/integration/test_privacy.py compares the page with a running server.
"""

from __future__ import annotations

import json
import re
from typing import Final

from customerio_track_mcp.instrumentation.metrics_directory import DIRECTORY_PREFIX
from customerio_track_mcp.track import Region
from tests.support.documents import PRIVACY, ROOT, section
from tests.support.source_messages import PACKAGE

SNAPSHOTS: Final = ROOT / "tests" / "data" / "snapshots"


def named_in(heading: str) -> set[str]:
    return set(re.findall(r"`([\w.]+)`", section(heading, PRIVACY)))


def test_every_host_of_the_track_api_is_named() -> None:
    for region in Region:
        assert f"`{region.track_url}`" in PRIVACY
    source = "".join(path.read_text(encoding="utf-8") for path in PACKAGE.rglob("*.py"))
    hosts = {host for host in re.findall(r'"https://([\w-]+(?:\.[\w-]+)+)', source) if "example" not in host}
    # The status page is named in a message; nothing connects to it.
    assert hosts - {"status.customerio.com"} == {region.track_url.removeprefix("https://") for region in Region}


def test_every_field_of_a_log_line_is_named() -> None:
    events = json.loads((SNAPSHOTS / "log_events.json").read_text(encoding="utf-8"))
    assert {field for event in events for field in event["fields"]} <= named_in("### Logs")


def test_every_label_of_a_metric_is_named() -> None:
    metrics = json.loads((SNAPSHOTS / "metrics.json").read_text(encoding="utf-8"))
    labels = {label for metric in metrics.values() for label in metric["labels"]}
    assert labels == named_in("### Metrics") & labels
    assert named_in("### Metrics") <= labels


def test_every_attribute_of_a_span_is_named() -> None:
    modules = [PACKAGE / "instrumentation" / name for name in ("request_spans.py", "traces.py")]
    source = "".join(path.read_text(encoding="utf-8") for path in modules)
    attributes = set(re.findall(r'"([a-z_]+(?:\.[a-z_]+)+)"', source)) | {"request_id", "waited_s"}
    assert all(f'"{name}"' in source for name in attributes)
    assert named_in("### Traces") - {"OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_RESOURCE_ATTRIBUTES"} == attributes


def test_files_are_named() -> None:
    assert f"`{DIRECTORY_PREFIX}…`" in section("## What is kept on disk", PRIVACY)
