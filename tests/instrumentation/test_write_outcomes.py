"""Every way in which a call can end has a word in the write log."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Iterator

import pytest

import customerio_track_mcp
from customerio_track_mcp import control, track
from customerio_track_mcp.instrumentation.calls import CallContext, Outcome
from customerio_track_mcp.instrumentation.write_outcomes import _WORDS, WriteOutcome, is_write, write_outcome
from customerio_track_mcp.track import Progress, TrackError


def errors(base: type[TrackError] = TrackError) -> Iterator[type[TrackError]]:
    for error in base.__subclasses__():
        yield error
        yield from errors(error)


def test_every_outcome_and_every_error_has_a_word() -> None:
    for package in (control, track):
        for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            importlib.import_module(module.name)
    own = {error for error in errors() if error.__module__.startswith(f"{customerio_track_mcp.__name__}.")}
    assert len(own) > 10
    assert {error.code for error in own} | set(Outcome) <= set(_WORDS)
    assert set(_WORDS.values()) | {WriteOutcome.UNKNOWN, WriteOutcome.REUSED} == set(WriteOutcome)


@pytest.mark.parametrize("code", sorted(_WORDS))
def test_what_may_have_been_carried_out_is_unknown_whatever_ended_the_call(code: str) -> None:
    context = CallContext(code, Progress(attempts=1, outcome_unknown=True), people=1)
    expected = {
        "ok": WriteOutcome.ACCEPTED,  # the client leaves `outcome_unknown` as it was before the response
        "joined": WriteOutcome.JOINED,
        "dry_run": WriteOutcome.DRY_RUN,
    }
    assert write_outcome(context) is expected.get(code, WriteOutcome.UNKNOWN)
    assert is_write(context)


@pytest.mark.parametrize(
    ("context", "word"),
    [
        (CallContext("ok"), "accepted"),
        (CallContext("ok", is_reused=True), "reused"),
        (CallContext("ok", is_joined=True), "joined"),
        (CallContext("joined", is_joined=True, is_reused=True), "joined"),
        (CallContext("ok", is_dry_run=True), "dry_run"),
        (CallContext("joined", is_joined=True, is_dry_run=True), "dry_run"),
        (CallContext("rejected", is_reused=True), "rejected"),
        (CallContext("unauthorized"), "rejected"),
        (CallContext("unavailable"), "failed"),
        (CallContext("bug"), "failed"),
        (CallContext(Outcome.CANCELED), "canceled"),
        (CallContext("declined"), "declined"),
        (CallContext("paused"), "refused"),
        (CallContext("an_unknown_code"), "failed"),
    ],
)
def test_word_of_an_outcome(context: CallContext, word: str) -> None:
    assert write_outcome(context) == word


@pytest.mark.parametrize(
    ("outcome", "people", "recorded"),
    [
        ("invalid_arguments", 0, False),
        ("no_credentials", 0, False),
        ("bug", 0, False),
        ("forbidden", 0, True),
        ("not_allowed", 0, True),
        ("not_allowed", 1, True),
        ("cancelled", 1, True),
    ],
)
def test_calls_that_were_valid_or_refused_are_recorded(outcome: str, people: int, recorded: bool) -> None:
    assert is_write(CallContext(outcome, people=people)) is recorded
