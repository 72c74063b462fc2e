"""`python -m customerio_track_mcp` is the command `customerio-track-mcp`."""

import os


def main() -> int:
    """Run the command. SIGTERM, SIGINT and a lack of memory end it without a traceback, even while it loads."""
    try:
        from customerio_track_mcp.cli.import_path import exclude_working_directory

        exclude_working_directory()
        from customerio_track_mcp.cli.startup_signals import exit_on_signals

        exit_on_signals()
        from customerio_track_mcp.instrumentation.stderr import protect_stderr
        from customerio_track_mcp.module_loading import loading

        protect_stderr()
        with loading():
            from customerio_track_mcp.cli.main import main as run
        return run()
    except KeyboardInterrupt:
        return 130
    except BaseException as error:
        if not _is_out_of_memory(error):
            raise
        os.write(2, b"customerio-track-mcp: out of memory\n")
        return 1


def _is_out_of_memory(error: BaseException) -> bool:
    if isinstance(error, BaseExceptionGroup):
        return error.subgroup(MemoryError) is not None
    return isinstance(error, MemoryError)


if __name__ == "__main__":
    raise SystemExit(main())
