"""`python -m customerio_track_mcp` is the command `customerio-track-mcp`."""


def main() -> int:
    """Run the command; an interrupt ends it without a traceback even while it is still being loaded."""
    try:
        from customerio_track_mcp.cli import main as run

        return run()
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    raise SystemExit(main())
