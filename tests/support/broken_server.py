"""A server over stdio with one bug, which the fuzzer must find: `python broken_server.py BUG stdio`."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from typing import Any, Final

from customerio_track_mcp.tools.registry import TOOLS

_TOOLS: Final = [
    {"name": name, "inputSchema": {"type": "object"}, "outputSchema": tool.definition.output_schema}
    for name, tool in TOOLS.items()
]


def _result(payload: dict[str, Any], *, is_error: bool = True) -> dict[str, Any]:
    content = [{"type": "text", "text": json.dumps(payload)}]
    return {"content": content, "structuredContent": payload, "isError": is_error}


def _failure(error: str) -> dict[str, Any]:
    return _result({"success": False, "error": error, "message": None})


def _fail() -> dict[str, Any]:
    sys.stderr.write("Traceback (most recent call last):\n")
    return _failure("x")


def _exit() -> dict[str, Any]:
    sys.exit(3)


BUGS: Final[dict[str, Callable[[], dict[str, Any]]]] = {
    "an internal error": lambda: _failure("Internal error (KeyError): this is a bug in the server."),
    "output schema": lambda: _result({"success": False, "error": "x", "surplus": 1}),
    "isError": lambda: _result({"success": False, "error": "x", "message": None}, is_error=False),
    "confirmed 0 requests": lambda: _result({"success": True, "error": None, "message": "x"}, is_error=False),
    "cannot be printed": lambda: _failure("a\u202eb"),
    "UnicodeEncodeError": lambda: _failure("a\ud800b"),
    "a line on stderr": _fail,
    "the server exited": _exit,
}
"""By what the fuzzer reports: the result of a call."""


def _respond(request_id: object, **outcome: Any) -> None:
    sys.stdout.write(json.dumps({"jsonrpc": "2.0", "id": request_id} | outcome) + "\n")
    sys.stdout.flush()


def _main(bug: str) -> None:
    for line in sys.stdin.buffer:
        try:
            message = json.loads(line.decode())
        except (ValueError, RecursionError):
            _respond(None, error={"code": -32700, "message": "Parse error"})
            continue
        match message:
            case {"method": "initialize" | "tools/list", "id": str() | int() as request_id}:
                _respond(request_id, result={"tools": _TOOLS})
            case {"method": "tools/call", "id": str() | int() as request_id, "params": {"name": name}}:
                if name in TOOLS:
                    _respond(request_id, result=BUGS[bug]())
                else:
                    _respond(request_id, error={"code": -32602, "message": "Unknown tool"})


if __name__ == "__main__":
    _main(sys.argv[1])
