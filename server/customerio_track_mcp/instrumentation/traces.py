"""OpenTelemetry: whether spans are exported and with which limits, and the spans of attempts.

No span contains an identifier: an attempt is named by its route. For the spans of requests see `request_spans`.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Thread
from typing import TYPE_CHECKING, Final

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.propagate import set_global_textmap
from opentelemetry.propagators.textmap import CarrierT, Getter, default_getter
from opentelemetry.trace import SpanKind, StatusCode
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from customerio_track_mcp.settings.errors import SettingsError
from customerio_track_mcp.track import Attempt, Observer, TrackRequest

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import TracerProvider

_EXPORT_TIMEOUT: Final = 3.0
_MAX_ATTRIBUTE_CHARACTERS: Final = 256
"""The value of an attribute, unless OpenTelemetry's variables name another limit. This server's are shorter."""
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
    set_global_textmap(_TraceparentPropagator())
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
        from opentelemetry.sdk.trace import SpanLimits, TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor

        from customerio_track_mcp.instrumentation.collector_session import collector_session
    except ImportError:
        raise SettingsError(
            ["OTEL_EXPORTER_OTLP_ENDPOINT is set, but the exporter is not installed: install the extra 'otel'"]
        ) from None
    named = os.environ.get("OTEL_SERVICE_NAME") or SERVICE_NAME in os.environ.get("OTEL_RESOURCE_ATTRIBUTES", "")
    try:
        resource = Resource.create(None if named else {SERVICE_NAME: "customerio-track-mcp"})
        is_limited = os.environ.get("OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT")
        limits = SpanLimits(max_attribute_length=None if is_limited else _MAX_ATTRIBUTE_CHARACTERS)
        provider = TracerProvider(resource=resource, span_limits=limits, shutdown_on_exit=False)
        provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(session=collector_session())))
    except ValueError as error:
        raise SettingsError([f"an OpenTelemetry variable is invalid: {error}"]) from None
    return provider


class _TraceparentPropagator(TraceContextTextMapPropagator):
    """Continues a caller's trace without its `tracestate`: 8 KB of whatever the caller writes, in each span."""

    def extract(
        self,
        carrier: CarrierT,
        context: Context | None = None,
        getter: Getter[CarrierT] = default_getter,
    ) -> Context:
        found = getter.get(carrier, "traceparent")
        is_text = found is not None and len(found) == 1 and isinstance(found[0], str)
        return super().extract({"traceparent": found[0]} if is_text and found else {}, context)


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
