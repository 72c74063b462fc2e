"""What the bundle starts: the command `customerio-track-mcp`, as a script. It is copied into the bundle."""

from customerio_track_mcp.__main__ import main

if __name__ == "__main__":
    raise SystemExit(main())
