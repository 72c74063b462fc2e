"""How a process loads its modules: without garbage collection, and with the propagators of OpenTelemetry set first."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager

from customerio_track_mcp.inherited_environment import set_own_variable


@contextmanager
def loading() -> Iterator[None]:
    """Load modules in this block.

    Modules live as long as the process, so garbage collection is off while they load, and skips them afterwards. Code
    that loads more later freezes again before it serves.
    """
    # Of what a caller can send along, accept the trace only: baggage would be kept, and logged if it is malformed.
    # OpenTelemetry reads this once, when the MCP SDK imports it.
    set_own_variable("OTEL_PROPAGATORS", "tracecontext")
    with without_garbage_collection():
        yield
        gc.freeze()


@contextmanager
def without_garbage_collection() -> Iterator[None]:
    """Keep garbage collection off in this block."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()
