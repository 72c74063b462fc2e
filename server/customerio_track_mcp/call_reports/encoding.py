"""Reports as JSON, within the size that the sandbox accepts."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Final

MAX_REPORT_BYTES: Final = 2**20


def encode_report(fields: Mapping[str, object]) -> bytes:
    """Return a report as JSON. If that is not possible with its arguments, it has a note instead of them."""
    try:
        report = _encode(fields)
    except (ValueError, RecursionError):  # an infinity, or nested too deeply
        return _encode(without_arguments(fields, "they cannot be written as JSON"))
    if len(report) <= MAX_REPORT_BYTES:
        return report
    why = f"the report has {len(report)} bytes, and the maximum is {MAX_REPORT_BYTES}"
    return _encode(without_arguments(fields, why))


def without_arguments(fields: Mapping[str, object], why: str) -> dict[str, object]:
    """Return a report with a note instead of the arguments, so that at least the call appears."""
    return {**fields, "arguments": f"(not reported: {why})"}


def _encode(fields: Mapping[str, object]) -> bytes:
    text = json.dumps(fields, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    return text.encode(errors="replace")  # lone surrogates, which no parser accepts
