"""`python -m customerio_track_mcp` is the command `customerio-track-mcp`."""

from customerio_track_mcp.cli import main

raise SystemExit(main())
