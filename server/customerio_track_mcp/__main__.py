"""`python -m customerio_track_mcp` is the command `customerio-track-mcp`."""

import gc
import os


def main() -> int:
    """Run the command; an interrupt ends it without a traceback even while it is still being loaded."""
    # Of what a caller may send along, the trace alone: baggage would be kept, and told in the log where it is odd.
    # OpenTelemetry reads this once, when it is imported, and the MCP SDK imports it.
    os.environ["OTEL_PROPAGATORS"] = "tracecontext"
    # What is loaded stays to the end: to look through it for garbage is lost time, now and later with each call.
    gc.disable()
    try:
        from customerio_track_mcp.cli.main import main as run

        gc.freeze()
        gc.enable()
        return run()
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    raise SystemExit(main())
