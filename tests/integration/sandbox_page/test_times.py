"""How the page writes times and durations, and which numbers it takes for times."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.async_api import Page

SECONDS = 1767225600  # 2026-01-01T00:00:00Z

CALL = "async ([name, ...values]) => (await import('/page/times.js'))[name](...values)"


async def call(page: Page, function: str, *arguments: Any) -> Any:
    """Return what a function of the page's module returns."""
    return await page.evaluate(CALL, [function, *arguments])


async def test_durations_have_a_fitting_unit(page: Page) -> None:
    for seconds, text in (
        (0.0002, "< 1 ms"),
        (0.0034, "3 ms"),
        (0.9996, "1.00 s"),
        (1.239, "1.24 s"),
        (59.994, "59.99 s"),
        (59.996, "1 min 0 s"),
        (65.2, "1 min 5 s"),
        (None, ""),
    ):
        assert await call(page, "durationText", seconds) == text, seconds


@pytest.mark.parametrize(
    ("unit", "attributes"),
    [
        (
            "seconds",
            {
                "created_at": SECONDS,
                "lastLogin": SECONDS,
                "renewalDate": str(SECONDS),
                "signed_up_on": 500_000_000,
                "anything": SECONDS,
            },
        ),
        ("milliseconds", {"created_at": SECONDS * 1000, "anything": SECONDS * 1000, "due_date": str(SECONDS * 1000)}),
        (
            None,
            {
                "phone": 1555123456,
                "order_id": SECONDS,
                "orderId": SECONDS,
                "anything": str(SECONDS),
                "seats": 12,
                "birth_date": 20260101,
                "created_at": 0.5,
                "updated_at": -SECONDS,
                "deleted_at": None,
                "expires_at": True,
                "cat": 500_000_000,
            },
        ),
    ],
)
async def test_names_and_values_that_suggest_a_time(
    page: Page, unit: str | None, attributes: dict[str, object]
) -> None:
    found = {name: await call(page, "timeUnit", name, value) for name, value in attributes.items()}
    assert found == dict.fromkeys(attributes, unit)


async def test_days_near_today_have_words(page: Page) -> None:
    now = await page.evaluate("Date.now() / 1000")
    script = "async (seconds) => (await import('/page/times.js')).dayOf(seconds, new Date(1767225600000))"
    for seconds, text in (
        (SECONDS, "Today"),
        (SECONDS - 90_000, "Yesterday"),  # the midnight before, in Berlin
        (SECONDS - 90_001, "Tue, 30 Dec 2025"),
        (10**20, ""),
    ):
        assert await page.evaluate(script, seconds) == text, seconds
    assert await call(page, "dayOf", now) == "Today"


async def test_time_zone_is_named_with_its_difference_from_utc(page: Page) -> None:
    assert await call(page, "zoneName") in ("Europe/Berlin (now UTC+01:00)", "Europe/Berlin (now UTC+02:00)")
    assert await call(page, "zoneName", SECONDS) == "Europe/Berlin (UTC+01:00)"
    assert await call(page, "zoneName", SECONDS + 181 * 86_400) == "Europe/Berlin (UTC+02:00)"
