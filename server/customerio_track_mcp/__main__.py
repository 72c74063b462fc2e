"""`python -m customerio_track_mcp` is the command `customerio-track-mcp`."""

from customerio_track_mcp.module_loading import loading


def main() -> int:
    """Run the command. An interrupt ends it without a traceback, even while it loads."""
    try:
        with loading():
            from customerio_track_mcp.cli.main import main as run
        return run()
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    raise SystemExit(main())
