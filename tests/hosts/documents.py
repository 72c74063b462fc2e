"""Arbitrary configuration texts for property tests."""

from __future__ import annotations

import json
from typing import Any, Final

from hypothesis import strategies as st

KEYS: Final = st.one_of(
    st.sampled_from(["mcpServers", "servers", "other", "a", 'quo"te', "sla\\sh", "// no comment", "ключ", ""]),
    st.text(max_size=4).filter(lambda text: text.isprintable()),
)
NAMES: Final = st.from_regex(r"[A-Za-z0-9-]{1,12}", fullmatch=True)
SCALARS: Final = st.one_of(
    st.sampled_from(["true", "false", "null", "0", "-1.5e10", "1" * 5000, '"/* no comment */"', '"a, }"', '"\\ud800"']),
    st.text(max_size=6).map(json.dumps),
    st.integers().map(str),
)
WHITESPACE: Final = st.sampled_from(["", " ", "\n", "\r\n", "\t", "\n    "])
COMMENTS: Final = st.sampled_from(
    ["// line, {\n", "/* block } */", "/* two\nlines, */", "//\r\n", "/**/", "//\u2028x\n"]
)
GAPS: Final = st.lists(st.one_of(WHITESPACE, WHITESPACE, WHITESPACE, COMMENTS), max_size=3).map("".join)


@st.composite
def objects(draw: st.DrawFn, depth: int = 2, *, keys: Any = KEYS, non_empty: bool = False) -> str:
    """Return the text of a JSON object with comments, trailing commas and any whitespace."""
    names = draw(st.lists(keys, max_size=3, min_size=int(non_empty), unique=True))
    parts = ["{", draw(GAPS)]
    for number, name in enumerate(names):
        value = draw(values(depth - 1))
        parts += [json.dumps(name, ensure_ascii=draw(st.booleans())), draw(GAPS), ":", draw(GAPS), value, draw(GAPS)]
        if number + 1 < len(names) or draw(st.booleans()):
            parts += [",", draw(GAPS)]
    return "".join([*parts, "}"])


def values(depth: int) -> st.SearchStrategy[str]:
    if depth <= 0:
        return SCALARS
    lists = st.lists(st.tuples(GAPS, SCALARS, GAPS), max_size=3).map(
        lambda items: f"[{','.join(''.join(item) for item in items)}]"
    )
    return st.one_of(SCALARS, objects(depth), lists)


@st.composite
def documents(draw: st.DrawFn, *, servers: bool) -> str:
    """Return the text of a configuration.

    Args:
        draw: hypothesis' own.
        servers: whether the object `mcpServers` is in it, with one server or more.
    """
    others = draw(st.lists(st.tuples(KEYS, values(2)), max_size=3, unique_by=lambda pair: pair[0]))
    members = [(key, value) for key, value in others if key != "mcpServers"]
    if servers:
        members.insert(draw(st.integers(0, len(members))), ("mcpServers", draw(objects(2, non_empty=True))))
    parts = [draw(GAPS), "{", draw(GAPS)]
    for number, (key, value) in enumerate(members):
        parts += [json.dumps(key), draw(GAPS), ":", draw(GAPS), value, draw(GAPS)]
        if number + 1 < len(members) or draw(st.booleans()):
            parts += [",", draw(GAPS)]
    return "".join([*parts, "}", draw(GAPS)])
