"""Report calls to a sandbox in this process."""

from __future__ import annotations

from collections.abc import Mapping

from customerio_track_mcp.call_reports.encoding import without_arguments
from customerio_track_mcp.upstream import RecordCall


def reports_in_process(record_call: RecordCall) -> RecordCall:
    """Return a function that passes a report to `record_call`, without the arguments if it does not accept them."""

    def report(fields: Mapping[str, object]) -> None:
        try:
            record_call(fields)
        except ValueError:
            record_call(without_arguments(fields, "the sandbox does not accept them"))

    return report
