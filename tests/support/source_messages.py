"""The messages in the package's source that a person or a model can read, found by parsing it.

A new message is found without anybody adding it here: every literal of three or more words counts, and so does every
argument of a call that reports a problem.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final, NamedTuple

PACKAGE: Final = Path(__file__).parents[2] / "server" / "customerio_track_mcp"
HOLE: Final = "…"
"""Stands for what varies: a replacement field of an f-string, `%s` or `{}`."""

NOTIFICATIONS_ONLY: Final[Mapping[str, str]] = {
    "call_reports/": "notes in a report, and errors of which only the class is logged",
    "control/quotas/redis_counters.py": "errors of which only the class is logged, and scripts of Redis",
    "cli/log.py": "a summary",
    "control/once/redis_memory.py": "scripts of Redis, and errors of which only the class is logged",
    "http/auth/jwks.py": "errors of which only the class is logged",
    "http/auth/key_set.py": "reasons in a log line",
    "instrumentation/metrics.py": "descriptions of metrics",
    "instrumentation/metrics_directory.py": "errors of which only the class is logged",
    "sandbox/": "responses of the sandbox, which docs/sandbox.md describes",
    "stdio/": "nothing but log lines",
    "tools/handlers.py": "successes",
    "track/rate_limit/redis_limiter.py": "errors of which only the class is logged",
}
"""Files and folders of whose literals only those in a log line or a printed line are messages; each with the reason."""
EVERY_LITERAL: Final = frozenset({"sandbox/certificate.py", "sandbox/storage.py"})
"""Exceptions to `NOTIFICATIONS_ONLY`."""
NOTHING: Final[Mapping[str, str]] = {
    "__init__.py": "a module without an attribute",
    "cli/check.py:STATUS_COMPONENT": "a name",
    "cli/install.py:_QUESTION": "what to ask a model",
    "cli/install.py:_SANDBOX_QUESTION": "what to ask a model",
    "cli/parser.py:_CHECK_SANDBOX_HELP": "help",
    "cli/parser.py:_EXAMPLES": "help",
    "cli/parser.py:_SANDBOX_HELP": "help",
    "cli/parser.py:_VersionAction": "help",
    "cli/sandbox_upstream.py:upstream_of_sandbox": "a note for the model",
    "control/summary.py:_LISTS": "parts of a report",
    "control/summary.py:_MAXIMA": "parts of a report",
    "control/summary.py:_NAMES": "names",
    "control/summary.py:_lines_after_lists": "a report of settings",
    "control/summary.py:_lines_before_lists": "a report of settings",
    "control/summary.py:_pause": "a part of a report",
    "control/summary.py:_resend_window": "a part of a report",
    "control/summary.py:control_lines": "a part of a report",
    "control/summary.py:instruction_lines": "instructions for the model",
    "control/quotas/control.py:_advice": "the cure of an error, not its text",
    "control/question.py": "what a person is asked",
    "demo/scenario.py": "what the demo prints as it goes",
    "hosts/catalog.py:_HOSTS": "what a user does next",
    "hosts/program.py:_INSTALL": "a part of a message",
    "http/auth/authenticator.py:_metadata_routes": "a name",
    "http/auth/scope_challenge.py": "a challenge for an OAuth client",
    "http/connection_limit.py:_ACCEPT_FAILED": "a message of asyncio, which is replaced",
    "instrumentation/logs.py": "formats",
    "instrumentation/traces.py:TracingObserver": "events of spans",
    "jsonrpc.py:_EXPECTED": "parts of a message",
    "mcp_server.py:_DESTINATIONS": "instructions for the model",
    "mcp_server.py:_INSTRUCTIONS": "instructions for the model",
    "prompts/arguments.py:data": "a description of an argument",
    "prompts/quoting.py": "text for the model",
    "prompts/registry.py": "descriptions of the prompts",
    "prompts/texts.py": "text for the model",
    "pytest_plugin/__init__.py:pytest_configure": "help",
    "redis_access/connections.py:_BoundedParser": "an error of which only the class is logged",
    "redis_access/limits_storage.py": "errors of which only the class is logged, and one of connections.py",
    "rehearsal/checks/attempted_writes.py": "parts of a finding",
    "rehearsal/checks/forbidden_writes.py": "findings",
    "rehearsal/checks/no_extra_writes.py": "findings",
    "rehearsal/checks/no_repeat.py": "findings",
    "rehearsal/checks/nothing_dropped.py": "findings",
    "rehearsal/checks/right_writes.py": "findings",
    "rehearsal/matchers.py": "parts of a finding",
    "rehearsal/report/table.py": "a report",
    "resources/guide.py": "text for the model",
    "resources/policy.py": "text for the model",
    "sandbox/storage.py:_SCHEMA": "SQL",
    "sandbox/storage.py:_schema": "SQL",
    "server_info.py": "names and descriptions",
    "settings/allowed_names.py:AllowedNames": "parts of a message",
    "settings/key_store.py:_KINDS": "names",
    "settings/server.py:API_CREDENTIALS_PAGE": "a name",
    "tools/dry_run.py": "a success",
    "tools/descriptions.py": "descriptions of the tools",
    "tools/guidance.py:operator_fix": "the cure of an error, not its text",
    "tools/registry.py": "descriptions of the tools",
    "tools/schemas.py": "descriptions of parameters",
    "track/__init__.py": "a module without an attribute",
    "track/transports/certificates.py:_EXPECTED": "parts of a message",
    "track/transports/aiohttp_errors.py:_CLOSED": "an error of a client that is closed",
    "track/validation/characters.py:_KINDS": "parts of a message",
    "track/validation/reserved_keys.py:RESERVED_ATTRIBUTES": "parts of a message",
    "track/validation/reserved_keys.py:RESERVED_EVENT_DATA": "parts of a message",
}
"""Files and definitions without messages; each with the reason."""

_PRINTS: Final = frozenset({"error", "notify", "print_line", "print_status", "warning"})
_DESCRIPTIVE_KEYWORDS: Final = frozenset({"description", "epilog", "help", "metavar", "prog", "title"})
_NOT_FOR_PEOPLE: Final = frozenset({"AssertionError", "AttributeError", "MemoryError", "RuntimeError", "compile"})
_CONTINUATION: Final = re.compile(r"[;, ]")
"""How the part of a message begins that is appended to another one."""
_LABEL: Final = re.compile(r"[A-Z]+: …[ …]*")
"""A word in front of a message, such as `WARNING: …`."""
_WORD: Final = re.compile(r"[^\W\d_][\w'-]+")
_MIN_WORDS: Final = 3


class Message(NamedTuple):
    """A message in the source; `text` has a `HOLE` for what varies."""

    module: str
    line: int
    text: str


def messages() -> list[Message]:
    """Return the messages of the package, in the order of its files."""
    return [message for path in sorted(PACKAGE.rglob("*.py")) for message in _messages_in(path)]


def exempt() -> set[str]:
    """Return the files, folders and definitions that are exempt from `messages`."""
    return set(NOTIFICATIONS_ONLY) | EVERY_LITERAL | set(NOTHING)


def definitions() -> set[str]:
    """Return what can be exempt: folders, files, and their top-level definitions, in the form of `exempt`."""
    found = set()
    for path in PACKAGE.rglob("*.py"):
        module = path.relative_to(PACKAGE).as_posix()
        found |= {module, f"{module.partition('/')[0]}/"}
        found |= {
            f"{module}:{name}" for node in ast.parse(path.read_text(encoding="utf-8")).body for name in _names(node)
        }
    return found


def _messages_in(path: Path) -> Iterator[Message]:
    module = path.relative_to(PACKAGE).as_posix()
    if module in NOTHING:
        return
    tree = ast.parse(path.read_text(encoding="utf-8"))
    ignored = {id(inner) for outer in _ignored(tree, module) for inner in ast.walk(outer)}
    reported = {id(node) for node in _reported(tree)}
    printed_only = module not in EVERY_LITERAL and module.startswith(tuple(NOTIFICATIONS_ONLY))
    if not printed_only:
        reported |= {id(node) for node in _raised(tree)}
    for node in ast.walk(tree):
        if id(node) in ignored or not (text := _text_of(node)):
            continue
        is_sentence = not printed_only and " " in text and len(_WORD.findall(text)) >= _MIN_WORDS
        if (
            (is_sentence or id(node) in reported)
            and _WORD.search(text)
            and not _CONTINUATION.match(text)
            and not _LABEL.fullmatch(text)
        ):
            yield Message(module, getattr(node, "lineno", 0), text)


def _ignored(tree: ast.Module, module: str) -> Iterator[ast.AST]:
    yield from (node for node in tree.body if any(f"{module}:{name}" in NOTHING for name in _names(node)))
    for node in ast.walk(tree):
        match node:
            case ast.Expr(value=ast.Constant()):  # docstrings
                yield node
            case ast.keyword(arg=str() as name) if name in _DESCRIPTIVE_KEYWORDS:
                yield node
            case ast.Call(func=ast.Name(id=name) | ast.Attribute(attr=name)) if name in _NOT_FOR_PEOPLE:
                yield node
            case ast.Call(func=ast.Attribute(value=ast.Name(id="logger"), attr="info" | "debug")):
                yield node
            case ast.Call(func=ast.Name(id="print_result")):  # what the command was asked for
                yield node
            case ast.Call(func=ast.Attribute(attr="execute")):  # SQL
                yield node
            case ast.JoinedStr(values=values):  # its parts; the whole is a message
                yield from (value for value in values if isinstance(value, ast.Constant))
            case ast.Assign(targets=[ast.Name(id="advice")]):  # the cure of an error, not its text
                yield node


def _names(node: ast.stmt) -> list[str]:
    match node:
        case ast.AnnAssign(target=ast.Name(id=name)) | ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name):
            return [name]
        case ast.ClassDef(name=name):
            return [name]
        case ast.Assign(targets=targets):
            return [target.id for target in targets if isinstance(target, ast.Name)]
    return []


def _reported(tree: ast.Module) -> Iterator[ast.AST]:
    for node in ast.walk(tree):
        match node:
            case ast.Call(func=ast.Name(id=name) | ast.Attribute(attr=name), args=[first, *_]) if name in _PRINTS:
                yield first


def _raised(tree: ast.Module) -> Iterator[ast.AST]:
    for node in ast.walk(tree):
        match node:
            case ast.Raise(exc=ast.Call(args=[ast.List(elts=lines), *_])):
                yield from lines
            case ast.Raise(exc=ast.Call(args=[first, *_])):
                yield first
            case ast.Raise(exc=ast.Call(keywords=keywords)):
                yield from (keyword.value for keyword in keywords if keyword.arg == "message")
            case ast.Call(func=ast.Name(id="Problem"), args=[_, text]):
                yield text


def _text_of(node: ast.AST) -> str:
    match node:
        case ast.Constant(value=str() as text):
            return re.sub(r"%[sd]|%0\d[a-z]|\{\}", HOLE, text)
        case ast.JoinedStr(values=values):
            return "".join(_text_of(value) or HOLE for value in values)
    return ""
