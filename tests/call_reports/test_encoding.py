"""A report can be written as JSON whatever the arguments are."""

from __future__ import annotations

import json

import pytest

from customerio_track_mcp.call_reports.encoding import MAX_REPORT_BYTES, encode_report
from tests.support.nested import nested_array


@pytest.mark.parametrize("arguments", [{"customer_id": "Zoë 日本 👩🏽"}, None, 7, "{", nested_array(401)])
def test_arguments_are_written_as_they_are(arguments: object) -> None:
    assert json.loads(encode_report({"id": "1", "arguments": arguments})) == {"id": "1", "arguments": arguments}


def test_lone_surrogates_are_replaced() -> None:
    assert json.loads(encode_report({"arguments": {"a\ud800": "\udfffb"}})) == {"arguments": {"a?": "?b"}}


@pytest.mark.parametrize("value", [float("inf"), float("nan"), nested_array(100_000)])
def test_what_is_not_json_is_replaced_by_a_note(value: object) -> None:
    report = json.loads(encode_report({"id": "1", "arguments": {"data": value}}))
    assert report == {"id": "1", "arguments": "(not reported: they cannot be written as JSON)"}


def test_only_a_report_that_is_too_long_loses_its_arguments() -> None:
    frame = len(encode_report({"arguments": ""}))
    longest = encode_report({"arguments": "x" * (MAX_REPORT_BYTES - frame)})
    assert len(longest) == MAX_REPORT_BYTES
    longer = json.loads(encode_report({"arguments": "x" * (MAX_REPORT_BYTES - frame + 1)}))
    why = f"the report has {MAX_REPORT_BYTES + 1} bytes, and the maximum is {MAX_REPORT_BYTES}"
    assert longer == {"arguments": f"(not reported: {why})"}
