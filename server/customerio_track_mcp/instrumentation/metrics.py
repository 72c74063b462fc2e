"""The Prometheus metrics at `/metrics`. No label names a caller or a person, and each has few values."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from functools import cache
from http import HTTPStatus
from pathlib import Path
from typing import Final

from anyio import current_time
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, make_asgi_app, values
from prometheus_client.multiprocess import MultiProcessCollector
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from customerio_track_mcp.instrumentation.calls import CallRecord, Outcome
from customerio_track_mcp.instrumentation.metrics_directory import DIRECTORY_PREFIX, MetricsDirectory
from customerio_track_mcp.track import Attempt, Observer, TrackRequest

logger = logging.getLogger("customerio_track_mcp.http")

DIRECTORY_VARIABLE: Final = "PROMETHEUS_MULTIPROC_DIR"
"""The variable of prometheus_client that names the directory in which workers keep their metrics together."""

_NAMESPACE: Final = "customerio_track_mcp"
_SECONDS: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)
_STATUSES: Final = frozenset(str(status.value) for status in HTTPStatus)


class Metrics(Observer):
    """The metrics of one process.

    The `status` of an attempt is the Track API's; `none` is an attempt without a response.

    Args:
        tools: the names of the tools; each has a counter from the start.
    """

    def __init__(self, tools: Iterable[str]) -> None:
        self._tools = tuple(tools)
        self._is_lost = False
        self._is_reachable = True
        self._in_files = values.ValueClass
        self._directory: MetricsDirectory | None = None
        path = Path(os.environ.get(DIRECTORY_VARIABLE, ""))
        if path.name.startswith(DIRECTORY_PREFIX):
            self._directory = MetricsDirectory(path)
        self._create()
        if self._directory is not None:
            self._directory.remember_files()

    def registry(self) -> CollectorRegistry:
        """Return the metrics, of all workers if there are several.

        Raises:
            OSError: the workers' directory was deleted, and cannot be created again.
            ValueError: the directory that the environment names was deleted.
        """
        if DIRECTORY_VARIABLE not in os.environ:
            return self._registry
        if self._directory is not None:
            self._restore(self._directory)
        registry = CollectorRegistry()
        MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
        return registry

    def _restore(self, directory: MetricsDirectory) -> None:
        """Count from zero if the directory or a file in it was deleted: what is written to such a file is lost.

        prometheus_client has no public function that opens its files again. This replaces the class of its values,
        and can go when there is one.
        """
        if directory.is_lost():
            directory.recreate()
            self._in_files.close_all_files()
            values.ValueClass = self._in_files
            try:
                self._create()
            except OSError:
                # In memory until the next attempt: what was closed cannot count.
                self._in_files.close_all_files()
                values.ValueClass = values.MutexValue
                self._create()
                raise
            directory.remember_files()

    def _create(self) -> None:
        self._registry = CollectorRegistry()
        # Each value of `labels` is looked up once: prometheus_client's own way converts and locks for each call.
        self._calls = cache(self._counter("tool_calls", "Tool calls that ended.", "tool", "outcome").labels)
        seconds = self._histogram("tool_call_duration_seconds", "Duration of tool calls.", _SECONDS, "tool")
        self._seconds = cache(seconds.labels)
        attempts = self._histogram(
            "tool_call_attempts", "Requests to the Track API per tool call.", (0, 1, 2, 3, 4, 8, 20), "tool"
        )
        self._attempts = cache(attempts.labels)
        upstream = self._counter(
            "upstream_attempts", "Attempts at requests to the Track API, by status of the response.", "status"
        )
        self._upstream = cache(upstream.labels)
        self._upstream_seconds = self._histogram(
            "upstream_attempt_duration_seconds", "Duration of attempts at requests to the Track API.", _SECONDS
        )
        self._waits = self._histogram(
            "rate_budget_wait_seconds", "Time that requests waited for the rate limit.", _SECONDS
        )
        self._refused = self._counter(
            "http_refused_requests", "Requests to the MCP endpoint that got an error status.", "status"
        )
        self._refused_connections = self._counter(
            "http_refused_connections", "Connections beyond the maximum, which were closed at once."
        )
        self._in_flight = self._gauge("calls_in_flight", "Requests to the MCP endpoint in flight.")
        self._lost = self._gauge(
            "rate_budget_lost", "Processes that keep to their share because the shared rate limit is lost."
        )
        self._reachable = Gauge(
            "upstream_reachable",
            "Whether the Track API gave a verdict on the credentials when /readyz last asked it; 1 or 0.",
            namespace=_NAMESPACE,
            registry=self._registry,
            multiprocess_mode="livemin",  # 0 if any worker got none
        )
        self._write_log_lost = self._counter(
            "write_log_lost", "Calls that the write log lacks, since its file could not be written."
        )
        for tool in self._tools:
            self._calls(tool, Outcome.OK.value)
        self._lost.set(self._is_lost)
        self._reachable.set(self._is_reachable)

    def call(self, call: CallRecord) -> None:
        """Count a tool call that has ended."""
        if self._directory is not None:
            with suppress(OSError):  # reported by `registry`
                self._restore(self._directory)
        self._calls(call.tool, str(call.context.outcome)).inc()
        self._seconds(call.tool).observe(call.seconds)
        # A joined call has the progress of the call that was sent, whose attempts count once.
        attempts = 0 if call.context.is_joined else call.context.progress.attempts
        self._attempts(call.tool).observe(attempts)

    def in_flight(self, number: int) -> None:
        """Set the number of requests in flight."""
        self._in_flight.set(number)

    def shared(self, shared: bool) -> None:
        """Set whether the rate limit is shared, or lost."""
        self._is_lost = not shared
        self._lost.set(self._is_lost)

    def upstream_reachable(self, reachable: bool) -> None:
        """Set whether the Track API gave a verdict on the credentials when it was last asked."""
        self._is_reachable = reachable
        self._reachable.set(reachable)

    def refused(self, status: int) -> None:
        """Count a request that got an error status."""
        self._refused.labels(_status(status)).inc()

    def refused_connection(self) -> None:
        """Count a connection that was closed because there were too many."""
        self._refused_connections.inc()

    def write_log_lost(self, calls: int) -> None:
        """Count calls that the write log lacks."""
        self._write_log_lost.inc(calls)

    def waited(self, seconds: float) -> None:
        """Record how long a request waited for the rate limit, in seconds."""
        self._waits.observe(seconds)

    @contextmanager
    def attempting(self, request: TrackRequest, number: int) -> Iterator[Attempt]:
        """Count an attempt when it ends."""
        started = current_time()
        with super().attempting(request, number) as attempt:
            try:
                yield attempt
            finally:
                self._upstream(_status(attempt.status)).inc()
                self._upstream_seconds.observe(current_time() - started)

    def app(self) -> ASGIApp:
        """Return an ASGI application that serves the metrics, of all workers if there are several."""
        return _Exposition(self)

    def _counter(self, name: str, documentation: str, *labels: str) -> Counter:
        return Counter(name, documentation, labels, namespace=_NAMESPACE, registry=self._registry)

    def _histogram(self, name: str, documentation: str, buckets: tuple[float, ...], *labels: str) -> Histogram:
        return Histogram(name, documentation, labels, buckets=buckets, namespace=_NAMESPACE, registry=self._registry)

    def _gauge(self, name: str, documentation: str) -> Gauge:
        return Gauge(name, documentation, namespace=_NAMESPACE, registry=self._registry, multiprocess_mode="livesum")


class _Exposition:
    """Serves the metrics; 503 if they cannot be read."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            # It reads all files before it responds.
            await make_asgi_app(self._metrics.registry())(scope, receive, send)
        except (OSError, ValueError) as error:
            logger.error("metrics can't be read", extra={"error": type(error).__name__})  # noqa: TRY400
            await PlainTextResponse("the metrics cannot be read\n", 503)(scope, receive, send)


def _status(status: int | None) -> str:
    if status is None:
        return "none"
    return str(status) if str(status) in _STATUSES else "other"
