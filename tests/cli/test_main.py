"""The parser, in this process; tests/integration/test_cli.py runs the command itself."""

from __future__ import annotations

import pytest

from customerio_track_mcp.cli.main import main


@pytest.mark.parametrize(
    "arguments",
    [
        ["serve"],
        ["http", "--port", "x"],
        ["http", "--port", "65536"],
        ["--sandbx"],
        ["--open"],
        ["http", "--data", "x"],
    ],
)
def test_invalid_usage_is_status_2(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as exit_:
        main(arguments)
    assert exit_.value.code == 2
    assert "usage: customerio-track-mcp" in capsys.readouterr().err
