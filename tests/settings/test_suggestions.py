"""Which name was probably meant."""

from __future__ import annotations

import pytest

from customerio_track_mcp.settings.suggestions import closest

EVENTS = ("signed_up", "purchase", "purchase_refunded", "Trial Ended", "page_view", "plan", "日本語", "👋", "!?")


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        *[(name, "signed_up") for name in ("Signed Up", "signedUp", "SIGNED-UP", "signed up!", "sign_up", "singed_up")],
        *[(name, "purchase") for name in ("Purchase", "purchased", "purchse", "pur_chase", "\uff50urchase")],
        ("purchase-refund", "purchase_refunded"),
        ("trial_ended", "Trial Ended"),
        ("plna", "plan"),
        ("日本", "日本語"),
        ("日本 語", "日本語"),
        ("!?!", "!?"),
        *[(name, "") for name in ("checkout", "order_completed", "", "x", "zzzz" * 30, "👻")],
    ],
)
def test_the_closest_name_is_found(name: str, meant: str) -> None:
    assert closest(name, EVENTS) == meant


def test_nothing_is_close_to_nothing() -> None:
    assert closest("purchase", ()) == ""


def test_one_that_differs_only_in_case_comes_before_a_similar_one() -> None:
    assert closest("PURCHASES", ("purchase", "purchases")) == "purchases"
