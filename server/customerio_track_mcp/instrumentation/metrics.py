"""What Prometheus may ask at `/metrics`. No label names a caller or a person, and each has few values."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus
from typing import Final

from anyio import current_time
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, make_asgi_app
from prometheus_client.multiprocess import MultiProcessCollector
from starlette.types import ASGIApp, Receive, Scope, Send

from customerio_track_mcp.http.auth.scopes import SCOPE_OF_TOOL
from customerio_track_mcp.instrumentation.calls import CallRecord, Outcome
from customerio_track_mcp.track import Attempt, Observer, TrackRequest

DIRECTORY_VARIABLE: Final = "PROMETHEUS_MULTIPROC_DIR"
"""Names the directory in which the workers of one service keep their counts together; prometheus_client's own."""

_NAMESPACE: Final = "customerio_track_mcp"
_SECONDS: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)
_STATUSES: Final = frozenset(str(status.value) for status in HTTPStatus)


class Metrics(Observer):
    """Counts of one process. `attempt` statuses come from the Track API; `none` is an attempt without an answer."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        self._calls = Counter(
            "tool_calls", "Tool calls that ended.", ["tool", "outcome"], namespace=_NAMESPACE, registry=self._registry
        )
        self._seconds = self._histogram("tool_call_duration_seconds", "How long tool calls took.", _SECONDS, "tool")
        self._attempts = self._histogram(
            "tool_call_attempts", "How often the Track API was asked for a tool call.", (0, 1, 2, 3, 4, 8, 20), "tool"
        )
        self._upstream = Counter(
            "upstream_attempts",
            "Attempts at requests to the Track API, by the answer's status.",
            ["status"],
            namespace=_NAMESPACE,
            registry=self._registry,
        )
        self._upstream_seconds = self._histogram(
            "upstream_attempt_duration_seconds", "How long attempts at requests to the Track API took.", _SECONDS
        )
        self._waits = self._histogram(
            "rate_budget_wait_seconds", "How long requests waited for the rate budget.", _SECONDS
        )
        self._refused = Counter(
            "http_refused_requests",
            "Requests to the MCP endpoint that were answered with an error status.",
            ["status"],
            namespace=_NAMESPACE,
            registry=self._registry,
        )
        self._in_flight = self._gauge("calls_in_flight", "Requests to the MCP endpoint that are at work.")
        self._lost = self._gauge("rate_budget_lost", "Processes that keep to their share since the storage is away.")
        for tool in SCOPE_OF_TOOL:
            self._calls.labels(tool, Outcome.OK.value)

    def call(self, call: CallRecord) -> None:
        """Count a tool call that has ended."""
        self._calls.labels(call.tool, call.notes.outcome.value).inc()
        self._seconds.labels(call.tool).observe(call.seconds)
        self._attempts.labels(call.tool).observe(call.notes.progress.attempts)

    def in_flight(self, number: int) -> None:
        """Know how many requests are at work."""
        self._in_flight.set(number)

    def shared(self, shared: bool) -> None:
        """Know whether the rate budget is shared, or lost."""
        self._lost.set(not shared)

    def refused(self, status: int) -> None:
        """Count a request that got an error status."""
        self._refused.labels(_status(status)).inc()

    def waited(self, seconds: float) -> None:
        """A request waited so long for the rate budget."""
        self._waits.observe(seconds)

    @contextmanager
    def attempting(self, request: TrackRequest, number: int) -> Iterator[Attempt]:
        """Count an attempt when it ends."""
        started = current_time()
        with super().attempting(request, number) as attempt:
            try:
                yield attempt
            finally:
                self._upstream.labels(_status(attempt.status)).inc()
                self._upstream_seconds.observe(current_time() - started)

    def app(self) -> ASGIApp:
        """An ASGI application that tells the counts, of all workers where there are several."""
        return _Exposition(self._registry)

    def _histogram(self, name: str, told: str, buckets: tuple[float, ...], *labels: str) -> Histogram:
        return Histogram(name, told, labels, buckets=buckets, namespace=_NAMESPACE, registry=self._registry)

    def _gauge(self, name: str, told: str) -> Gauge:
        return Gauge(name, told, namespace=_NAMESPACE, registry=self._registry, multiprocess_mode="livesum")


class _Exposition:
    """Tells the counts of a registry, or those of all workers where they keep them together."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._registry = registry

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        registry = self._registry
        if DIRECTORY_VARIABLE in os.environ:
            registry = CollectorRegistry()
            MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
        await make_asgi_app(registry)(scope, receive, send)


def _status(status: int | None) -> str:
    if status is None:
        return "none"
    return str(status) if str(status) in _STATUSES else "other"
