"""What is valid but probably not read as intended is pointed out, in one short sentence per kind and without values."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest

from customerio_track_mcp.track import EVENT_TIME, IdType, is_time_name, operations
from customerio_track_mcp.track.validation.timestamps import is_unreadable_time

TIME_NAMES = [
    "renews_at", "born_on", "trial_end_date", "login_time", "seen_timestamp", "Renews_At", "renews-at", "trial end on",
    "plan.renews_at", "renewsAt", "bornOn", "trialEndDate", "loginTime", "seenTimestamp", "date", "time", "Timestamp",
]  # fmt: skip
OTHER_NAMES = [
    "plan", "update", "candidate", "location", "format", "cat", "coat", "person", "station", "runtime", "sometimes",
    "at", "on", "mandate", "dateline", "Boston",
]  # fmt: skip
UNREADABLE = [
    1_767_225_600_000, -1_767_225_600_000, 1_767_225_600_000.0, 1_767_225_600_000_000, 10**18, "1767225600000",
    "2026-01-01", "2026-01-01T00:00:00Z", "2026-01-01T00:00:00.000+02:00", "2026-01-01 10:00", " 2026-01-01\n",
    "2026-01", "20260101", "20260101T000000Z", "2026/01/31", "01/02/2026", "31.01.2026",
    "Thu, 01 Jan 2026 00:00:00 GMT", "Thu Jan 01 2026 00:00:00 GMT+0100", "Jan 1, 2026", "1 January 2026",
    "2026-01-31Z", "2026-01-31+02:00", "2026-1-5", "2026/1/5", "2026.1.5", "31-01-2026", "1/5/2026", "31.1.26",
    "1/31/2026, 10:00:00 AM", "31.1.2026, 10:00:00", "January 31st, 2026", "Saturday, 31 January 2026", "31-Jan-2026",
    "Thu Jan  1 00:00:00 2026", "5 May", "1769860800000.0", "1.7698608e12", "-1769860800000",
]  # fmt: skip
READABLE_OR_NO_TIME: list[object] = [
    1_767_225_600, 1_767_225_600.5, 4_102_444_800, 0, -1, True, None, "1767225600", "tomorrow", "Mars", "10:00", "2026",
    "Mayor 5", "12 jars", "1.2.3", "", "2026-01-foo", [], {},
    "May 5 GmbH", "12 May Street", "12 March Road", "Cafe May 5", "10.20.30.40", "12-34-56", "2026-01 Street",
    253_402_300_799, "253402300799", 253_402_300_799.0,
]  # fmt: skip


def notes_of(attributes: dict[str, Any]) -> tuple[str, ...]:
    return operations.identify("1", attributes=attributes).notes


@pytest.mark.parametrize("name", TIME_NAMES)
def test_names_of_times(name: str) -> None:
    assert is_time_name(name)


@pytest.mark.parametrize("name", OTHER_NAMES)
def test_names_of_other_things(name: str) -> None:
    assert not is_time_name(name)
    assert notes_of({name: "2026-01-01"}) == ()


@pytest.mark.parametrize("value", UNREADABLE)
def test_time_that_is_not_in_seconds_is_pointed_out(value: object) -> None:
    assert is_unreadable_time(value)
    expected = ": Customer.io will not read this as a time; it reads times as UNIX seconds only."
    assert notes_of({"plan": "pro", "renews_at": value}) == (f"renews_at{expected}",)
    assert notes_of({"subscription": {"items": [{"renews_at": value}]}}) == (
        f"subscription.items[0].renews_at{expected}",
    )
    assert notes_of({"renewal_date": [0, value]}) == (f"renewal_date[1]{expected}",)
    assert notes_of({"plan": value}) == ()


@pytest.mark.parametrize("value", READABLE_OR_NO_TIME)
def test_seconds_and_other_values_are_not_pointed_out(value: object) -> None:
    assert not is_unreadable_time(value)
    assert notes_of({"renews_at": value}) == ()


@pytest.mark.parametrize(
    "name",
    [
        "Unsubscribed",
        "UNSUBSCRIBED",
        "Email",
        "ID",
        "Cio_Id",
        "_Update",
        "Created_At",
        "_Timestamp",
        "Cio_Relationships.a.b",
    ],
)
def test_name_that_differs_from_a_reserved_one_only_by_case_is_pointed_out(name: str) -> None:
    (note,) = notes_of({"plan": "pro", name: "x"})
    assert note == (
        f"{name}: sent as ordinary data with no effect; attribute names are case-sensitive, and "
        "only the lower-case ones are special."
    )


@pytest.mark.parametrize("name", ["unsubscribed_at", "identity", "emails", "plan", "Plan"])
def test_other_names_are_not_pointed_out(name: str) -> None:
    assert notes_of({name: "x"}) == ()


@pytest.mark.parametrize("name", ["timestamp", "Timestamp", "_timestamp"])
def test_timestamp_in_event_data_is_pointed_out(name: str) -> None:
    request = operations.track("1", "bought", data={name: 1_700_000_000, "total": 1})
    assert request.notes == (f"data.{name} is sent as ordinary data: {EVENT_TIME}.",)
    later = operations.track("1", "bought", data={name: 1_700_000_000}, timestamp=int(time.time()))
    assert later.notes == request.notes
    assert operations.track("1", "bought", data={"timestamps": [], "at": 1}).notes == ()
    assert operations.track("1", "bought", data={"timestamp": 1, "Timestamp": 2}).notes == (
        f"data.timestamp, data.Timestamp are sent as ordinary data: {EVENT_TIME}.",
    )


@pytest.mark.parametrize("as_data", [int, float, str])
def test_timestamp_in_event_data_that_repeats_the_parameter_is_not_pointed_out(
    as_data: Callable[[int], object],
) -> None:
    now = int(time.time())
    assert operations.track("1", "bought", data={"timestamp": as_data(now)}, timestamp=now).notes == ()


def test_event_that_is_too_old_for_campaigns_is_pointed_out() -> None:
    now = int(time.time())
    assert operations.track("1", "bought", timestamp=now - 72 * 3600 + 600).notes == ()
    assert operations.track("1", "bought", timestamp=now + 600).notes == ()
    assert operations.track("1", "bought", timestamp=now - 72 * 3600 - 1).notes == (
        "timestamp: the event is recorded, but triggers no campaign; only events of the last 72 hours can.",
    )


def test_members_of_another_type_are_pointed_out() -> None:
    members = ["1", "ann@example.com", "cio_03000001", "bob@example.com", "cio_a b"]
    assert operations.add_to_segment("1", members).notes == (
        "2 ids look like an email address and can only match people whose id is that address. If that was not "
        "intended, call again with only these ids and id_type 'email'.",
        "1 id looks like a cio_id and can only match people whose id is that text. If that was not intended, call "
        "again with only this id and id_type 'cio_id'.",
    )
    assert operations.add_to_segment("1", ["cio_1", "cio_1"]).notes == (
        "1 id looks like a cio_id and can only match people whose id is that text. If that was not intended, call "
        "again with id_type 'cio_id'.",
    )
    assert operations.add_to_segment("1", ["cio_03000001"], id_type=IdType.CIO_ID).notes == ()
    assert operations.add_to_segment("1", ["ann@example.com"], id_type=IdType.EMAIL).notes == ()


def test_notes_are_short_and_contain_no_values() -> None:
    times = {f"{number}{'x' * 100}_at": "2026-01-01" for number in range(298)}
    notes = notes_of(times | {"Email": "s3cret", "ID": "s3cret"})
    assert len(notes) == 2
    assert all(len(note) < 300 for note in notes)
    assert "and 295 more: Customer.io will not read these as times; " in notes[1]
    assert not any("2026" in note or "s3cret" in note for note in notes)


def test_depth_of_the_search_is_limited() -> None:
    deep: dict[str, Any] = {"seen_at": "2026-01-01"}
    for _ in range(100):
        deep = {"a": deep}
    assert notes_of({"deep": deep}) == ()
