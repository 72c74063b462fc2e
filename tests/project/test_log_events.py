"""Logger names, events and fields are what operators filter by: a change must show in review."""

from __future__ import annotations

import ast
import json
import os
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "server" / "customerio_track_mcp"
SNAPSHOT = ROOT / "tests" / "data" / "snapshots" / "log_events.json"
LOGGERS = ("calls", "http", "sandbox", "startup", "stdio", "track")
LEVELS = {"debug", "info", "warning", "error", "exception", "critical"}


def test_log_events_and_fields_are_the_snapshot() -> None:
    """`UPDATE_SNAPSHOTS=1 make test` writes the new one."""
    events = sorted(
        (event for path in PACKAGE.rglob("*.py") for event in events_of(path)),
        key=lambda event: (str(event["logger"]), str(event["event"])),
    )
    if os.environ.get("UPDATE_SNAPSHOTS"):
        SNAPSHOT.write_text(json.dumps(events, indent=2) + "\n", encoding="utf-8")
    assert events == json.loads(SNAPSHOT.read_text(encoding="utf-8"))


def test_loggers_have_stable_names() -> None:
    created = "logging.getLogger("
    modules = {path: path.read_text(encoding="utf-8") for path in PACKAGE.rglob("*.py")}
    names = {logger_name(ast.parse(text)) for text in modules.values() if f"logger = {created}" in text}
    assert names == {f"customerio_track_mcp.{name}" for name in LOGGERS}
    assert [path for path, text in modules.items() if f"{created}__name__)" in text] == []


def events_of(path: Path) -> Iterator[dict[str, object]]:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for function in ast.walk(tree):
        if not isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        nested = {node for inner in functions_in(function) for node in ast.walk(inner)}
        for call in ast.walk(function):
            if call not in nested and isinstance(call, ast.Call) and is_log_call(call):
                (event,) = [argument.value for argument in call.args[:1] if isinstance(argument, ast.Constant)]
                assert isinstance(call.func, ast.Attribute)
                yield {
                    "logger": logger_name(tree),
                    "level": call.func.attr,
                    "event": event,
                    "fields": sorted(fields_of(call, function)),
                }


def functions_in(function: ast.AST) -> list[ast.AST]:
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef)
    return [node for node in ast.walk(function) if isinstance(node, kinds) and node is not function]


def is_log_call(call: ast.Call) -> bool:
    function = call.func
    return (
        isinstance(function, ast.Attribute)
        and isinstance(function.value, ast.Name)
        and function.value.id == "logger"
        and function.attr in LEVELS
    )


def logger_name(tree: ast.Module) -> str:
    (name,) = [
        node.args[0].value
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
        and ast.unparse(node.func) == "logging.getLogger"
        and isinstance(node.args[0], ast.Constant)
        and str(node.args[0].value).startswith("customerio_track_mcp.")
    ]
    return str(name)


def fields_of(call: ast.Call, function: ast.AST) -> set[str]:
    """The names of the fields in `extra`, whether it is a dictionary or a variable that is one."""
    for keyword in call.keywords:
        if keyword.arg == "extra":
            if isinstance(keyword.value, ast.Dict):
                return keys_of(keyword.value)
            assert isinstance(keyword.value, ast.Name)
            return keys_assigned_to(keyword.value.id, call.lineno, function)
    return set()


def keys_assigned_to(name: str, line: int, function: ast.AST) -> set[str]:
    """The keys of the dictionary `name` at `line`: those of its literal, and those set afterwards."""
    statements = [node for node in ast.walk(function) if isinstance(node, ast.Assign | ast.AnnAssign)]
    keys: set[str] = set()
    for statement in sorted(statements, key=lambda statement: statement.lineno):
        if statement.lineno > line:
            break
        target = statement.targets[0] if isinstance(statement, ast.Assign) else statement.target
        if ast.unparse(target) == name and isinstance(statement.value, ast.Dict):
            keys = keys_of(statement.value)
        elif isinstance(target, ast.Subscript) and ast.unparse(target.value) == name:
            assert isinstance(target.slice, ast.Constant)
            keys.add(str(target.slice.value))
    return keys


def keys_of(dictionary: ast.Dict) -> set[str]:
    return {str(key.value) for key in dictionary.keys if isinstance(key, ast.Constant)}
