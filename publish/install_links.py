"""Links that add the server to a host: `python -m publish.install_links` prints them as Markdown for the documents.

They start the released package with the sandbox: a link that everybody sees cannot contain a key, and without one a
server can only use the sandbox.
"""

from __future__ import annotations

import base64
import json
from urllib.parse import quote, urlencode

from publish.names import Names, read_names
from publish.released_server import SERVER_NAME, uvx_entry


def main() -> int:
    """Print the links, and return the exit status."""
    print(readme_lines(read_names()))
    return 0


def readme_lines(names: Names) -> str:
    """Return the links as badges, one a line."""
    cursor_badge = "https://cursor.com/deeplink/mcp-install-dark.svg"
    vscode_badge = "https://img.shields.io/badge/VS_Code-Try_in_the_sandbox-0098FF"
    return (
        f"[![Try the sandbox in Cursor]({cursor_badge})]({cursor_link(names)})\n"
        f"[![Try the sandbox in VS Code]({vscode_badge})]({vscode_link(names)})"
    )


def cursor_link(names: Names) -> str:
    """Return the link for Cursor.

    The web page forwards to `cursor://anysphere.cursor-deeplink/mcp/install` with the same parameters
    (https://cursor.com/docs/mcp/install-links). GitHub removes links to other schemes than http.
    """
    config = base64.b64encode(_compact(uvx_entry(names, "--sandbox"))).decode()
    return f"https://cursor.com/en/install-mcp?{urlencode({'name': SERVER_NAME, 'config': config})}"


def vscode_link(names: Names) -> str:
    """Return the link for VS Code.

    The web page forwards to `vscode:mcp/install` (https://code.visualstudio.com/api/extension-guides/ai/mcp).
    """
    config = _compact({"name": SERVER_NAME, "type": "stdio", **uvx_entry(names, "--sandbox")})
    link = f"vscode:mcp/install?{quote(config, safe='')}"
    return f"https://insiders.vscode.dev/redirect?{urlencode({'url': link})}"


def _compact(content: dict[str, object]) -> bytes:
    return json.dumps(content, separators=(",", ":")).encode()


if __name__ == "__main__":
    raise SystemExit(main())
