"""The MCP configuration that an agent gets."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from customerio_track_mcp.rehearsal.server_config import SERVER_NAME, write_server_config


def test_the_server_uses_the_sandbox_and_nothing_of_a_real_workspace(tmp_path: Path) -> None:
    path = tmp_path / "mcp.json"
    write_server_config(path, "http://127.0.0.1:1", {"CUSTOMERIO_EVENTS": "purchase"})
    servers = json.loads(path.read_text(encoding="utf-8"))["mcpServers"]
    assert list(servers) == [SERVER_NAME]
    entry = servers[SERVER_NAME]
    assert entry["command"] == sys.executable
    assert entry["args"] == ["-P", "-m", "customerio_track_mcp", "stdio", "--sandbox", "http://127.0.0.1:1"]
    assert entry["env"]["CUSTOMERIO_EVENTS"] == "purchase"
    assert not Path(entry["env"]["CUSTOMERIO_SECRETS_DIR"]).is_dir()
    assert entry["env"]["OTEL_SDK_DISABLED"] == "true"


def test_a_setting_of_the_scenario_takes_precedence(tmp_path: Path) -> None:
    path = tmp_path / "mcp.json"
    write_server_config(path, "http://127.0.0.1:1", {"CUSTOMERIO_LOG_LEVEL": "DEBUG"})
    entry = json.loads(path.read_text(encoding="utf-8"))["mcpServers"][SERVER_NAME]
    assert entry["env"]["CUSTOMERIO_LOG_LEVEL"] == "DEBUG"
