"""OpenTelemetry spans of attempts, if an exporter is configured. The MCP SDK creates one for each MCP request.

No span contains an identifier: an attempt is named by its route.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Thread
from typing import TYPE_CHECKING, Final

from opentelemetry import trace
from opentelemetry.trace import SpanKind, StatusCode

from customerio_track_mcp.settings.base import SettingsError
from customerio_track_mcp.track import Attempt, Observer, TrackRequest

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import TracerProvider

_EXPORT_TIMEOUT: Final = 3.0
_ENDPOINTS: Final = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")


@contextmanager
def tracing() -> Iterator[bool]:
    """Export spans over OTLP during the block, if OpenTelemetry's own variables name an endpoint.

    Yields:
        Whether spans are exported.

    Raises:
        SettingsError: the variables are not supported, or the extra `otel` is not installed.
    """
    off = os.environ.get("OTEL_SDK_DISABLED", "").lower() == "true" or os.environ.get("OTEL_TRACES_EXPORTER") == "none"
    if off or not any(map(os.environ.get, _ENDPOINTS)):
        yield False
        return
    provider = _provider()
    trace.set_tracer_provider(provider)
    try:
        yield True
    finally:
        # Exports what is left; a collector that does not respond must not delay the end of the process.
        ending = Thread(target=provider.shutdown, daemon=True)
        ending.start()
        ending.join(_EXPORT_TIMEOUT)


def _provider() -> TracerProvider:
    if (protocol := os.environ.get("OTEL_EXPORTER_OTLP_PROTOCOL", "")) not in ("", "http/protobuf"):
        raise SettingsError([f"OTEL_EXPORTER_OTLP_PROTOCOL: {protocol} is not supported; expected http/protobuf"])
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.resources import SERVICE_NAME, Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
    except ImportError:
        raise SettingsError(
            ["OTEL_EXPORTER_OTLP_ENDPOINT is set, but the exporter is not installed: install the extra 'otel'"]
        ) from None
    named = os.environ.get("OTEL_SERVICE_NAME") or SERVICE_NAME in os.environ.get("OTEL_RESOURCE_ATTRIBUTES", "")
    try:
        resource = Resource.create(None if named else {SERVICE_NAME: "customerio-track-mcp"})
        provider = TracerProvider(resource=resource, shutdown_on_exit=False)
        provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    except ValueError as error:
        raise SettingsError([f"an OpenTelemetry variable is invalid: {error}"]) from None
    return provider


class TracingObserver(Observer):
    """Creates a span for each attempt, and passes notifications on.

    Args:
        inner: receives the same notifications.
    """

    def __init__(self, inner: Observer) -> None:
        self._inner = inner
        self._tracer = trace.get_tracer("customerio_track_mcp")

    def waited(self, seconds: float) -> None:
        """Add how long a request waited for the rate limit to its span, in seconds."""
        self._inner.waited(seconds)
        trace.get_current_span().add_event("rate budget granted", {"waited_s": seconds})

    @contextmanager
    def attempting(self, request: TrackRequest, number: int) -> Iterator[Attempt]:
        """Wrap an attempt in a span."""
        attributes = {"http.request.method": request.method, "url.template": request.route}
        if number > 1:
            attributes |= {"http.request.resend_count": number - 1}  # type: ignore[dict-item]
        with (
            self._tracer.start_as_current_span(
                f"{request.method} {request.route}",
                kind=SpanKind.CLIENT,
                attributes=attributes,
                record_exception=False,
                set_status_on_exception=False,
            ) as span,
            self._inner.attempting(request, number) as attempt,
        ):
            try:
                yield attempt
            except BaseException as error:
                span.set_attribute("error.type", str(attempt.status or type(error).__name__))
                span.set_status(StatusCode.ERROR)
                raise
            finally:
                if attempt.status is not None:
                    span.set_attribute("http.response.status_code", attempt.status)
