"""Imports go down only: see docs/architecture.md for the layers."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

import pytest

from customerio_track_mcp import sandbox, track

ROOT: Final = Path(__file__).parents[2]
PACKAGE: Final = "customerio_track_mcp"
SOURCE: Final = ROOT / "server" / PACKAGE

# Lowest first. A room may import the rooms before it in this list, and itself.
LAYERS: Final = (
    {"track"},
    {"settings"},
    {"upstream"},
    {"instrumentation"},
    {"call_reports"},
    {"control"},
    {"controls"},
    {"tools"},
    {"resources"},
    {"prompts"},
    {"confirmation_requests"},
    {"mcp_server"},
    {"runtime"},
    {"http", "stdio"},
    {"cli"},
    {"__main__"},
)
# Rooms outside the layers: what each may import, and from which layer on it may be imported.
LEAVES: Final = {
    "signals": "track",
    "inherited_environment": "track",
    "module_loading": "track",
    "sockets": "track",
    "redis_access": "track",
    "lenient_json": "tools",
    "server_info": "mcp_server",
    "jsonrpc": "http",
    "sandbox": "http",
    "demo": "cli",
    "hosts": "cli",
    "pytest_plugin": "__main__",
    "rehearsal": "cli",
}
LEAF_IMPORTS: Final[Mapping[str, set[str]]] = {
    "signals": set(),
    "inherited_environment": set(),
    "module_loading": {"inherited_environment"},
    "redis_access": set(),
    "sockets": set(),
    "lenient_json": set(),
    "server_info": set(),
    "jsonrpc": {"lenient_json"},
    "sandbox": set(),
    "demo": {"sandbox"},
    "hosts": set(),
    "pytest_plugin": {"sandbox"},
    "rehearsal": {"inherited_environment", "sandbox"},
}
FACES: Final = {"track": track.__all__, "sandbox": sandbox.__all__}
"""Packages that other rooms use through their public face only, and its names."""


def modules() -> dict[str, Path]:
    """Return every module of the package by its dotted name."""
    found = {}
    for path in SOURCE.rglob("*.py"):
        parts = path.relative_to(SOURCE.parent).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


MODULES: Final = modules()


def imports_of(source: str, known: Mapping[str, object]) -> Iterator[str]:
    """Yield the modules of this package that `source` imports, inside functions and for type checking too."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name.startswith(PACKAGE))
        elif isinstance(node, ast.ImportFrom) and (node.module or "").startswith(PACKAGE):
            assert node.module is not None
            assert node.level == 0, "relative import"
            for alias in node.names:
                submodule = f"{node.module}.{alias.name}"
                yield submodule if submodule in known else node.module


def room_of(module: str) -> str:
    """Return the file or folder directly below the package that `module` is in; empty for the package itself."""
    return module.split(".")[1] if "." in module else ""


def layer_of(room: str) -> int:
    return next(number for number, rooms in enumerate(LAYERS) if room in rooms)


def why_forbidden(importer: str, imported: str) -> str:
    """Return why one module may not import the other; empty if it may."""
    above, below = room_of(importer), room_of(imported)
    if not below or above == below:
        return ""
    if above in LEAVES:
        return "" if below in LEAF_IMPORTS[above] else f"{above} may import only {sorted(LEAF_IMPORTS[above])}"
    beyond = imported.removeprefix(f"{PACKAGE}.{below}").removeprefix(".")
    if below in FACES and beyond and beyond not in FACES[below]:
        return f"{below} is used through its public face only"
    lowest = layer_of(LEAVES[below]) if below in LEAVES else layer_of(below) + 1
    return "" if layer_of(above) >= lowest else f"{above} is not above {below}"


def circle_in(graph: Mapping[str, set[str]]) -> list[str]:
    """Return a circle of imports; empty if there is none."""
    done: set[str] = set()

    def visit(module: str, path: list[str]) -> list[str]:
        if module in path:
            return [*path[path.index(module) :], module]
        if module in done:
            return []
        for imported in sorted(graph.get(module, ())):
            if circle := visit(imported, [*path, module]):
                return circle
        done.add(module)
        return []

    return next((circle for module in sorted(graph) if (circle := visit(module, []))), [])


@pytest.mark.parametrize("module", sorted(MODULES))
def test_imports_go_down_only(module: str) -> None:
    source = MODULES[module].read_text(encoding="utf-8")
    forbidden = {imported: why_forbidden(module, imported) for imported in imports_of(source, MODULES)}
    assert {imported: reason for imported, reason in forbidden.items() if reason} == {}


def test_no_modules_import_each_other_in_a_circle() -> None:
    graph = {
        module: set(imports_of(path.read_text(encoding="utf-8"), MODULES)) - {PACKAGE}
        for module, path in MODULES.items()
    }
    assert circle_in(graph) == []


def test_every_room_is_in_a_layer() -> None:
    rooms = {room_of(module) for module in MODULES} - {""}
    assert rooms == set().union(*LAYERS) | set(LEAVES)


@pytest.mark.parametrize(
    ("importer", "source"),
    [
        ("track.client", "import customerio_track_mcp.settings.server"),
        ("tools.handlers", "from customerio_track_mcp.mcp_server import create_mcp_server"),
        ("stdio.transport", "from customerio_track_mcp.http import app"),
        ("http.app", "from customerio_track_mcp.stdio.transport import serve_stdio"),
        ("sandbox.state", "from customerio_track_mcp.track import limits"),
        ("sandbox.state", "from customerio_track_mcp.signals import signals"),
        ("track.client", "from customerio_track_mcp.sandbox import run_sandbox"),
        ("signals", "def later():\n    from customerio_track_mcp import settings"),
        ("tools.handlers", "if TYPE_CHECKING:\n    from customerio_track_mcp import runtime"),
        ("settings.server", "from customerio_track_mcp.track.regions import Region"),
        ("rehearsal.scoring", "from customerio_track_mcp.tools.schemas import SendEventInput"),
        ("cli.upstream", "from customerio_track_mcp.sandbox.server import run_sandbox"),
    ],
)
def test_an_import_that_goes_up_is_found(importer: str, source: str) -> None:
    (imported,) = imports_of(source, MODULES)
    assert why_forbidden(f"{PACKAGE}.{importer}", imported)


def test_a_circle_is_found() -> None:
    assert circle_in({"a": {"b"}, "b": {"c"}, "c": {"b"}}) == ["b", "c", "b"]
