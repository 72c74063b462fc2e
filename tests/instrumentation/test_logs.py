"""Log lines as text: values and messages cannot break them."""

from __future__ import annotations

import logging

from customerio_track_mcp.instrumentation.logs import _quote, _TextFormatter


def test_values_are_quoted_if_they_could_break_a_line() -> None:
    assert [_quote(value) for value in ("a b", 'a"b', "a\nb=c", "", "plain")] == [
        '"a b"',
        '"a\\"b"',
        '"a\\nb=c"',
        '""',
        "plain",
    ]


def test_control_characters_in_a_message_are_escaped() -> None:
    record = logging.LogRecord("uvicorn", logging.WARNING, __file__, 1, "x\x9b31m\x85FORGED\nline", None, None)
    (line,) = _TextFormatter().format(record).splitlines()
    assert line.endswith(r"x\u009b31m\u0085FORGED\nline")


def test_time_is_the_one_of_the_line_whatever_was_formatted_before() -> None:
    formatter = _TextFormatter()
    second = 1_767_225_600
    for created in (second, second + 0.25, second + 0.9996, second + 1, second + 1.5, second - 3600, second + 0.25):
        record = logging.makeLogRecord({"created": created, "msecs": float(int(created % 1 * 1000))})
        assert formatter.formatTime(record) == logging.Formatter().formatTime(record)
